//! What the two halves of a relay tell each other. Both run in one task.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use staffa_context::Instant;
use staffa_storage::Partitions;
use tokio::sync::Notify;

use super::Subject;

/// What the beats order and what the rounds have in hand.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// There are new orders.
    pub(super) ordered: Notify,
    /// A partition that is to be let go has nothing in hand any more.
    pub(super) let_go: Notify,
}

#[derive(Default)]
struct State {
    orders: Orders,
    /// How often the rounds have put an event aside.
    put_aside: u64,
    /// The partitions of which something is in hand.
    busy: Partitions,
}

/// What the rounds are to do.
#[derive(Clone, Default)]
pub(super) struct Orders {
    /// What may be read.
    pub(super) own: Partitions,
    /// What is to be let go.
    pub(super) leaving: Partitions,
    /// Nothing is begun after this.
    pub(super) until: Option<Instant>,
    /// The entities that a dead event holds back.
    pub(super) dead: Arc<HashSet<Subject>>,
}

impl Desk {
    pub(super) fn orders(&self) -> Orders {
        self.lock().orders.clone()
    }

    /// Whether an event of this partition may be begun now.
    pub(super) fn may_begin(&self, partition: u8, now: Instant) -> bool {
        let state = self.lock();
        state.orders.own.contains(partition) && state.orders.until.is_none_or(|until| now < until)
    }

    /// How often something was put aside, before the dead are read.
    pub(super) fn put_aside(&self) -> u64 {
        self.lock().put_aside
    }

    /// New orders.
    pub(super) fn order(&self, own: Partitions, leaving: Partitions, until: Option<Instant>) {
        let mut state = self.lock();
        state.orders = Orders { own, leaving, until, dead: Arc::clone(&state.orders.dead) };
        drop(state);
        self.ordered.notify_one();
    }

    /// The dead as they were read, unless something was put aside meanwhile: `put_aside` is what it was before.
    pub(super) fn bury(&self, dead: HashSet<Subject>, put_aside: u64) {
        let mut state = self.lock();
        if state.put_aside == put_aside && *state.orders.dead != dead {
            state.orders.dead = Arc::new(dead);
            drop(state);
            self.ordered.notify_one();
        }
    }

    /// One more that the rounds have put aside.
    pub(super) fn bury_one(&self, subject: Subject) {
        let mut state = self.lock();
        state.put_aside += 1;
        Arc::make_mut(&mut state.orders.dead).insert(subject);
    }

    /// What the rounds have in hand.
    pub(super) fn set_busy(&self, busy: Partitions) {
        let mut state = self.lock();
        state.busy = busy;
        let free = state.orders.leaving.iter().any(|partition| !busy.contains(partition));
        drop(state);
        if free {
            self.let_go.notify_one();
        }
    }

    /// What is to be let go and has nothing in hand.
    pub(super) fn free(&self) -> Partitions {
        let state = self.lock();
        let free = state.orders.leaving.iter().filter(|partition| !state.busy.contains(*partition));
        free.fold(Partitions::NONE, Partitions::with)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
