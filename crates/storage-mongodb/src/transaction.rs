//! One transaction on a session of its own, and how a unit becomes one.
//!
//! Invariants:
//! 1. A statement that did not do what it was to do ends the attempt: nothing of it is ever committed.
//! 2. Why it did not is looked up afterwards, in one snapshot and in the order of the port's checks; a unit that finds all well
//!    there is run again.
//! 3. A commit whose outcome was not seen is asked for again until the caller's time is over, and never run as a new one.

use std::time::Duration;

use bson::raw::{RawArrayBuf, RawDocumentBuf};
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::ClientSession;
use mongodb::error::{Error as Driver, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{FindOptions, ReadConcern};
use staffa_storage::{Error, Result};

use crate::call::Call;
use crate::error::{
    DUPLICATE_KEY, TIME_EXPIRED, WRITE_CONFLICT, code, is_closed, is_cut, is_transient, is_unsure, told,
    unsure,
};
use crate::freezing;
use crate::shared::Shared;

/// How often a unit or a read is run before it gives way to others.
pub(crate) const ATTEMPTS_MAX: u32 = 16;
/// From how many on it may be one that is gone whom it waits for.
pub(crate) const HELD_UP_AT: u32 = 8;
/// Bytes of statements in one command: the server takes 16 MiB, and one document may have half of it.
const COMMAND_BYTES: usize = 4 << 20;
/// How long a server that could not be told of a transaction's end is tried again: by then it ends it by itself.
const ENDING_MAX: Duration = Duration::from_secs(60);
const ENDING_PAUSE: Duration = Duration::from_millis(20);

/// Why an attempt ended without its commit.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Others were faster, or the connection broke: nothing happened, and it may be run again.
    Again,
    /// A statement did not find what it expected.
    Unmet,
    /// The unit fails with this.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What is run as a transaction, perhaps several times.
pub(crate) trait Work: Sync {
    /// What it gives.
    type Output: Send;

    /// Runs the statements. From the second time on, `again` says so.
    fn run(
        &self,
        tx: &mut Transaction<'_>,
        again: bool,
    ) -> impl Future<Output = Result<Self::Output, Stop>> + Send;

    /// Looks why a statement did not find what it expected.
    fn look(&self, tx: &mut Transaction<'_>) -> impl Future<Output = Result<(), Stop>> + Send;

    /// How often it is run before it gives way to others.
    fn attempts_max(&self) -> u32 {
        ATTEMPTS_MAX
    }

    /// What to say when others were always faster.
    fn outrun(&self) -> Error;
}

/// Runs what passes a gate.
pub(crate) async fn pass<W: Work>(
    store: &Shared,
    call: &Call,
    work: impl FnOnce(i32) -> Result<W>,
) -> Result<W::Output> {
    let mut gate = store.gate();
    let work = work(gate.number())?;
    let mut done = run(store, call, &work).await;
    if matches!(done, Err(Error::Frozen)) && freezing::finish_thaw(store, call, gate.number()).await? {
        done = run(store, call, &work).await;
    }
    if done.is_err() {
        gate.was_not_passed();
    }
    done
}

/// Runs it to its commit, or to the error that says why not.
pub(crate) async fn run<W: Work>(store: &Shared, call: &Call, work: &W) -> Result<W::Output> {
    let mut again = false;
    for attempt in 0..work.attempts_max() {
        let mut tx = Transaction::begin(store, call).await?;
        let done = work.run(&mut tx, again).await;
        match tx.finish(done).await {
            Ok(output) => return Ok(output),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Unmet) => {
                let mut tx = Transaction::begin(store, call).await?;
                let looked = work.look(&mut tx).await;
                tx.abort().await;
                if let Err(Stop::Failed(error)) = looked {
                    return Err(error);
                }
                again = true;
            }
            Err(Stop::Again) if attempt == HELD_UP_AT => store.presence.held_up(),
            Err(Stop::Again) => {}
        }
        pause(call, attempt).await?;
    }
    Err(work.outrun())
}

/// Waits a little longer each time, and never as long as another unit that waits.
pub(crate) async fn pause(call: &Call, attempt: u32) -> Result<()> {
    let ctx = call.context();
    let most = 2_u64 << attempt.min(5);
    let micros = (ctx.uuid().as_u128() % u128::from(most * 1_000)) as u64;
    ctx.sleep(Duration::from_micros(micros)).await?;
    call.check()
}

/// A transaction under way.
pub(crate) struct Transaction<'a> {
    store: &'a Shared,
    call: &'a Call,
    session: ClientSession,
    /// Whether the line to the server was cut meanwhile.
    cut: bool,
}

impl<'a> Transaction<'a> {
    /// Begins with what is committed now: all that it reads is one snapshot.
    pub(crate) async fn begin(store: &'a Shared, call: &'a Call) -> Result<Self> {
        call.check()?;
        let mut session = store.client.start_session().await.map_err(told)?;
        store.presence.enter(store, call, &session).await?;
        session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .max_commit_time(store.max_time(call))
            .await
            .map_err(told)?;
        Ok(Self { store, call, session, cut: false })
    }

