//! The thread that writes, and its group commit.
//!
//! Units that wait together are run each in a savepoint of one transaction, and committed at once: the disk is
//! waited for once. A unit that fails takes back its own savepoint. One that waits alone has the transaction for itself,
//! since SQLite copies whatever changes inside a savepoint. Invariants:
//! 1. A unit is answered after the commit, or after it was taken back.
//! 2. A unit that its caller left before the commit began is not in it: the group is run again without.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use staffa_storage::watch::Watch;
use staffa_storage::{Error, Result};
use tokio::sync::oneshot;

use crate::backfill::Backfill;
use crate::call::Call;
use crate::commit::{Ran, Unit, Within};
use crate::error::{told, told_by_commit};
use crate::moving;
use crate::options::Options;
use crate::queue::Queue;
use crate::worker::{self, Hold, Job};

/// How long SQLite waits at a time for another connection that writes.
const BUSY_SLICE: Duration = Duration::from_millis(10);

/// What the writer does.
pub(crate) enum Write {
    /// A unit that may share its commit.
    Unit(Box<Asked>),
    /// Work of a port of one's own, with its caller inside: it commits alone.
    Work(Job),
}

/// A unit and its caller.
pub(crate) struct Asked {
    pub(crate) unit: Unit,
    pub(crate) call: Arc<Call>,
    pub(crate) watch: Watch,
    pub(crate) reply: oneshot::Sender<Result<usize>>,
}

impl Asked {
    fn answer(self, result: Result<usize>) {
        self.watch.end(&result);
        // A caller that left does not listen.
        let _ = self.reply.send(result);
    }
}

/// Serves the queue until it is closed and empty, and fills indexes meanwhile. Blocks the thread.
pub(crate) fn serve(
    mut connection: Connection,
    queue: &Queue<Write>,
    options: &Options,
    mut backfill: Backfill,
    hold: Hold,
) {
    let slices = connection.busy_timeout(BUSY_SLICE);
    if let Err(error) = slices {
        tracing::error!(%error, "the store's connection could not be set up");
    }
    while let Some(write) = next(&mut connection, queue, &mut backfill) {
        match write {
            Write::Work(work) => worker::at_rest(&mut connection, work),
            Write::Unit(first) => {
                let group = gather(*first, queue, options);
                worker::at_rest(&mut connection, |connection| commit(connection, group, options.busy_wait));
            }
        }
    }
    // The data file is then whole without the log beside it. SQLite itself does so only when a connection that writes
    // is the last to close.
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the write-ahead log stays beside the data file until the next start");
    }
    drop(connection);
    drop(hold);
}

/// The next write. While indexes are filled a batch goes before each.
fn next(connection: &mut Connection, queue: &Queue<Write>, backfill: &mut Backfill) -> Option<Write> {
    while backfill.next().is_some() && !queue.is_closed() {
        let mut filled = Err(Error::Unusable("the backfill ended by a panic, which was logged".into()));
        worker::at_rest(connection, |connection| filled = backfill.step(connection));
        match filled {
            Ok(_) => {}
            // The file is busy or the disk is full: after the next write it may be otherwise.
            Err(Error::Unavailable(reason)) => {
                tracing::warn!(reason, "new indexes wait to be filled");
                return queue.pop();
            }
            Err(error) => backfill.give_up(error),
        }
        if let Some(write) = queue.try_pop() {
            return Some(write);
        }
    }
    queue.pop()
}

/// Takes the units that wait behind the first one, up to the limits of a group.
fn gather(first: Asked, queue: &Queue<Write>, options: &Options) -> Vec<Asked> {
    let mut bytes = first.unit.bytes();
    let mut group = vec![first];
    while group.len() < options.group_units_max {
        let fits = |write: &Write| match write {
            Write::Unit(asked) => bytes.saturating_add(asked.unit.bytes()) <= options.group_bytes_max,
            Write::Work(_) => false,
        };
        let Some(Write::Unit(asked)) = queue.pop_if(fits) else { break };
        bytes += asked.unit.bytes();
        group.push(*asked);
    }
    let units = group.len();
    group.iter_mut().for_each(|asked| asked.watch.begin_with(units));
    group
}

/// What became of one run of a group.
enum Outcome {
    /// It was committed, or not: each unit's result.
    Over(Vec<Result<usize>>),
    /// The whole transaction was lost in this unit.
    Lost(usize, Error),
    /// A caller left before the commit.
    Left,
    /// A unique key was in the way of a unit without a savepoint.
    InTheWay,
}

/// Commits a group and answers its callers.
fn commit(connection: &Connection, group: Vec<Asked>, wait: Duration) {
    let mut group = group;
    let mut within = if group.len() == 1 { Within::Transaction } else { Within::Savepoint };
    loop {
        group = still_wanted(group);
        if group.is_empty() {
            return;
        }
        match attempt(connection, &group, within, wait) {
            Outcome::Over(results) => {
                return group.into_iter().zip(results).for_each(|(asked, result)| asked.answer(result));
            }
            Outcome::Lost(place, error) => group.remove(place).answer(Err(error)),
            Outcome::Left => {}
            Outcome::InTheWay => within = Within::Savepoint,
        }
    }
}

fn still_wanted(group: Vec<Asked>) -> Vec<Asked> {
    let mut wanted = Vec::with_capacity(group.len());
    for asked in group {
        match asked.call.check() {
            Ok(()) => wanted.push(asked),
            Err(error) => asked.answer(Err(error)),
        }
    }
    wanted
}

