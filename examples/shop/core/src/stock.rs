//! The stock of one product.
use serde::{Deserialize, Serialize};
use staffa_storage::{Entity, Happened};
use uuid::Uuid;

/// How many units of a product there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// The stock code.
    pub code: String,
    /// Units that can be ordered.
    pub available: i64,
    /// Units that are set aside for orders which have not left.
    pub reserved: i64,
    /// How many orders were refused for want of it.
    pub refused: i64,
}

impl Entity for Stock {
    type Id = String;
    const KIND: &'static str = "stock";

    fn id(&self) -> &String {
        &self.code
    }
}

/// Fewer units are available than were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{available} of {asked} `{code}` are available")]
pub struct Short {
    /// The stock code.
    pub code: String,
    /// How many were asked for.
    pub asked: i64,
    /// How many are available.
    pub available: i64,
}

impl Stock {
    /// The first stock of a product.
    pub fn new(code: impl Into<String>, units: i64) -> Self {
        Self { code: code.into(), available: units, reserved: 0, refused: 0 }
    }

    /// Sets units aside.
    ///
    /// # Errors
    /// [`Short`].
    pub fn reserve(mut self, units: i64) -> Result<Self, Short> {
        if units > self.available {
            return Err(Short { code: self.code, asked: units, available: self.available });
        }
        self.available -= units;
        self.reserved += units;
        Ok(self)
    }

    /// Takes back units that were set aside.
    #[must_use]
    pub fn give_back(mut self, units: i64) -> Self {
        self.reserved -= units;
        self.available += units;
        self
    }

    /// Lets units go that were set aside.
    #[must_use]
    pub fn ship(mut self, units: i64) -> Self {
        self.reserved -= units;
        self
    }

    /// Counts one more order that was refused for want of it.
    #[must_use]
    pub fn refuse(mut self) -> Self {
        self.refused = self.refused.saturating_add(1);
        self
    }
}

/// All of an order's goods were set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReserved {
    /// The order.
    pub order: Uuid,
}

impl Happened for StockReserved {
    const NAME: &'static str = "stock_reserved";
}

/// Nothing was set aside for an order, since something is short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRefused {
    /// The order.
    pub order: Uuid,
    /// What is short, at most ten codes of it.
    pub short: Vec<Short>,
}

impl Happened for StockRefused {
    const NAME: &'static str = "stock_refused";
}
