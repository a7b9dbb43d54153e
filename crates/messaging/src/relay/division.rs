//! Which relay has which partition of an outbox: one small entity that all of its relays write.
//!
//! Invariants:
//! 1. A partition has one owner, and only its owner names another one, unless the owner is forgotten.
//! 2. Whoever owns a partition or waits for one is in `beats`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use staffa_storage::{Entity, PARTITIONS, Partitions};
use uuid::Uuid;

/// The id of the one row.
pub(super) const OUTBOX: &str = "outbox";

/// How the relays of an outbox have divided it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Division {
    id: String,
    /// The last beat of each relay that takes part.
    beats: BTreeMap<Uuid, u64>,
    /// Each partition's, by its number.
    seats: Vec<Seat>,
}

/// Who has a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seat {
    owner: Option<Uuid>,
    /// Who gets it once the owner has let it go.
    next: Option<Uuid>,
}

impl Seat {
    /// Who has it when all hand-overs under way are over.
    fn at_last(self) -> Option<Uuid> {
        self.next.or(self.owner)
    }
}

impl Entity for Division {
    type Id = String;
    const KIND: &'static str = "staffa_relays";

    fn id(&self) -> &String {
        &self.id
    }
}

impl Division {
    pub(super) fn new() -> Self {
        let seats = vec![Seat::default(); usize::from(PARTITIONS)];
        Self { id: OUTBOX.to_owned(), beats: BTreeMap::new(), seats }
    }

    pub(super) fn beats(&self) -> impl Iterator<Item = (Uuid, u64)> {
        self.beats.iter().map(|(relay, beat)| (*relay, *beat))
    }

    pub(super) fn has(&self, relay: Uuid) -> bool {
        self.beats.contains_key(&relay)
    }

    /// Shows that the relay lives; the first time it joins.
    pub(super) fn beat(&mut self, relay: Uuid) {
        *self.beats.entry(relay).or_default() += 1;
    }

    /// Takes a relay out that has let go of everything.
    pub(super) fn leave(&mut self, relay: Uuid) {
        self.beats.remove(&relay);
    }

    /// Takes a relay out if its beat is still this one.
    pub(super) fn forget(&mut self, relay: Uuid, beat: u64) {
        if self.beats.get(&relay) == Some(&beat) {
            self.leave(relay);
        }
    }

    /// What the relay may read, and what it has yet and is to let go.
    pub(super) fn of(&self, relay: Uuid) -> (Partitions, Partitions) {
        let own = |waited_for: bool| {
            let seats = self.numbered().filter(|(_, seat)| seat.owner == Some(relay));
            let chosen = seats.filter(|(_, seat)| seat.next.is_some() == waited_for);
            chosen.fold(Partitions::NONE, |all, (partition, _)| all.with(partition))
        };
        (own(false), own(true))
    }

    /// Passes on those of these partitions that the relay has and somebody waits for.
    pub(super) fn hand_over(&mut self, relay: Uuid, partitions: Partitions) {
        for partition in partitions.iter() {
            let seat = &mut self.seats[usize::from(partition)];
            if seat.owner == Some(relay) && seat.next.is_some() {
                seat.owner = seat.next.take();
            }
        }
    }

    /// Gives away what is free, and plans hand-overs until no relay has two partitions more than another.
    pub(super) fn divide(&mut self) {
        self.seats.resize(usize::from(PARTITIONS), Seat::default());
        self.free_the_absent();
        while let Some((poorest, richest)) = self.extremes() {
            if let Some(free) = self.seats.iter_mut().find(|seat| seat.owner.is_none()) {
                *free = Seat { owner: Some(poorest.0), next: None };
            } else if richest.1 > poorest.1 + 1 {
                self.promise(richest.0, poorest.0);
            } else {
                return;
            }
        }
    }

    fn free_the_absent(&mut self) {
        let beats = &self.beats;
        let present = |relay: Option<Uuid>| relay.filter(|relay| beats.contains_key(relay));
        for seat in &mut self.seats {
            seat.next = present(seat.next);
            if present(seat.owner).is_none() {
                seat.owner = seat.next.take();
            }
        }
    }

