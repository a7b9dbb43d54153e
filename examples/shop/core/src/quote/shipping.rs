//! Shipping by weight and country.
use super::packing::Packing;
use crate::country::Zone;
use crate::{Currency, Money, MoneyError};

/// What shipping costs in a zone.
struct Rate {
    /// For each box.
    per_box: i64,
    /// For each started kilogram of the whole consignment, boxes included.
    per_kilogram: i64,
}

fn rate(zone: Zone) -> Rate {
    match zone {
        Zone::Domestic => Rate { per_box: 295, per_kilogram: 45 },
        Zone::Near => Rate { per_box: 495, per_kilogram: 80 },
        Zone::Europe => Rate { per_box: 795, per_kilogram: 150 },
        Zone::World => Rate { per_box: 1_495, per_kilogram: 420 },
    }
}

/// So much for each box and so much for each started kilogram of all boxes together: the weight is rounded up to
/// whole kilograms once, the rest is exact. Nothing when nothing is packed.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn cost(packing: &Packing, zone: Zone, currency: Currency) -> Result<Money, MoneyError> {
    let rate = rate(zone);
    let boxes = signed(packing.boxes())?;
    let kilograms = signed(packing.grams().div_ceil(1_000))?;
    let by_box = Money::new(rate.per_box, currency).times(boxes)?;
    by_box.plus(Money::new(rate.per_kilogram, currency).times(kilograms)?)
}

fn signed(count: u64) -> Result<i64, MoneyError> {
    i64::try_from(count).map_err(|_| MoneyError::Overflow)
}
