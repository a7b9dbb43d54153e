//! Events in the order in which they were committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use staffa_context::Timestamp;
use uuid::Uuid;

use crate::{Backlog, Event, Record, Result, Unsent};

use super::misplaced;

/// What is unsent, by its place in the order of commits, and what was sent, by its time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    next: u64,
    unsent: BTreeMap<u64, Event>,
    places: HashMap<Uuid, u64>,
    sent: BTreeMap<(Timestamp, Uuid), Event>,
}

impl Outbox {
    /// Commits are one after the other, and an entity's version rises with each: this order is every entity's own.
    pub(super) fn put(&mut self, events: Vec<Event>) {
        for event in events {
            self.places.insert(event.id, self.next);
            self.unsent.insert(self.next, event);
            self.next += 1;
        }
    }

    pub(super) fn unsent(&self, unsent: Unsent<'_>) -> Vec<Event> {
        let held: BTreeSet<(&str, &str)> = unsent.held.iter().map(|(kind, id)| (&**kind, &**id)).collect();
        let asked = self.unsent.values().filter(|event| unsent.partitions.contains(event.partition()));
        let free = asked.filter(|event| !held.contains(&(&*event.kind, &*event.entity)));
        free.take(unsent.limit).cloned().collect()
    }

    pub(super) fn backlog(&self, limit: usize) -> Backlog {
        let oldest = self.unsent.values().map(|event| event.at).min();
        Backlog { events: self.unsent.len().min(limit), oldest }
    }

    /// What was sent comes first: it is older than what is not, entity by entity.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> {
        let sent = self.sent.values().map(|event| (event, true));
        let all = sent.chain(self.unsent.values().map(|event| (event, false)));
        all.map(|(event, sent)| Record::Event { event: event.clone(), sent })
    }

    pub(super) fn import(&mut self, records: Vec<Record>) -> Result<()> {
        for record in records {
            let Record::Event { event, sent } = record else { return Err(misplaced(&record)) };
            if !self.places.contains_key(&event.id) && !self.sent.contains_key(&(event.at, event.id)) {
                self.put(vec![event.clone()]);
            }
            if sent {
                self.mark_sent(&[event.id]);
            }
        }
        Ok(())
    }

    pub(super) fn mark_sent(&mut self, events: &[Uuid]) {
        for id in events {
            if let Some(event) = self.places.remove(id).and_then(|place| self.unsent.remove(&place)) {
                self.sent.insert((event.at, event.id), event);
            }
        }
    }

    /// Forgets at most `limit` of the sent events from before this time.
    pub(super) fn sweep(&mut self, before: Timestamp, limit: usize) -> usize {
        let mut swept = 0;
        while swept < limit && self.sent.first_key_value().is_some_and(|((at, _), _)| *at < before) {
            self.sent.pop_first();
            swept += 1;
        }
        swept
    }
}