    /// Runs these statements of `update` on a collection; each must match or make one document.
    pub(crate) async fn update(
        &mut self,
        collection: &str,
        updates: Vec<RawDocumentBuf>,
    ) -> Result<(), Stop> {
        let expected = updates.len();
        match self.write("update", collection, "updates", updates).await? {
            count if count == expected => Ok(()),
            _ => Err(Stop::Unmet),
        }
    }

    /// Inserts these documents.
    pub(crate) async fn insert(
        &mut self,
        collection: &str,
        documents: Vec<RawDocumentBuf>,
    ) -> Result<(), Stop> {
        self.write("insert", collection, "documents", documents).await.map(drop)
    }

    /// Runs statements of a command that writes, in as few commands as their size allows; gives how many documents they concerned.
    pub(crate) async fn write(
        &mut self,
        command: &str,
        collection: &str,
        list: &str,
        statements: Vec<RawDocumentBuf>,
    ) -> Result<usize, Stop> {
        let mut count = 0;
        let mut statements = statements.into_iter().peekable();
        while statements.peek().is_some() {
            let (mut some, mut bytes) = (RawArrayBuf::new(), 0);
            while let Some(statement) =
                statements.next_if(|next| bytes == 0 || bytes + next.as_bytes().len() <= COMMAND_BYTES)
            {
                bytes += statement.as_bytes().len();
                some.push(statement);
            }
            count += self.command(command, collection, list, some).await?;
        }
        Ok(count)
    }

    async fn command(
        &mut self,
        command: &str,
        collection: &str,
        list: &str,
        statements: RawArrayBuf,
    ) -> Result<usize, Stop> {
        self.call.check()?;
        let mut asked = RawDocumentBuf::try_from(
            &doc! { command: collection, "maxTimeMS": self.store.millis(self.call) },
        )
        .map_err(|error| Error::Unusable(error.to_string()))?;
        let list = bson::raw::CString::try_from(list).map_err(|error| Error::Unusable(error.to_string()))?;
        asked.append(list, statements);
        let (store, call) = (self.store, self.call);
        let id = self.session.id().clone();
        let run = store.database.run_raw_command(asked).session(&mut self.session);
        let reply =
            store.stoppable(call, &id, async { run.await }).await.map_err(|error| self.stopped(error))?;
        written(&reply)
    }

    /// All documents that match, at most `limit` of them if it is not 0.
    pub(crate) async fn find(
        &mut self,
        collection: &str,
        filter: Document,
        projection: Document,
        limit: i64,
    ) -> Result<Vec<RawDocumentBuf>, Stop> {
        let find = FindOptions::builder().projection(projection).limit(limit).build();
        self.read(collection, filter, find).await
    }

    /// The ids of what matches, the oldest `limit` by `at`.
    pub(crate) async fn oldest(
        &mut self,
        collection: &str,
        filter: Document,
        limit: i64,
    ) -> Result<Vec<RawDocumentBuf>, Stop> {
        let find =
            FindOptions::builder().projection(doc! { "_id": 1 }).sort(doc! { "at": 1 }).limit(limit).build();
        self.read(collection, filter, find).await
    }

    /// All documents that match, as the options say.
    pub(crate) async fn read(
        &mut self,
        collection: &str,
        filter: Document,
        find: FindOptions,
    ) -> Result<Vec<RawDocumentBuf>, Stop> {
        self.call.check()?;
        let (store, call) = (self.store, self.call);
        let id = self.session.id().clone();
        let found = store.database.collection::<RawDocumentBuf>(collection);
        let read = async {
            let find = found.find(filter).with_options(find).max_time(store.max_time(call));
            let mut cursor = find.session(&mut self.session).await?;
            cursor.stream(&mut self.session).try_collect().await
        };
        store.stoppable(call, &id, read).await.map_err(|error| self.stopped(error))
    }

    /// A time of this process that no two events share, and that rises.
    pub(crate) fn turn(&self) -> i64 {
        self.store.turn(self.call.context().wall())
    }

    /// The session, for statements of somebody's own.
    pub(crate) fn session(&mut self) -> &mut ClientSession {
        &mut self.session
    }

    /// Commits what went well, and takes back what did not.
    pub(crate) async fn finish<T>(&mut self, done: Result<T, Stop>) -> Result<T, Stop> {
        let finished = match done {
            Ok(output) => self.commit().await.map(|()| output),
            Err(stop) => Err(stop),
        };
        if finished.is_err() {
            self.abort().await;
        }
        finished
    }

