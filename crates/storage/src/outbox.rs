use staffa_context::Timestamp;

use crate::Event;

/// In how many partitions the entities of an outbox are parted, for several relays to share it.
///
/// It is laid down with the events at rest, and never changes.
pub const PARTITIONS: u8 = 16;

/// A set of partitions of an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partitions(u16);

impl Partitions {
    /// Every partition.
    pub const ALL: Self = Self(u16::MAX);
    /// No partition.
    pub const NONE: Self = Self(0);

    /// The same with this one, which is below [`PARTITIONS`].
    #[must_use]
    pub fn with(self, partition: u8) -> Self {
        Self(self.0 | 1 << (partition % PARTITIONS))
    }

    /// Whether it is in the set.
    pub fn contains(self, partition: u8) -> bool {
        partition < PARTITIONS && self.0 & (1 << partition) != 0
    }

    /// Those in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..PARTITIONS).filter(move |partition| self.contains(*partition))
    }
}

/// What a relay reads of an outbox.
#[derive(Clone, Copy, Debug)]
pub struct Unsent<'a> {
    /// The partitions that it has.
    pub partitions: Partitions,
    /// The entities (kind, id) whose events it passes over.
    pub held: &'a [(String, String)],
    /// How many events at most.
    pub limit: usize,
}

impl Unsent<'_> {
    /// Whatever is unsent, at most `limit` events.
    pub fn all(limit: usize) -> Self {
        Self { partitions: Partitions::ALL, held: &[], limit }
    }
}

/// How much of an outbox is unsent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many events, counted up to the limit that was asked for.
    pub events: usize,
    /// The `at` of the oldest.
    pub oldest: Option<Timestamp>,
}

impl Event {
    /// The partition of its entity, below [`PARTITIONS`].
    pub fn partition(&self) -> u8 {
        partition(&self.kind, &self.entity)
    }
}

/// The partition of an entity, below [`PARTITIONS`], for an adapter that reads one row after the other: FNV-1a (32 bits;
/// Fowler, Noll and Vo) of the kind, a zero byte and the id's canonical text, mixed by the last step of MurmurHash3
/// (Appleby), whose lowest bits are as good as any.
pub fn partition(kind: &str, entity: &str) -> u8 {
    let bytes = kind.bytes().chain([0]).chain(entity.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    // A remainder below 16 is a `u8`.
    ((hash ^ hash >> 16) % u32::from(PARTITIONS)) as u8
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    fn about(entity: &str) -> Event {
        let (id, at, trace, payload) = (Uuid::nil(), Timestamp::from_micros(0), None, Value::Null);
        let (name, kind, entity) = ("placed".into(), "order".into(), entity.into());
        Event { id, name, kind, entity, version: 1, n: 0, at, trace, payload }
    }

    #[test]
    fn partitions_are_laid_down_for_good() {
        let partitions: Vec<u8> = (0..8).map(|n| about(&n.to_string()).partition()).collect();
        assert_eq!(partitions, [3, 9, 11, 13, 11, 2, 14, 0]);
    }

    #[test]
    fn entities_spread_over_all_partitions() {
        let found =
            (0..200).fold(Partitions::NONE, |found, n| found.with(about(&format!("{n:08x}")).partition()));
        assert_eq!(found, Partitions::ALL);
        assert_eq!(found.iter().count(), usize::from(PARTITIONS));
    }
}
