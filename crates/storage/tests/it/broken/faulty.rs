//! A store that is whole but for one fault.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering as Memory};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use staffa_context::{Context, Timestamp};
use staffa_storage::{
    Backlog, Bound, Commit, Error, Event, Expect, Found, Kept, Moving, Part, Partitions, Result, Scan, Seen,
    Store, Unsent, Write,
};
use uuid::Uuid;

use super::Fault;
use super::spoil::spoil;

/// A store in memory that does one thing wrong.
pub(super) struct Faulty {
    pub(super) fault: Fault,
    pub(super) inner: Arc<dyn Moving>,
    pub(super) place: Arc<Place>,
    mark: Mutex<Option<Uuid>>,
    outbox: Mutex<Option<Vec<Event>>>,
    pub(super) many: Mutex<BTreeMap<Vec<Part>, Vec<Seen>>>,
    /// Whether a session was left inside its transaction, or a read in mid-air.
    open: AtomicBool,
}

/// What all handles on a place share.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) frozen: AtomicBool,
    closed: AtomicBool,
}

impl Faulty {
    pub(super) fn new(fault: Fault, inner: Arc<dyn Moving>, place: Arc<Place>) -> Self {
        let (mark, outbox, many) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { fault, inner, place, mark, outbox, many, open: AtomicBool::new(false) }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn context(&self, ctx: &Context) -> Context {
        if self.has(Fault::IgnoresTheContext) { ctx.shielded() } else { ctx.clone() }
    }

    fn kept_key(&self, scope: &str, key: &str) -> (String, String) {
        match self.fault {
            Fault::JoinsScopeAndKey => ("all".into(), key.to_lowercase()),
            _ => (scope.into(), key.into()),
        }
    }

    /// Waits as a read of a database does, and what becomes of the read after one that was dropped meanwhile.
    async fn wait(&self, ctx: &Context) -> Result<()> {
        let left = match self.fault {
            Fault::LeavesItsReaderOpen => Error::Unavailable("no reader is free".into()),
            Fault::CancelsTheNext => Error::Ended(staffa_context::Cause::ClientGone),
            _ => return Ok(()),
        };
        if self.open.swap(true, Memory::SeqCst) {
            return Err(left);
        }
        turn().await;
        self.open.store(false, Memory::SeqCst);
        Ok(ctx.check()?)
    }

    /// Refuses what a read of this fault refuses.
    async fn serves(&self, ctx: &Context) -> Result<()> {
        let closed = self.has(Fault::ClosesEveryHandle) && self.place.closed.load(Memory::SeqCst);
        if closed || (self.has(Fault::ReadsNothingWhilePaused) && self.inner.is_frozen(ctx).await?) {
            return Err(Error::Unavailable("it serves nobody now".into()));
        }
        Ok(())
    }

    /// Looks for other entities with the code of an item, as a store does that has no unique index.
    async fn check_codes(&self, ctx: &Context, commit: &Commit) -> Result<()> {
        for write in commit.writes.iter().filter(|write| write.kind == "item") {
            let Some(key) = write.put.as_ref().map(|(_, keys)| keys[4].clone()) else { continue };
            let found = self.inner.scan(ctx, everything(write.kind, 4, key.clone())).await?;
            if key != [Part::None] && found.iter().any(|found| found.row.id != write.id) {
                return Err(Error::Duplicate { kind: write.kind.into(), index: "code".into() });
            }
        }
        Ok(())
    }

    /// Looks at the versions, as a store does that checks outside the transaction.
    async fn check(&self, ctx: &Context, commit: &Commit) -> Result<()> {
        for write in &commit.writes {
            let now = self.inner.get(ctx, write.kind, &write.id).await?;
            let stale = |row: &staffa_storage::Row| write.expect != Expect::Version(row.version);
            if matches!(&now, Seen::Row(row) if stale(row)) {
                return Err(Error::Conflict { kind: write.kind.into(), id: write.id.to_string() });
            }
        }
        Ok(())
    }

    /// Makes a write succeed over whatever is there.
    async fn win(&self, ctx: &Context, write: &mut Write) -> Result<()> {
        if let Seen::Row(row) = self.inner.get(ctx, write.kind, &write.id).await? {
            write.expect = Expect::Version(row.version);
            write.version = row.version + 1;
        }
        Ok(())
    }

    /// What the expectations of a commit become.
    async fn expect(&self, ctx: &Context, write: &mut Write) -> Result<()> {
        let now = self.inner.get(ctx, write.kind, &write.id).await?;
        match (self.fault, write.expect, now) {
            (Fault::LastWriteWins, Expect::Version(_), Seen::Row(_)) => self.win(ctx, write).await?,
            (Fault::InsertsOverTheDeleted, Expect::New, Seen::Absent { last }) => {
                write.expect = Expect::Absent { last };
                write.version = last + 1;
            }
            (Fault::ForgetsTheDeleted, Expect::Absent { .. }, Seen::Absent { last }) => {
                write.expect = Expect::Absent { last };
            }
            _ => {}
        }
        Ok(())
    }

    async fn spoil(&self, ctx: &Context, commit: &mut Commit) -> Result<()> {
        spoil(self.fault, commit)?;
        for write in &mut commit.writes {
            self.expect(ctx, write).await?;
            if let Some((document, keys)) = &mut write.put {
                match self.fault {
                    Fault::CutsTimes => keys.iter_mut().flatten().for_each(cut),
                    Fault::RoundsNumbers => round(document),
                    _ => {}
                }
            }
        }
        match self.fault {
            Fault::IgnoresGuards => commit.guards.clear(),
            Fault::LosesAnEvent => drop(commit.events.pop()),
            Fault::ChecksNoneParts => self.check_none(ctx, commit).await?,
            _ => {}
        }
        if let Some(kept) = &mut commit.kept {
            (kept.scope, kept.key) = self.kept_key(&kept.scope, &kept.key);
            if self.has(Fault::DropsTheDigest) {
                kept.digest = [0; 32];
            }
        }
        Ok(())
    }

    /// Takes an item's last index, which is unique, for checked even with a none part.
    async fn check_none(&self, ctx: &Context, commit: &Commit) -> Result<()> {
        for write in commit.writes.iter().filter(|write| write.kind == "item") {
            let Some(key) = write.put.as_ref().map(|(_, keys)| keys[5].clone()) else { continue };
            let found = self.inner.scan(ctx, everything(write.kind, 5, key)).await?;
            if found.iter().any(|found| found.row.id != write.id) {
                return Err(Error::Duplicate { kind: write.kind.into(), index: "name_rank".into() });
            }
        }
        Ok(())
    }

    /// The rest of the commit in other steps than one.
    async fn commit_in_parts(&self, ctx: &Context, commit: Commit) -> Result<()> {
        let Commit { guards, writes, events, kept } = commit;
        let keep = Commit { kept, ..Commit::default() };
        let rest = Commit { guards, writes, events, kept: None };
        match self.fault {
            Fault::KeepsBeforeTheRest => {
                self.inner.commit(ctx, keep).await?;
                self.inner.commit(ctx, rest).await
            }
            Fault::KeepsAfterTheRest => {
                self.inner.commit(ctx, rest).await?;
                turn().await;
                self.inner.commit(ctx, keep).await
            }
            Fault::IgnoresKept => {
                self.inner.commit(ctx, rest).await?;
                self.inner.commit(ctx, keep).await.or(Ok(()))
            }
            Fault::ChecksKeptLast => {
                let whole = Commit { kept: keep.kept.clone(), ..rest.clone() };
                match self.inner.commit(ctx, whole).await {
                    Err(Error::Kept) => self.inner.commit(ctx, rest).await.and(Err(Error::Kept)),
                    other => other,
                }
            }
            _ => {
                let Commit { guards, writes, events, .. } = rest;
                for write in writes {
                    self.inner.commit(ctx, Commit { writes: vec![write], ..Commit::default() }).await?;
                    if self.has(Fault::CommitsInTwoTurns) {
                        turn().await;
                    }
                }
                self.inner.commit(ctx, Commit { guards, events, ..keep }).await
            }
        }
    }
}

/// Lets others have their turn once.
pub(super) async fn turn() {
    tokio::task::yield_now().await;
}

fn cut(part: &mut Part) {
    if let Part::Time(time) = part {
        *time = Timestamp::from_micros(time.as_micros().div_euclid(1_000) * 1_000);
    }
}

/// Passes every whole number through a double, as a browser would.
fn round(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        Value::Number(number) =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "it is the fault"
            )]
            if let Some(whole) = number.as_i64() {
                *number = (whole as f64 as i64).into();
            }
        }
        _ => {}
    }
}

