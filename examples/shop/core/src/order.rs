//! An order and its states.
use serde::{Deserialize, Serialize};
use staffa_context::Timestamp;
use staffa_storage::{Entity, Happened, Index, Indexes};
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::quote::promotion::Promotion;
use crate::quote::{Quote, QuotedLine, Totals};

/// Where an order is in its life.
///
/// ```text
/// placed ──► reserved ──► packed ──► shipped
///   │  │        │            │
///   │  └────────┴────────────┴─────► cancelled
///   └──────────────────────────────► rejected
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was accepted, and its stock is being asked for.
    Placed,
    /// Its stock is set aside.
    Reserved,
    /// It is in its boxes.
    Packed,
    /// It has left.
    Shipped,
    /// There was not enough stock.
    Rejected,
    /// Somebody called it off before it left.
    Cancelled,
}

impl State {
    /// Its name: as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Reserved => "reserved",
            Self::Packed => "packed",
            Self::Shipped => "shipped",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Shipped | Self::Rejected | Self::Cancelled)
    }

    /// Whether stock is set aside for an order in this state.
    pub fn holds_stock(self) -> bool {
        matches!(self, Self::Reserved | Self::Packed)
    }

    fn may_become(self, next: Self) -> bool {
        use State::{Cancelled, Packed, Placed, Rejected, Reserved, Shipped};
        matches!(
            (self, next),
            (Placed, Reserved | Rejected | Cancelled)
                | (Reserved, Packed | Cancelled)
                | (Packed, Shipped | Cancelled)
        )
    }
}

/// An order. Its id is made by the service; a caller may give it a reference of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its id.
    pub id: Uuid,
    /// The caller's name for it, such as an invoice number: no two orders have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it was accepted.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "String"))]
    pub placed_at: Timestamp,
    /// Where it is in its life.
    pub state: State,
    /// Where it goes.
    pub country: String,
    /// Its lines, with their prices.
    pub lines: Vec<QuotedLine>,
    /// What was taken off.
    pub promotions: Vec<Promotion>,
    /// The sums; `totals.lines` is before promotions, tax and shipping.
    pub totals: Totals,
    /// How many boxes it takes.
    pub boxes: u64,
    /// What they weigh in grams.
    pub grams: u64,
    /// How it came here, the oldest first.
    pub steps: Vec<Step>,
}

/// One step in an order's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The state that it came into.
    pub state: State,
    /// When.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "String"))]
    pub at: Timestamp,
    /// Why, in words for the customer; none when that is plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A step that an order's state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} cannot become {}", .from.name(), .to.name())]
pub struct WrongState {
    /// The state that it is in.
    pub from: State,
    /// The state that was asked for.
    pub to: State,
}

/// Orders by the caller's reference.
pub const REFERENCE: Index<Order, Option<String>> =
    Index::unique("reference", |order| order.reference.clone());
/// Orders by the time of their placing.
pub const PLACED: Index<Order, Timestamp> = Index::new("placed", |order| order.placed_at);

impl Entity for Order {
    type Id = Uuid;
    const KIND: &'static str = "order";
    const INDEXES: Indexes<Self> = &[&REFERENCE, &PLACED];

    fn id(&self) -> &Uuid {
        &self.id
    }
}

impl Order {
    /// An order at this quote. Without goods there is no stock to wait for: it is reserved at once.
    pub fn new(id: Uuid, at: Timestamp, reference: Option<String>, quote: Quote) -> Self {
        let has_goods = quote.lines.iter().any(|line| line.goods);
        let state = if has_goods { State::Placed } else { State::Reserved };
        Self {
            id,
            reference,
            placed_at: at,
            state,
            country: quote.country,
            boxes: quote.packing.boxes(),
            grams: quote.packing.grams(),
            lines: quote.lines,
            promotions: quote.promotions,
            totals: quote.totals,
            steps: vec![Step { state, at, why: None }],
        }
    }

    /// Its stock is set aside.
    ///
    /// # Errors
    /// [`WrongState`] unless it is placed.
    pub fn reserve(self, at: Timestamp) -> Result<Self, WrongState> {
        self.step_to(State::Reserved, at, None)
    }

    /// There is not enough stock.
    ///
    /// # Errors
    /// [`WrongState`] unless it is placed.
    pub fn reject(self, at: Timestamp, why: String) -> Result<Self, WrongState> {
        self.step_to(State::Rejected, at, Some(why))
    }

    /// It is in its boxes.
    ///
    /// # Errors
    /// [`WrongState`] unless it is reserved.
    pub fn pack(self, at: Timestamp) -> Result<Self, WrongState> {
        self.step_to(State::Packed, at, None)
    }

    /// It has left.
    ///
    /// # Errors
    /// [`WrongState`] unless it is packed.
    pub fn ship(self, at: Timestamp) -> Result<Self, WrongState> {
        self.step_to(State::Shipped, at, None)
    }

    /// It is called off.
    ///
    /// # Errors
    /// [`WrongState`] once it is shipped, rejected or cancelled.
    pub fn cancel(self, at: Timestamp) -> Result<Self, WrongState> {
        self.step_to(State::Cancelled, at, None)
    }

    /// Notes that stock which was set aside too late comes back. The state stays.
    #[must_use]
    pub fn released(mut self, at: Timestamp) -> Self {
        let why = Some("its stock was set aside after it was called off, and comes back".to_owned());
        self.steps.push(Step { state: self.state, at, why });
        self
    }

    /// The units of each of its goods, in the order of codes.
    pub fn units(&self) -> Vec<Units> {
        let mut units: BTreeMap<&str, i64> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.goods) {
            *units.entry(&line.code).or_default() += line.quantity;
        }
        units.into_iter().map(|(code, units)| Units { code: code.to_owned(), units }).collect()
    }

    fn step_to(mut self, state: State, at: Timestamp, why: Option<String>) -> Result<Self, WrongState> {
        if !self.state.may_become(state) {
            return Err(WrongState { from: self.state, to: state });
        }
        self.state = state;
        self.steps.push(Step { state, at, why });
        Ok(self)
    }
}

/// Units of one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Units {
    /// The stock code.
    pub code: String,
    /// How many.
    pub units: i64,
}

/// An order with goods was placed: their stock is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// The order.
    pub order: Uuid,
    /// Its goods, each code once.
    pub units: Vec<Units>,
}

impl Happened for OrderPlaced {
    const NAME: &'static str = "order_placed";
}

/// An order was called off: what is set aside for it comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// The order.
    pub order: Uuid,
    /// What comes back: nothing when no stock was set aside yet. If it is set aside all the same, since the two
    /// crossed, a second event of this name says what comes back.
    pub units: Vec<Units>,
}

impl Happened for OrderCancelled {
    const NAME: &'static str = "order_cancelled";
}

/// An order has left: what was set aside for it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderShipped {
    /// The order.
    pub order: Uuid,
    /// What left.
    pub units: Vec<Units>,
}

impl Happened for OrderShipped {
    const NAME: &'static str = "order_shipped";
}
