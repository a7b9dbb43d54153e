//! Sizes and weights, derived: the data has none.
//!
//! The rule, with integers only, so that every machine derives the same:
//!
//! 1. Volume in cm³: 100, and 2 for each penny of the list price; halved for each small word of the description
//!    and doubled for each large one; then 50 to 149 percent of it, as the code's hash says; at least 30 and at
//!    most 18,000.
//! 2. Sides: each has a ratio of 2 to 6, as the code's hash says, and the three together have the volume. A side
//!    is whole millimetres, rounded down, and at least 10.
//! 3. Weight: 0.10 to 0.39 g for each cm³, as the code's hash says, rounded down, and at least 5 g.
//!
//! The hash is 64-bit FNV-1a over the code's bytes. Whatever comes out fits the largest box.
use serde::{Deserialize, Serialize};

/// What the page says about sizes.
pub const DERIVED: &str = "The data has no sizes or weights. The shop derives them from each product's code, \
     description and list price by a fixed rule: dearer and larger-sounding products take more room. Boxes and \
     shipping are computed from these, so they are examples, not facts about the products.";

/// A size along three axes, in millimetres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Along the width.
    pub x: u32,
    /// Along the depth.
    pub y: u32,
    /// Along the height.
    pub z: u32,
}

impl Size {
    /// A size of these sides.
    pub const fn new(x: u32, y: u32, z: u32) -> Self {
        Self { x, y, z }
    }

    /// The volume in mm³.
    pub fn volume(self) -> u64 {
        u64::from(self.x) * u64::from(self.y) * u64::from(self.z)
    }

    /// Whether this size, turned as it is, fits into that one.
    pub fn fits(self, space: Self) -> bool {
        self.x <= space.x && self.y <= space.y && self.z <= space.z
    }

    /// The different ways to turn it, with sides along the axes: 6, or fewer when sides are alike.
    pub fn turned(self) -> Vec<Self> {
        let Self { x, y, z } = self;
        let ways = [[x, y, z], [y, x, z], [x, z, y], [z, x, y], [y, z, x], [z, y, x]];
        let mut all: Vec<Self> = Vec::with_capacity(ways.len());
        for [x, y, z] in ways {
            // The flattest comes first: it leaves the most room above.
            let key = |size: &Self| (size.z, size.y, size.x).cmp(&(z, y, x));
            if let Err(place) = all.binary_search_by(key) {
                all.insert(place, Self::new(x, y, z));
            }
        }
        all
    }
}

const SMALL: &[&str] = &["MINI", "SMALL", "TINY", "STICKER", "STICKERS", "CARD", "TISSUES", "PENCILS"];
const LARGE: &[&str] = &["LARGE", "JUMBO", "GIANT", "BIG", "CABINET", "CHAIR", "TABLE"];

const CM3_MIN: u64 = 30;
const CM3_MAX: u64 = 18_000;

/// The derived size and weight in grams of a product: see the rule above. `pence` below 0 counts as 0.
pub fn derive(code: &str, description: &str, pence: i64) -> (Size, u32) {
    let hash = fnv1a(code.as_bytes());
    let cm3 = volume(hash, description, pence);
    (sides(hash, cm3), weight(hash, cm3))
}

fn volume(hash: u64, description: &str, pence: i64) -> u64 {
    let pence = u64::try_from(pence).unwrap_or(0).min(CM3_MAX);
    let words = |set: &[&str]| description.split_ascii_whitespace().filter(|word| set.contains(word)).count();
    let base = (100 + 2 * pence) << words(LARGE).min(8) >> words(SMALL).min(8);
    (base * (50 + hash % 100) / 100).clamp(CM3_MIN, CM3_MAX)
}

fn sides(hash: u64, cm3: u64) -> Size {
    let ratio = |shift: u32| 2 + (hash >> shift) % 5;
    let (a, b, c) = (ratio(8), ratio(24), ratio(40));
    let step = cube_root(cm3 * 1_000 * 1_000 / (a * b * c));
    // `step` is in tenths of a millimetre. The largest volume at the most uneven ratio gives 546 mm.
    let side = |ratio: u64| u32::try_from(ratio * step / 10).unwrap_or(u32::MAX).max(10);
    Size::new(side(a), side(b), side(c))
}

fn weight(hash: u64, cm3: u64) -> u32 {
    let grams = cm3 * (10 + (hash >> 52) % 30) / 100;
    u32::try_from(grams).unwrap_or(u32::MAX).max(5)
}

/// The largest whole number whose cube is at most `value`.
fn cube_root(value: u64) -> u64 {
    let (mut low, mut high) = (0_u64, 2_642_245);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if middle.pow(3) <= value { low = middle } else { high = middle - 1 }
    }
    low
}

/// 64-bit FNV-1a.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rule_gives_what_it_gave() {
        let heart = derive("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 255);
        assert_eq!(heart, derive("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 255));
        assert_ne!(heart, derive("85123a", "WHITE HANGING HEART T-LIGHT HOLDER", 255));
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn cube_roots_are_rounded_down() {
        for (value, root) in [(0, 0), (1, 1), (7, 1), (8, 2), (26, 2), (27, 3), (u64::MAX, 2_642_245)] {
            assert_eq!(cube_root(value), root);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_derived_fits_the_largest_box(code in ".{1,12}", description in "(LARGE |MINI |HEART )*", pence in any::<i64>()) {
            let (size, grams) = derive(&code, &description, pence);
            let largest = crate::quote::packing::LARGEST;
            prop_assert!(size.turned().into_iter().any(|turned| turned.fits(largest.inner)), "{size:?}");
            prop_assert!((5..=largest.load_max).contains(&grams));
            prop_assert!(size.x.min(size.y).min(size.z) >= 10);
        }
    }
}
