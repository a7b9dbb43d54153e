//! Who has the database open, and what is left of those that are gone.
//!
//! A transaction whose process was killed stays open on the server, by default for a minute, and what it wrote is locked meanwhile. So
//! each store that has transactions enters the sessions of its transactions in `staffa_meta`, and answers whoever asks whether it is still there.
//! Who opens a database asks, and so does who is held up. Invariants:
//! 1. A session is entered before its first transaction, of a unit or of a read: all begin in one place. The driver gives the same
//!    few sessions again and again, so most transactions find theirs entered, and ask nothing. The one gap: when others have
//!    killed a store's sessions since it was silent, it still takes them for entered until its next answer, or the next session
//!    that it enters, finds the record gone, which is [`ANSWER_EVERY`] later at most if the server answers. A transaction that
//!    begins in between is nobody's to end: if its process is killed too, it ends by the server's limit.
//! 2. A store that has left one question without answer for [`SILENCE_MAX`] is taken for gone: its sessions are killed, and then its
//!    record is removed. So its transactions have ended before nobody knows of them.
//! 3. Nothing but time depends on that nobody is mistaken: one that was only silent loses its transactions under way, which the server
//!    then refuses to commit and which are run again, and enters its sessions anew.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use bson::{Bson, Document, doc};
use mongodb::ClientSession;
use staffa_context::{Cancel, Cause, Context};
use staffa_storage::{Error, Result};
use tokio::sync::{Notify, watch};

use crate::call::Call;
use crate::error::{DUPLICATE_KEY, told};
use crate::row::{missing, text};
use crate::schema::META;
use crate::shared::Shared;
use crate::transaction::{done, raw, refused};

/// How the ids of records begin, and what is above them all.
const IDS: (&str, &str) = ("store.", "store/");
/// How often a store looks whether it is asked.
const ANSWER_EVERY: Duration = Duration::from_millis(500);
/// How long one that is asked may be silent.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long nobody is asked again.
const REST: Duration = Duration::from_secs(1);
/// Sessions that a record holds at most, the latest. A store has far fewer at once.
const SESSIONS_MAX: usize = 1_000;
/// Sessions that are killed at once.
const KILLED_AT_ONCE: usize = 100;
/// Records that are looked at in one round.
const OTHERS_MAX: usize = 1_000;

/// What a store says of itself, and of whom it is held up by.
pub(crate) struct Presence {
    /// The id of its record.
    id: String,
    /// The sessions that are in the record.
    entered: Mutex<HashSet<Vec<u8>>>,
    held_up: Notify,
}

impl Presence {
    pub(crate) fn new(ctx: &Context) -> Self {
        let id = format!("{}{}", IDS.0, ctx.uuid());
        Self { id, entered: Mutex::default(), held_up: Notify::new() }
    }

