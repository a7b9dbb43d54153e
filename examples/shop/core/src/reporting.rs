//! Reporting: what was sold where, and what sells best.
//!
//! [`Reporting`] is a port in the shop's own words. No ready-made port answers sums and rankings well, so each store has
//! an adapter of its own, written in its own language. The orders service has it, since it owns the orders: no other
//! service may read its store.
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use staffa_context::{Context, Failure, Kind, Timestamp};

#[cfg(feature = "conformance")]
pub mod conformance;

/// How many days one report covers at most.
pub const DAYS_MAX: usize = 92;
/// How many best sellers one report has at most.
pub const BEST_MAX: u32 = 100;
/// How many it has unless said otherwise.
const BEST: u32 = 10;

/// Sums over orders. Rejected and cancelled orders came to nothing, and do not count.
///
/// An adapter MUST do the whole in the store that has the orders, in one statement that sees one moment, MUST sum whole
/// pence exactly, and MUST stop the statement when the context ends. [`conformance`] has a case for each rule.
#[async_trait]
pub trait Reporting: Send + Sync + 'static {
    /// What was sold on each of these days to each country, by day, then by the bytes of the country. A day and country
    /// without orders has no row.
    async fn revenue(&self, ctx: &Context, days: Days) -> Result<Vec<Revenue>, Failure>;

    /// The goods of which most units were sold on these days, at most `most` of them: by units, the most first, then by
    /// the bytes of the code.
    async fn best_sellers(&self, ctx: &Context, days: Days, most: u32) -> Result<Vec<BestSeller>, Failure>;
}

/// What was sold on one day to one country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Revenue {
    /// The day (UTC) on which the orders were placed.
    pub day: Day,
    /// Where they go.
    pub country: String,
    /// How many they are.
    pub orders: i64,
    /// What their lines come to before promotions, shipping and tax, in pence.
    pub pence: i64,
}

/// What was sold of one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BestSeller {
    /// The stock code.
    pub code: String,
    /// What it is; the first by its bytes where orders call it differently.
    pub description: String,
    /// How many units.
    pub units: i64,
    /// What they came to before promotions, shipping and tax, in pence.
    pub pence: i64,
}

/// A day (UTC), written as `2010-12-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Timestamp);

impl Day {
    /// The day that this time is in.
    pub fn of(at: Timestamp) -> Self {
        let micros = at.as_micros();
        Self(Timestamp::from_micros(micros - micros.rem_euclid(DAY_MICROS)))
    }

    /// When it begins.
    pub fn start(self) -> Timestamp {
        self.0
    }

    /// When it is over: the first moment of the next one.
    pub fn end(self) -> Timestamp {
        self.0.plus(Duration::from_micros(DAY_MICROS.unsigned_abs()))
    }
}

const DAY_MICROS: i64 = 86_400_000_000;

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.split_once('T').map_or(text.as_str(), |(day, _)| day))
    }
}

/// A text that is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day is written as 2010-12-01")]
pub struct NotDay;

impl FromStr for Day {
    type Err = NotDay;

    fn from_str(text: &str) -> Result<Self, NotDay> {
        format!("{text}T00:00:00Z").parse().map(Self).map_err(|_| NotDay)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl schemars::JsonSchema for Day {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date" })
    }
}

/// Some days in a row, 1 to [`DAYS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    from: Day,
    to: Day,
}

impl Days {
    /// The days from `from` to `to`, both included.
    ///
    /// # Errors
    /// `Invalid` for none, and for more than [`DAYS_MAX`].
    pub fn new(from: Day, to: Day) -> Result<Self, Failure> {
        let days = (to.0.as_micros() - from.0.as_micros()) / DAY_MICROS + 1;
        match usize::try_from(days) {
            Ok(1..=DAYS_MAX) => Ok(Self { from, to }),
            _ => Err(Failure::new(
                Kind::Invalid,
                format!("`from` to `to` are 1 to {DAYS_MAX} days, both included"),
            )),
        }
    }

    /// The first moment of the first day.
    pub fn start(self) -> Timestamp {
        self.from.start()
    }

    /// The first moment after the last day.
    pub fn end(self) -> Timestamp {
        self.to.end()
    }
}

/// Which days a revenue report covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RevenueOf {
    /// The first day (UTC).
    pub from: Day,
    /// The last day; at most 92 days in all.
    pub to: Day,
}

/// Which best sellers are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BestSellersOf {
    /// The first day (UTC).
    pub from: Day,
    /// The last day; at most 92 days in all.
    pub to: Day,
    /// How many at most: 10 unless said otherwise, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The reports.
pub struct Reports {
    reporting: Arc<dyn Reporting>,
}

impl Reports {
    /// Reports by this adapter.
    pub fn new(reporting: Arc<dyn Reporting>) -> Self {
        Self { reporting }
    }

    /// What was sold by day and country: at most 92 days of 24 countries.
    ///
    /// # Errors
    /// `Invalid` for too many days, and those of the store.
    pub async fn revenue(&self, ctx: &Context, asked: RevenueOf) -> Result<Vec<Revenue>, Failure> {
        self.reporting.revenue(ctx, Days::new(asked.from, asked.to)?).await
    }

    /// What sold best.
    ///
    /// # Errors
    /// `Invalid` for too many days or a wrong limit, and those of the store.
    pub async fn best_sellers(
        &self,
        ctx: &Context,
        asked: BestSellersOf,
    ) -> Result<Vec<BestSeller>, Failure> {
        let days = Days::new(asked.from, asked.to)?;
        match asked.limit.unwrap_or(BEST) {
            most @ 1..=BEST_MAX => self.reporting.best_sellers(ctx, days, most).await,
            _ => Err(Failure::new(Kind::Invalid, format!("`limit` is 1 to {BEST_MAX}"))),
        }
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("it is a day")
    }

    #[test]
    fn a_day_is_written_as_it_is_read_and_has_its_first_and_last_moment() {
        let leap = day("2012-02-29");
        assert_eq!(leap.to_string(), "2012-02-29");
        assert_eq!(leap.start().to_string(), "2012-02-29T00:00:00.000000Z");
        assert_eq!(leap.end().to_string(), "2012-03-01T00:00:00.000000Z");
        assert_eq!(Day::of(leap.end().minus(Duration::from_micros(1))), leap);
        assert_eq!(Day::of(leap.start()), leap);
        for not in ["", "2011-02-29", "2011-2-1", "2011-02-01T00:00:00Z", "01/12/2010"] {
            assert_eq!(not.parse::<Day>(), Err(NotDay), "{not}");
        }
    }

    #[test]
    fn days_are_one_to_92() {
        let check = |from: &str, to: &str, taken: bool| {
            assert_eq!(Days::new(day(from), day(to)).is_ok(), taken, "{from} to {to}");
        };
        check("2010-12-01", "2010-12-01", true);
        check("2010-12-01", "2011-03-02", true);
        check("2010-12-01", "2011-03-03", false);
        check("2010-12-02", "2010-12-01", false);
    }
}