fn everything(kind: &'static str, place: usize, equal: Vec<Part>) -> Scan {
    let by = staffa_storage::By::Index(place);
    Scan { kind, by, equal, bound: Bound::All, descending: false, after: None, limit: usize::MAX }
}

/// The order that a fault makes of two parts.
fn compare(fault: Fault, one: &Part, other: &Part) -> Ordering {
    match (fault, one, other) {
        (Fault::OrdersByCase, Part::Text(one), Part::Text(other)) => {
            one.to_lowercase().cmp(&other.to_lowercase())
        }
        (Fault::OrdersByUtf16, Part::Text(one), Part::Text(other)) => {
            one.encode_utf16().cmp(other.encode_utf16())
        }
        (Fault::PutsNoneLast, Part::None, Part::None) => Ordering::Equal,
        (Fault::PutsNoneLast, Part::None, _) => Ordering::Greater,
        (Fault::PutsNoneLast, _, Part::None) => Ordering::Less,
        _ => one.cmp(other),
    }
}

fn compare_keys(fault: Fault, one: &[Part], other: &[Part]) -> Ordering {
    let parts = one.iter().zip(other).map(|(one, other)| compare(fault, one, other));
    parts.fold(Ordering::Equal, Ordering::then)
}

/// Whether text matches a prefix with SQL's wildcards.
fn like(text: &str, prefix: &str) -> bool {
    let mut letters = text.chars();
    prefix.chars().all(|wild| match wild {
        '%' => true,
        '_' => letters.next().is_some(),
        letter => letters.next() == Some(letter),
    })
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, ctx: &Context, kind: &'static str, id: &Part) -> Result<Seen> {
        self.serves(ctx).await?;
        Ok(self.seen(self.inner.get(&self.context(ctx), kind, id).await?))
    }

    async fn get_many(&self, ctx: &Context, kind: &'static str, ids: &[Part]) -> Result<Vec<Seen>> {
        self.serves(ctx).await?;
        let ctx = &self.context(ctx);
        self.wait(ctx).await?;
        self.many(ctx, kind, ids).await
    }

    async fn scan(&self, ctx: &Context, scan: Scan) -> Result<Vec<Found>> {
        let ctx = &self.context(ctx);
        self.wait(ctx).await?;
        let staffa_storage::By::Index(place) = scan.by else { return self.inner.scan(ctx, scan).await };
        match self.fault {
            Fault::RepeatsTheLast => {
                let mut found =
                    self.inner.scan(ctx, Scan { after: None, limit: 10_000, ..scan.clone() }).await?;
                if let Some((_, id)) = &scan.after {
                    let from = found.iter().position(|found| found.row.id == *id).unwrap_or(0);
                    found.drain(..from);
                }
                found.truncate(scan.limit);
                Ok(found)
            }
            Fault::SkipsAtTies => {
                let mut found = self.inner.scan(ctx, Scan { limit: 10_000, ..scan.clone() }).await?;
                if let Some((key, _)) = &scan.after {
                    found.retain(|found| found.key != *key);
                }
                found.truncate(scan.limit);
                Ok(found)
            }
            Fault::KeepsIdsAscending if scan.descending => {
                let mut found = self.inner.scan(ctx, Scan { limit: 10_000, ..scan.clone() }).await?;
                found.sort_by(|one, other| {
                    other.key.cmp(&one.key).then_with(|| one.row.id.cmp(&other.row.id))
                });
                found.truncate(scan.limit);
                Ok(found)
            }
            Fault::TakesWildcards => {
                let Bound::Prefix(prefix) = &scan.bound else { return self.inner.scan(ctx, scan).await };
                let mut found =
                    self.inner.scan(ctx, everything(scan.kind, place, scan.equal.clone())).await?;
                found.retain(|found| matches!(&found.key[0], Part::Text(text) if like(text, prefix)));
                if scan.descending {
                    found.reverse();
                }
                Ok(found)
            }
            Fault::OrdersByCase | Fault::OrdersByUtf16 | Fault::PutsNoneLast => {
                let mut found = self.inner.scan(ctx, Scan { descending: false, ..scan.clone() }).await?;
                found.sort_by(|one, other| compare_keys(self.fault, &one.key, &other.key));
                if scan.descending {
                    found.reverse();
                }
                Ok(found)
            }
            _ => self.inner.scan(ctx, scan).await,
        }
    }

    async fn commit(&self, ctx: &Context, mut commit: Commit) -> Result<()> {
        let ctx = &self.context(ctx);
        ctx.check()?;
        // What the port promises to every adapter.
        assert!(commit.writes.is_sorted_by(|one, next| (one.kind, &one.id) < (next.kind, &next.id)));
        assert!(commit.guards.is_sorted_by(|one, next| (one.kind, &one.id) < (next.kind, &next.id)));
        self.spoil(ctx, &mut commit).await?;
        match self.fault {
            Fault::LeavesItsSessionOpen => {
                if self.open.swap(true, Memory::SeqCst) {
                    return Err(Error::Unavailable("the session is inside a transaction".into()));
                }
                turn().await;
                self.open.store(false, Memory::SeqCst);
                self.inner.commit(ctx, commit).await
            }
            Fault::ChecksInAnEarlierTurn => {
                self.check(ctx, &commit).await?;
                turn().await;
                for write in &mut commit.writes {
                    self.win(ctx, write).await?;
                }
                self.inner.commit(ctx, commit).await
            }
            Fault::ChecksUniqueInAnEarlierTurn => {
                self.check_codes(ctx, &commit).await?;
                turn().await;
                self.inner.commit(ctx, commit).await
            }
            Fault::FreezesInTurns => {
                if self.place.frozen.load(Memory::SeqCst) {
                    return Err(Error::Frozen);
                }
                // As long as a statement takes.
                ctx.sleep(std::time::Duration::from_millis(2)).await?;
                self.inner.commit(ctx, commit).await
            }
            Fault::SaysEndedOfADoneCommit => {
                self.inner.commit(&ctx.shielded(), commit).await?;
                turn().await;
                ctx.check().map_err(Error::from)
            }
            Fault::CommitsWriteByWrite
            | Fault::CommitsInTwoTurns
            | Fault::KeepsBeforeTheRest
            | Fault::KeepsAfterTheRest
            | Fault::IgnoresKept
            | Fault::ChecksKeptLast => self.commit_in_parts(ctx, commit).await,
            _ => self.inner.commit(ctx, commit).await,
        }
    }

    async fn kept(&self, ctx: &Context, scope: &str, key: &str) -> Result<Option<Kept>> {
        let (scope, key) = self.kept_key(scope, key);
        self.inner.kept(&self.context(ctx), &scope, &key).await
    }

    async fn unsent(&self, ctx: &Context, unsent: Unsent<'_>) -> Result<Vec<Event>> {
        let Unsent { partitions, held, limit } = unsent;
        let ctx = &self.context(ctx);
        match self.fault {
            Fault::IgnoresPartitions => self.inner.unsent(ctx, Unsent { held, ..Unsent::all(limit) }).await,
            Fault::SkipsAPartition => {
                let mut events = self.inner.unsent(ctx, unsent).await?;
                events.retain(|event| event.partition() % 4 != 3 || partitions == Partitions::ALL);
                Ok(events)
            }
            Fault::ReversesAPartition if partitions != Partitions::ALL => {
                let mut events = self.inner.unsent(ctx, unsent).await?;
                events.reverse();
                Ok(events)
            }
            Fault::LimitsBeforePartitions => {
                let mut events = self.inner.unsent(ctx, Unsent { held, ..Unsent::all(limit) }).await?;
                events.retain(|event| partitions.contains(event.partition()));
                Ok(events)
            }
            Fault::CachesTheOutbox => {
                if let Some(cached) = &*self.outbox.lock().unwrap() {
                    return Ok(cached.clone());
                }
                let events = self.inner.unsent(ctx, unsent).await?;
                *self.outbox.lock().unwrap() = Some(events.clone());
                Ok(events)
            }
            Fault::IgnoresHeld => self.inner.unsent(ctx, Unsent::all(limit)).await,
            Fault::HoldsById => {
                let mut events = self.inner.unsent(ctx, Unsent::all(limit)).await?;
                events.retain(|event| !held.iter().any(|(_, id)| *id == event.entity));
                Ok(events)
            }
            Fault::ReadsFromAHighWaterMark => {
                let mark = *self.mark.lock().unwrap();
                let mut events = self.inner.unsent(ctx, unsent).await?;
                events.retain(|event| mark.is_none_or(|mark| event.id > mark));
                let highest = events.iter().map(|event| event.id).max();
                *self.mark.lock().unwrap() = highest.max(mark);
                Ok(events)
            }
            _ => self.inner.unsent(ctx, unsent).await,
        }
    }

    async fn backlog(&self, ctx: &Context, limit: usize) -> Result<Backlog> {
        let backlog = self.inner.backlog(&self.context(ctx), limit).await?;
        if self.has(Fault::ToldTheFirstForTheOldest) {
            let first = self.inner.unsent(ctx, Unsent::all(1)).await?;
            return Ok(Backlog { oldest: first.first().map(|event| event.at), ..backlog });
        }
        Ok(backlog)
    }

    async fn mark_sent(&self, ctx: &Context, events: &[Uuid]) -> Result<()> {
        let ctx = &self.context(ctx);
        if self.has(Fault::MarksEverything) {
            let all: Vec<Uuid> =
                self.inner.unsent(ctx, Unsent::all(usize::MAX)).await?.iter().map(|event| event.id).collect();
            return self.inner.mark_sent(ctx, &all).await;
        }
        if self.has(Fault::NotesWhilePaused) && self.inner.is_frozen(ctx).await? {
            return Ok(());
        }
        if self.has(Fault::SaysEndedOfADoneNote) {
            self.inner.mark_sent(&ctx.shielded(), events).await?;
            turn().await;
            return ctx.check().map_err(Error::from);
        }
        self.inner.mark_sent(ctx, events).await
    }

    async fn sweep(&self, ctx: &Context, before: Timestamp, limit: usize) -> Result<usize> {
        let ctx = &self.context(ctx);
        match self.fault {
            Fault::SweepsEverything => self.inner.sweep(ctx, Timestamp::MAX, limit).await,
            Fault::SweepsWithoutLimit => self.inner.sweep(ctx, before, usize::MAX).await,
            _ => self.inner.sweep(ctx, before, limit).await,
        }
    }

    async fn ping(&self, ctx: &Context) -> Result<()> {
        self.inner.ping(&self.context(ctx)).await
    }

    async fn close(&self, ctx: &Context) -> Result<()> {
        self.place.closed.store(true, Memory::SeqCst);
        if self.has(Fault::StaysOpen) { Ok(()) } else { self.inner.close(ctx).await }
    }
}
