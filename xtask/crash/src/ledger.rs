//! What the customers were promised.

use shop_core::Order;
use shop_core::order::State;

/// The customers' side of a round, or of several.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Orders that were acknowledged.
    pub(crate) promised: Vec<Promised>,
    /// References of orders whose customer went away without an answer: they are there once, or not.
    pub(crate) left: Vec<String>,
    /// How many calls had to be repeated, since their answer was not heard.
    pub(crate) unheard: u64,
    /// How many answers were asked for a second time, and were the same.
    pub(crate) repeated: u64,
}

/// An order that was acknowledged.
#[derive(Debug)]
pub(crate) struct Promised {
    /// As the first answer had it.
    pub(crate) order: Order,
    /// What becomes of it, once all events have taken effect.
    pub(crate) end: State,
}

impl Ledger {
    pub(crate) fn append(&mut self, mut other: Self) {
        self.promised.append(&mut other.promised);
        self.left.append(&mut other.left);
        self.unheard += other.unheard;
        self.repeated += other.repeated;
    }
}