    /// The relays that have fewest and most at last, with how many; `None` when there is no relay.
    fn extremes(&self) -> Option<((Uuid, usize), (Uuid, usize))> {
        let mut shares: BTreeMap<Uuid, usize> = self.beats.keys().map(|relay| (*relay, 0)).collect();
        for relay in self.seats.iter().filter_map(|seat| seat.at_last()) {
            *shares.entry(relay).or_default() += 1;
        }
        let of = |share: (&Uuid, &usize)| (*share.0, *share.1);
        let poorest = shares.iter().min_by_key(|(_, share)| **share).map(of)?;
        let richest = shares.iter().max_by_key(|(_, share)| **share).map(of)?;
        Some((poorest, richest))
    }

    /// Lets `to` wait for a partition that is `from`'s at last, best one that is on its way anyhow.
    fn promise(&mut self, from: Uuid, to: Uuid) {
        let seats = || self.seats.iter().enumerate().filter(|(_, seat)| seat.at_last() == Some(from));
        let moving = seats().find(|(_, seat)| seat.next.is_some());
        if let Some((place, _)) = moving.or_else(|| seats().next()) {
            let seat = &mut self.seats[place];
            seat.next = Some(to).filter(|to| seat.owner != Some(*to));
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (u8, &Seat)> {
        (0..PARTITIONS).zip(&self.seats)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relay(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn shares(division: &Division, relays: &[u128]) -> Vec<usize> {
        let share = |n: &u128| division.of(relay(*n)).0.iter().count();
        relays.iter().map(share).collect()
    }

    /// Lets every relay hand over what it is to let go.
    fn settle(division: &mut Division) {
        let relays: Vec<Uuid> = division.beats().map(|(relay, _)| relay).collect();
        for relay in relays {
            let (_, leaving) = division.of(relay);
            division.hand_over(relay, leaving);
        }
    }

    #[test]
    fn a_relay_alone_has_all() {
        let mut division = Division::new();
        division.beat(relay(1));
        division.divide();
        assert_eq!(division.of(relay(1)), (Partitions::ALL, Partitions::NONE));
    }

    #[test]
    fn a_newcomer_gets_its_share_only_as_it_is_let_go() {
        let mut division = Division::new();
        division.beat(relay(1));
        division.divide();
        division.beat(relay(2));
        division.divide();
        let (kept, leaving) = division.of(relay(1));
        assert_eq!((kept.iter().count(), leaving.iter().count()), (8, 8));
        assert_eq!(shares(&division, &[2]), [0]);
        let one = Partitions::NONE.with(leaving.iter().next().expect("eight are leaving"));
        division.hand_over(relay(1), one);
        assert_eq!(division.of(relay(2)).0, one);
        settle(&mut division);
        assert_eq!(shares(&division, &[1, 2]), [8, 8]);
    }

    #[test]
    fn what_a_relay_had_goes_to_who_waits_for_it_when_it_is_forgotten() {
        let mut division = Division::new();
        division.beat(relay(1));
        division.divide();
        division.beat(relay(2));
        division.divide();
        division.forget(relay(1), 7);
        assert!(division.has(relay(1)), "its beat had moved");
        division.forget(relay(1), 1);
        division.divide();
        assert_eq!(shares(&division, &[2]), [16]);
    }

    proptest! {
        #[test]
        fn after_any_coming_and_going_all_is_owned_and_shares_are_fair(
            steps in proptest::collection::vec((0..4_u8, 1..7_u128), 1..60)
        ) {
            let mut division = Division::new();
            for (step, n) in steps {
                let before = division.clone();
                match step {
                    0 | 1 => division.beat(relay(n)),
                    2 => division.leave(relay(n)),
                    _ => settle(&mut division),
                }
                division.divide();
                let relays: Vec<Uuid> = division.beats().map(|(relay, _)| relay).collect();
                // An owner who is still there loses nothing that it did not hand over.
                for owner in relays.iter().filter(|owner| before.has(**owner) && step != 3) {
                    let (had, leaving) = before.of(*owner);
                    let (has, leaves) = division.of(*owner);
                    for partition in had.iter().chain(leaving.iter()) {
                        prop_assert!(has.contains(partition) || leaves.contains(partition));
                    }
                }
                settle(&mut division);
                division.divide();
                let shares: Vec<usize> =
                    relays.iter().map(|relay| division.of(*relay).0.iter().count()).collect();
                if let (Some(least), Some(most)) = (shares.iter().min(), shares.iter().max()) {
                    prop_assert!(most - least <= 1, "{shares:?}");
                    prop_assert_eq!(shares.iter().sum::<usize>(), 16);
                }
            }
        }
    }
}