fn attempt(connection: &Connection, group: &[Asked], within: Within, wait: Duration) -> Outcome {
    let wanted = || group.iter().all(|asked| asked.call.ended().is_none());
    match begin(wait, wanted, || execute(connection, "BEGIN IMMEDIATE")) {
        Ok(Some(())) => {}
        Ok(None) => return Outcome::Left,
        Err(error) => return Outcome::Over(refused(group, &told(error))),
    }
    let mut frozen = match moving::is_frozen(connection) {
        Ok(frozen) => frozen,
        Err(error) => return taken_back(connection, group, Outcome::Over(refused(group, &told(error)))),
    };
    if let (Within::Transaction, [asked]) = (within, group) {
        return alone(connection, asked, frozen);
    }
    let mut results = Vec::with_capacity(group.len());
    for (place, asked) in group.iter().enumerate() {
        if frozen && asked.unit.is_paused() {
            results.push(Err(Error::Frozen));
            continue;
        }
        match in_savepoint(connection, asked) {
            Ok(result) => {
                frozen = asked.unit.freezes().filter(|_| result.is_ok()).unwrap_or(frozen);
                results.push(result);
            }
            Err(error) => return taken_back(connection, group, Outcome::Lost(place, error)),
        }
    }
    committed(connection, group, results)
}

/// The same for a unit that has the transaction for itself.
fn alone(connection: &Connection, asked: &Asked, frozen: bool) -> Outcome {
    let group = std::slice::from_ref(asked);
    let ran = match frozen && asked.unit.is_paused() {
        true => Err(Error::Frozen),
        false => asked.unit.run(connection, &asked.call, Within::Transaction),
    };
    match ran {
        Ok(Ran::Done(count)) if !connection.is_autocommit() => committed(connection, group, vec![Ok(count)]),
        Ok(Ran::Done(_)) => Outcome::Over(refused(group, &gone())),
        Ok(Ran::InTheWay) => taken_back(connection, group, Outcome::InTheWay),
        Err(error) => taken_back(connection, group, Outcome::Over(vec![Err(error)])),
    }
}

/// SQLite took the transaction back by itself.
fn gone() -> Error {
    Error::Unavailable("the disk gave up".into())
}

/// Commits what was run.
fn committed(connection: &Connection, group: &[Asked], results: Vec<Result<usize>>) -> Outcome {
    if !hold_all(group, &results) {
        return taken_back(connection, group, Outcome::Left);
    }
    let Err(error) = execute(connection, "COMMIT") else { return Outcome::Over(results) };
    let error = told_by_commit(error);
    Outcome::Over(results.into_iter().map(|result| result.and(Err(error.clone()))).collect())
}

/// Begins a transaction that writes; `None` when it is no longer wanted.
///
/// Another connection may hold the file: a command beside the owner, or a person's tool. SQLite waits in slices, so that
/// whoever no longer wants to wait need not.
fn begin<T>(
    wait: Duration,
    wanted: impl Fn() -> bool,
    begin: impl Fn() -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    let mut left = wait.as_millis() / BUSY_SLICE.as_millis();
    loop {
        match begin() {
            Err(error) if left > 0 && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => left -= 1,
            result => return result.map(Some),
        }
        if !wanted() {
            return Ok(None);
        }
    }
}

/// Takes the whole transaction back, unless SQLite has done so, for the group to be run again.
fn taken_back(connection: &Connection, group: &[Asked], outcome: Outcome) -> Outcome {
    if connection.is_autocommit() {
        return outcome;
    }
    match execute(connection, "ROLLBACK") {
        Ok(()) => outcome,
        Err(error) => Outcome::Over(refused(group, &told(error))),
    }
}

/// A unit's own result; an error of the transaction, whose state with regard to this unit is then not known.
fn in_savepoint(connection: &Connection, asked: &Asked) -> Result<Result<usize>> {
    execute(connection, "SAVEPOINT unit").map_err(told)?;
    let result = match asked.unit.run(connection, &asked.call, Within::Savepoint) {
        Ok(Ran::Done(count)) => Ok(count),
        Ok(Ran::InTheWay) => Err(Error::Unusable("a unit was not run to its end".into())),
        Err(error) => Err(error),
    };
    if connection.is_autocommit() {
        return Err(result.err().unwrap_or_else(gone));
    }
    if result.is_err() {
        execute(connection, "ROLLBACK TO unit").map_err(told)?;
    }
    execute(connection, "RELEASE unit").map_err(told)?;
    Ok(result)
}

/// Says to all whose units are in the commit that it begins; none is held when one of them has left.
fn hold_all(group: &[Asked], results: &[Result<usize>]) -> bool {
    let within = || group.iter().zip(results).filter(|(_, result)| result.is_ok()).map(|(asked, _)| asked);
    let held = within().take_while(|asked| asked.call.hold()).count();
    let all = held == within().count();
    if !all {
        within().take(held).for_each(|asked| asked.call.unhold());
    }
    all
}

fn refused(group: &[Asked], error: &Error) -> Vec<Result<usize>> {
    group.iter().map(|_| Err(error.clone())).collect()
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Runs work of a port of one's own in a transaction of its own.
pub(crate) fn work<T>(
    connection: &Connection,
    call: &Call,
    wait: Duration,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T> {
    // Dropping the transaction takes it back.
    let begun = begin(
        wait,
        || call.ended().is_none(),
        || Transaction::new_unchecked(connection, TransactionBehavior::Immediate),
    );
    let Some(tx) = begun.map_err(told)? else {
        call.check()?;
        return Err(Error::Unavailable("the data file was busy".into()));
    };
    if moving::is_frozen(&tx).map_err(told)? {
        return Err(Error::Frozen);
    }
    let value = work(&tx).map_err(told)?;
    if !call.hold() {
        call.check()?;
    }
    tx.commit().map_err(told_by_commit)?;
    Ok(value)
}