    fn entered(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that somebody's transaction does not end: those who are gone are looked for.
    pub(crate) fn held_up(&self) {
        self.held_up.notify_one();
    }

    /// Enters a session that is about to have its first transaction.
    pub(crate) async fn enter(&self, store: &Shared, call: &Call, session: &ClientSession) -> Result<()> {
        let Some(Bson::Binary(id)) = session.id().get("id") else { return Err(missing("lsid")) };
        if self.entered().contains(&id.bytes) {
            return Ok(());
        }
        let latest = i64::try_from(SESSIONS_MAX).unwrap_or(i64::MAX);
        let one_more =
            doc! { "$push": { "sessions": { "$each": [session.id().clone()], "$slice": -latest } } };
        let statement = raw(&doc! { "q": { "_id": &self.id }, "u": one_more, "upsert": true })?;
        let mut entered = store.update(call, META, vec![statement.clone()]).await?;
        if refused(&entered)
            .is_some_and(|refused| refused.get_i32("code").is_ok_and(|code| code == DUPLICATE_KEY))
        {
            // Another session made the record in the same moment.
            entered = store.update(call, META, vec![statement]).await?;
        }
        done(&entered)?;
        let is_new = entered.contains_key("upserted");
        let mut known = self.entered();
        if is_new || known.len() >= SESSIONS_MAX {
            known.clear();
        }
        known.insert(id.bytes.clone());
        Ok(())
    }

    /// Answers who has asked.
    async fn answer(&self, store: &Shared, call: &Call) -> Result<()> {
        if self.entered().is_empty() {
            return Ok(());
        }
        let answer = doc! { "q": { "_id": &self.id }, "u": { "$unset": { "asked": "" } } };
        let answered = store.update(call, META, vec![raw(&answer)?]).await?;
        done(&answered)?;
        if answered.get_i32("n").is_ok_and(|found| found == 0) {
            tracing::warn!("this store was silent for so long that another one has ended its transactions");
            self.entered().clear();
        }
        Ok(())
    }

    /// Takes the record away: none of its transactions is under way any more.
    pub(crate) async fn leave(&self, store: &Shared) -> Result<()> {
        if self.entered().is_empty() {
            return Ok(());
        }
        let records = store.database.collection::<Document>(META);
        records.delete_one(doc! { "_id": &self.id }).await.map(drop).map_err(told)
    }

    /// Asks all others, and ends the transactions of those who do not answer.
    async fn look_for_the_gone(&self, store: &Shared, call: &Call) -> Result<()> {
        let asked = self.ask(store, call).await?;
        if asked.is_empty() {
            return Ok(());
        }
        call.context().sleep(SILENCE_MAX).await?;
        for record in self.others(store, call).await? {
            if question(&record)?.is_some_and(|question| asked.contains(&question)) {
                end(store, &record).await?;
            }
        }
        Ok(())
    }

    /// Asks those whom nobody has asked yet; gives all questions that are open.
    async fn ask(&self, store: &Shared, call: &Call) -> Result<Vec<Question>> {
        if self.others(store, call).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut which = self.of_others();
        which.insert("asked", doc! { "$exists": false });
        let asked = doc! { "$set": { "asked": call.context().uuid().to_string() } };
        let all = store.update(call, META, vec![raw(&doc! { "q": which, "u": asked, "multi": true })?]);
        done(&all.await?)?;
        let others = self.others(store, call).await?;
        let questions = others.iter().map(|record| question(record)).collect::<Result<Vec<_>>>()?;
        Ok(questions.into_iter().flatten().collect())
    }

    async fn others(&self, store: &Shared, call: &Call) -> Result<Vec<RawDocumentBuf>> {
        store.find(call, META, self.of_others(), doc! { "_id": 1 }, OTHERS_MAX).await
    }

    fn of_others(&self) -> Document {
        doc! { "_id": { "$gte": IDS.0, "$lt": IDS.1, "$ne": &self.id } }
    }
}

/// A record's id, and what was asked of it.
type Question = (String, String);

fn question(record: &RawDocument) -> Result<Option<Question>> {
    let asked = record.get_str("asked").ok();
    asked.map(|asked| Ok((text(record, "_id")?.to_owned(), asked.to_owned()))).transpose()
}

/// Kills the sessions of a store that is gone, and removes its record unless it has answered meanwhile.
async fn end(store: &Shared, record: &RawDocument) -> Result<()> {
    let damaged = |error: bson::error::Error| Error::Unusable(format!("{META} is damaged: {error}"));
    let sessions = match record.get("sessions").map_err(|error| Error::Unusable(error.to_string()))? {
        Some(RawBsonRef::Array(sessions)) => Vec::<Bson>::try_from(sessions).map_err(damaged)?,
        _ => Vec::new(),
    };
    for some in sessions.chunks(KILLED_AT_ONCE) {
        store.database.run_command(doc! { "killSessions": some.to_vec() }).await.map_err(told)?;
    }
    let (id, asked) = question(record)?.ok_or_else(|| missing("asked"))?;
    let records = store.database.collection::<Document>(META);
    records.delete_one(doc! { "_id": &id, "asked": asked }).await.map_err(told)?;
    tracing::info!(store = id, sessions = sessions.len(), "ended what a store that is gone left open");
    Ok(())
}

/// The task that asks and answers, as its store sees it. Dropping it ends the task soon.
pub(crate) struct Present {
    cancel: Cancel,
    ended: watch::Receiver<()>,
}

impl Present {
    /// Starts it, whatever becomes of the context.
    pub(crate) fn start(ctx: &Context, store: &Arc<Shared>) -> Self {
        let (own, cancel) = ctx.shielded().with_cancel();
        let (ending, ended) = watch::channel(());
        let (store, spawner) = (Arc::clone(store), Arc::clone(&ctx.instruments().spawner));
        let call = Call::new(own);
        let task = async move {
            // Each ends with the context.
            let _ = tokio::join!(keep_answering(&store, &call), keep_looking(&store, &call));
            drop(ending);
        };
        drop(spawner.spawn(Box::pin(task)));
        Self { cancel, ended }
    }

    /// Ends the task, and waits until it has ended.
    pub(crate) async fn stop(&self, ctx: &Context) -> Result<()> {
        self.cancel.cancel(Cause::cancelled("the store is closed"));
        let mut ended = self.ended.clone();
        // The sender goes with the task.
        while ctx.run(ended.changed()).await?.is_ok() {}
        Ok(())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.cancel.cancel(Cause::cancelled("the store is dropped"));
    }
}

async fn keep_answering(store: &Shared, call: &Call) -> Result<()> {
    loop {
        call.context().sleep(ANSWER_EVERY).await?;
        if let Err(error) = store.presence.answer(store, call).await {
            tracing::debug!(%error, "who asks for this store was not answered");
        }
    }
}

async fn keep_looking(store: &Shared, call: &Call) -> Result<()> {
    loop {
        if let Err(error) = store.presence.look_for_the_gone(store, call).await {
            tracing::debug!(%error, "those who are gone could not be looked for");
        }
        call.context().sleep(REST).await?;
        call.context().run(store.presence.held_up.notified()).await?;
    }
}
