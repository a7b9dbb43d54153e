//! Events in the order in which they were committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use staffa_context::Timestamp;
use uuid::Uuid;

use crate::Event;

/// What is unsent, by its place in the order of commits, and what was sent, by its time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    next: u64,
    unsent: BTreeMap<u64, Event>,
    places: HashMap<Uuid, u64>,
    sent: BTreeSet<(Timestamp, Uuid)>,
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

    pub(super) fn unsent(&self, held: &[(String, String)], limit: usize) -> Vec<Event> {
        let held: BTreeSet<(&str, &str)> = held.iter().map(|(kind, id)| (&**kind, &**id)).collect();
        let free = self.unsent.values().filter(|event| !held.contains(&(&*event.kind, &*event.entity)));
        free.take(limit).cloned().collect()
    }

    pub(super) fn mark_sent(&mut self, events: &[Uuid]) {
        for id in events {
            if let Some(event) = self.places.remove(id).and_then(|place| self.unsent.remove(&place)) {
                self.sent.insert((event.at, event.id));
            }
        }
    }

    /// Forgets at most `limit` of the sent events from before this time.
    pub(super) fn sweep(&mut self, before: Timestamp, limit: usize) -> usize {
        let mut swept = 0;
        while swept < limit && self.sent.first().is_some_and(|(at, _)| *at < before) {
            self.sent.pop_first();
            swept += 1;
        }
        swept
    }
}
