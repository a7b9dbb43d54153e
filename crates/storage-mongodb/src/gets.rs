//! Reads of entities by their ids: where many ask at once, those who wait share the next statement.
//!
//! Invariants:
//! 1. A statement begins after all asked whom it answers: nobody is given what was true before.
//! 2. At most [`AT_ONCE`] statements of a kind are under way. Whoever asks beyond that waits; when one ends, the first who waits
//!    leads the next, for all who wait.
//! 3. A statement ends with its leader's call. Whoever got no answer by it reads alone, so no call ends by another's deadline.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};
use staffa_storage::{Part, Result};
use tokio::sync::oneshot;

use crate::call::Call;
use crate::row;
use crate::shared::Shared;
use crate::table::Table;

/// Statements of a kind at once.
const AT_ONCE: usize = 4;

/// Who reads, and who waits, by kind.
#[derive(Default)]
pub(crate) struct Gets(Mutex<HashMap<&'static str, Line>>);

#[derive(Default)]
struct Line {
    reading: usize,
    waiting: Vec<Waiter>,
}

struct Waiter {
    id: Part,
    turn: oneshot::Sender<Turn>,
}

/// What somebody waited for. No turn at all: to read alone.
enum Turn {
    Answered(Option<RawDocumentBuf>),
    Leads(Reading),
}

/// The right to one of the statements. Dropped, it is handed on.
struct Reading {
    gets: Arc<Gets>,
    kind: &'static str,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut lines = self.gets.lines();
        let line = lines.entry(self.kind).or_default();
        if line.waiting.is_empty() {
            line.reading -= 1;
            return;
        }
        let next = line.waiting.remove(0);
        drop(lines);
        let reading = Self { gets: Arc::clone(&self.gets), kind: self.kind };
        // One who is gone hands it on by dropping it.
        drop(next.turn.send(Turn::Leads(reading)));
    }
}

impl Gets {
    fn lines(&self) -> MutexGuard<'_, HashMap<&'static str, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn: at once, or later.
    fn ask(self: &Arc<Self>, kind: &'static str, id: &Part) -> Result<Reading, oneshot::Receiver<Turn>> {
        let mut lines = self.lines();
        let line = lines.entry(kind).or_default();
        if line.reading < AT_ONCE {
            line.reading += 1;
            return Ok(Reading { gets: Arc::clone(self), kind });
        }
        let (turn, waits) = oneshot::channel();
        line.waiting.push(Waiter { id: id.clone(), turn });
        Err(waits)
    }

    /// Those who wait now; who is gone is left out.
    fn take(&self, kind: &'static str) -> Vec<Waiter> {
        let mut waiting = std::mem::take(&mut self.lines().entry(kind).or_default().waiting);
        waiting.retain(|waiter| !waiter.turn.is_closed());
        waiting
    }
}

/// What is stored at an id.
pub(crate) async fn get(
    store: &Shared,
    call: &Call,
    table: &Table,
    id: &Part,
) -> Result<Option<RawDocumentBuf>> {
    let reading = match store.gets.ask(table.kind, id) {
        Ok(reading) => reading,
        Err(waits) => {
            let turn = tokio::select! {
                turn = waits => turn,
                () = call.gone() => {
                    call.check()?;
                    return alone(store, call, table, id).await;
                }
            };
            match turn {
                Ok(Turn::Answered(found)) => return Ok(found),
                Ok(Turn::Leads(reading)) => reading,
                Err(_) => return alone(store, call, table, id).await,
            }
        }
    };
    let others = store.gets.take(table.kind);
    if others.is_empty() {
        return alone(store, call, table, id).await;
    }
    let mut found = together(store, call, table, id, &others).await?;
    drop(reading);
    for other in others {
        let answer = found.get(&other.id).cloned();
        // One who is gone needs no answer.
        drop(other.turn.send(Turn::Answered(answer)));
    }
    Ok(found.remove(id))
}

async fn alone(store: &Shared, call: &Call, table: &Table, id: &Part) -> Result<Option<RawDocumentBuf>> {
    store.find_one(call, &table.name, named(row::bson(id))).await
}

async fn together(
    store: &Shared,
    call: &Call,
    table: &Table,
    id: &Part,
    others: &[Waiter],
) -> Result<BTreeMap<Part, RawDocumentBuf>> {
    let ids: Vec<Bson> = others.iter().map(|other| &other.id).chain([id]).map(row::bson).collect();
    let found = store.find(call, &table.name, named(doc! { "$in": ids }), doc! {}, 0).await?;
    let ids = found.into_iter().map(|stored| Ok((row::part(row::field(&stored, "_id")?, table.id)?, stored)));
    ids.collect()
}

fn named(id: impl Into<Bson>) -> Document {
    doc! { "_id": id.into() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::*;

    const KIND: &str = "note";

    fn all_read(gets: &Arc<Gets>) -> Vec<Reading> {
        (0..AT_ONCE).map(|_| gets.ask(KIND, &Part::Int(0)).ok().unwrap()).collect()
    }

    #[test]
    fn who_asks_beyond_what_is_read_at_once_waits_and_then_leads_for_all() {
        let gets = Arc::default();
        let mut reading = all_read(&gets);
        let mut first = gets.ask(KIND, &Part::Int(1)).err().unwrap();
        let _second = gets.ask(KIND, &Part::Int(2)).err().unwrap();
        assert!(gets.ask("another", &Part::Int(1)).is_ok());
        drop(reading.pop());
        let leads = first.try_recv().unwrap();
        assert!(matches!(leads, Turn::Leads(_)));
        let others: Vec<Part> = gets.take(KIND).into_iter().map(|waiter| waiter.id).collect();
        assert_eq!(others, [Part::Int(2)]);
    }

    #[test]
    fn a_turn_of_one_who_is_gone_is_handed_on() {
        let gets = Arc::default();
        let mut reading = all_read(&gets);
        drop(gets.ask(KIND, &Part::Int(1)));
        let turn_came_too_late = gets.ask(KIND, &Part::Int(2)).err().unwrap();
        let mut last = gets.ask(KIND, &Part::Int(3)).err().unwrap();
        drop(reading.pop());
        drop(turn_came_too_late);
        assert!(matches!(last.try_recv(), Ok(Turn::Leads(_))));
    }

    #[test]
    fn turns_that_nobody_waits_for_are_free_again() {
        let gets = Arc::default();
        drop(all_read(&gets));
        assert_eq!(all_read(&gets).len(), AT_ONCE);
    }

    #[test]
    fn one_whose_leader_failed_has_no_turn() {
        let gets: Arc<Gets> = Arc::default();
        let _reading = all_read(&gets);
        let mut waits = gets.ask(KIND, &Part::Int(1)).err().unwrap();
        drop(gets.take(KIND));
        assert!(matches!(waits.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