    async fn commit(&mut self) -> Result<(), Stop> {
        if !self.call.hold() {
            self.call.check()?;
        }
        for attempt in 0.. {
            let error = match self.session.commit_transaction().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) && !is_unsure(&error) {
                self.call.unhold();
                return Err(self.stopped(error));
            }
            self.cut = true;
            let unknown = || Error::Unknown(format!("the commit was not answered: {}", told(error.clone())));
            let most = Duration::from_millis(2 << attempt.min(7));
            if attempt >= COMMIT_ATTEMPTS_MAX || self.call.context().sleep(most).await.is_err() {
                return Err(Stop::Failed(unknown()));
            }
        }
        Ok(())
    }

    /// Takes back all of it.
    pub(crate) async fn abort(&mut self) {
        if self.cut {
            return self.end_later();
        }
        if let Err(error) = self.session.abort_transaction().await {
            tracing::debug!(%error, "a transaction could not be taken back, and ends with its session");
        }
    }

    /// Ends the session as soon as the server can be told: until then what it wrote is in everybody's way.
    fn end_later(&self) {
        let (client, ctx) =
            (self.store.client.clone(), self.call.context().shielded().with_timeout(ENDING_MAX));
        let kill = doc! { "killSessions": [self.session.id().clone()] };
        let ending = async move {
            while let Err(error) = client.database("admin").run_command(kill.clone()).await {
                if is_closed(&error) || ctx.sleep(ENDING_PAUSE).await.is_err() {
                    tracing::debug!(%error, "a transaction that was cut ends by the server's own limit");
                    return;
                }
            }
        };
        drop(self.call.context().instruments().spawner.spawn(Box::pin(ending)));
    }

    fn stopped(&mut self, error: Driver) -> Stop {
        self.cut |= is_cut(&error);
        match code(&error) {
            Some(DUPLICATE_KEY) => Stop::Unmet,
            _ if is_transient(&error) => Stop::Again,
            _ => Stop::Failed(told(error)),
        }
    }
}

/// How often a commit whose outcome was not seen is asked for again.
const COMMIT_ATTEMPTS_MAX: u32 = 12;

/// How many documents a command concerned, by its reply.
fn written(reply: &Document) -> Result<usize, Stop> {
    if let Some(refused) = refused(reply) {
        return Err(match refused.get_i32("code") {
            Ok(DUPLICATE_KEY) => Stop::Unmet,
            Ok(WRITE_CONFLICT) => Stop::Again,
            _ => Stop::Failed(Error::Unusable(format!("the server refused a write: {refused}"))),
        });
    }
    Ok(match reply.get("n") {
        Some(Bson::Int32(count)) => usize::try_from(*count).unwrap_or(0),
        Some(Bson::Int64(count)) => usize::try_from(*count).unwrap_or(0),
        _ => 0,
    })
}

/// The first statement of a command that was refused.
pub(crate) fn refused(reply: &Document) -> Option<&Document> {
    reply.get_array("writeErrors").ok()?.first()?.as_document()
}

/// Refuses a reply that says of a statement that it was not done, or that it may be lost with its server.
pub(crate) fn done(reply: &Document) -> Result<()> {
    if let Some(refused) = refused(reply) {
        return Err(Error::Unusable(format!("the server refused a write: {refused}")));
    }
    concern(reply).map_or(Ok(()), |concern| {
        let words = concern.get_str("errmsg").unwrap_or_default();
        Err(unsure(concern.get_i32("code").unwrap_or(0), words))
    })
}

/// Why a majority of the replica set may lack what was written.
fn concern(reply: &Document) -> Option<&Document> {
    reply.get_document("writeConcernError").ok()
}

/// Whether a transaction or a slow majority held up the statement of a reply for as long as it may take.
pub(crate) fn waits(reply: &Document) -> bool {
    let is = |document: Option<&Document>, code| {
        document.is_some_and(|document| document.get_i32("code").is_ok_and(|it| it == code))
    };
    is(refused(reply), WRITE_CONFLICT) || is(concern(reply), TIME_EXPIRED)
}

/// Raw bytes of a document that was made here.
pub(crate) fn raw(document: &Document) -> Result<RawDocumentBuf> {
    RawDocumentBuf::try_from(document).map_err(|error| Error::Unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_no_majority_has_is_not_done() {
        assert_eq!(done(&doc! { "ok": 1, "n": 1 }), Ok(()));
        let concern = doc! { "code": 64, "errmsg": "waiting for replication timed out" };
        let unsure = done(&doc! { "ok": 1, "n": 1, "writeConcernError": concern });
        assert!(
            matches!(&unsure, Err(Error::Unavailable(words)) if words.contains("timed out")),
            "{unsure:?}"
        );
        let refused = doc! { "ok": 1, "n": 0, "writeErrors": [{ "index": 0, "code": 121 }] };
        assert!(matches!(done(&refused), Err(Error::Unusable(_))));
        let slow = doc! { "ok": 1, "n": 1, "writeConcernError": { "code": TIME_EXPIRED, "errmsg": "" } };
        assert!(done(&slow).is_err() && waits(&slow) && !waits(&refused));
    }
}
