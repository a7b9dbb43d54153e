//! Packing goods into boxes: three-dimensional, with rotations and a weight limit.
//!
//! The heuristic is first fit by decreasing volume on extreme points, after T. G. Crainic, G. Perboli and
//! R. Tadei, "Extreme Point-Based Heuristics for Three-Dimensional Bin Packing", INFORMS Journal on Computing
//! 20(3), 2008:
//!
//! 1. Units are sorted by volume, the largest first (ties: the longest side, then the code).
//! 2. A unit goes into the first open box with an extreme point where it fits: points by height, then depth, then
//!    width; turned flattest first. A box is always opened at the largest size. At most [`OPEN_MAX`] are open;
//!    beyond that the oldest is closed.
//! 3. At the end each box is packed again into the smallest one that takes all its units.
//!
//! Above [`UNITS_MAX`] units an order goes as bulk: as many of the largest boxes as its volume at 70 % and its
//! weight ask for, whichever is more, rounded up; then nothing is placed one by one.
use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use staffa_context::Context;

use super::QuoteError;
use crate::Size;

mod load;

use load::{Load, least, sorted};

/// How many units are packed one by one.
pub const UNITS_MAX: u64 = 10_000;
/// How many boxes stay open while packing.
pub const OPEN_MAX: usize = 6;
/// How many units go into one box.
pub const BOX_UNITS_MAX: usize = 400;
/// How much of a box's volume bulk takes, in percent.
pub const BULK_FILL: u64 = 70;

/// A kind of box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxKind {
    /// Its name.
    pub name: &'static str,
    /// Its inner size.
    pub inner: Size,
    /// The heaviest load in grams.
    pub load_max: u32,
    /// Its own weight in grams.
    pub tare: u32,
}

/// The boxes, the smallest first.
pub const BOXES: [BoxKind; 4] = [
    BoxKind { name: "small", inner: Size::new(220, 160, 100), load_max: 3_000, tare: 120 },
    BoxKind { name: "medium", inner: Size::new(320, 240, 160), load_max: 8_000, tare: 250 },
    BoxKind { name: "large", inner: Size::new(450, 350, 250), load_max: 18_000, tare: 500 },
    LARGEST,
];

/// The largest box: whatever is sold fits into it.
pub const LARGEST: BoxKind =
    BoxKind { name: "extra large", inner: Size::new(600, 400, 400), load_max: 25_000, tare: 900 };

/// Units of one code that are to be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The code.
    pub code: String,
    /// The size of one.
    pub size: Size,
    /// The weight of one in grams.
    pub grams: u32,
    /// How many.
    pub units: u64,
}

/// How an order is packed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Packing {
    /// The codes that are packed, in order: what a placement's `item` counts into.
    pub items: Vec<String>,
    /// The boxes that were packed one by one.
    pub parcels: Vec<Parcel>,
    /// The boxes of an order that goes as bulk; there are then no parcels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<Bulk>,
}

/// One packed box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// The kind of box: `small`, `medium`, … ([`BOXES`]).
    pub kind: String,
    /// Its inner size.
    pub inner: Size,
    /// The weight in grams, the box included.
    pub grams: u64,
    /// Where each unit lies, at most 400 ([`BOX_UNITS_MAX`]).
    pub placements: Vec<Placement>,
}

/// The boxes of an order that goes as bulk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// The kind of box.
    pub kind: String,
    /// How many boxes.
    pub boxes: u64,
    /// How many units.
    pub units: u64,
    /// The weight of all in grams, the boxes included.
    pub grams: u64,
}

/// Where one unit lies in its box. In JSON it is `[item, x, y, z, width, depth, height]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(from = "[u32; 7]", into = "[u32; 7]")]
#[cfg_attr(not(target_arch = "wasm32"), schemars(with = "[u32; 7]"))]
pub struct Placement {
    /// The place of its code in [`Packing::items`].
    pub item: u32,
    /// Its corner nearest to the box's origin.
    pub at: Size,
    /// Its extent, turned as it lies.
    pub size: Size,
}

impl From<[u32; 7]> for Placement {
    fn from([item, x, y, z, width, depth, height]: [u32; 7]) -> Self {
        Self { item, at: Size::new(x, y, z), size: Size::new(width, depth, height) }
    }
}

impl From<Placement> for [u32; 7] {
    fn from(Placement { item, at, size }: Placement) -> Self {
        [item, at.x, at.y, at.z, size.x, size.y, size.z]
    }
}

impl Packing {
    /// How many boxes.
    pub fn boxes(&self) -> u64 {
        let bulk = self.bulk.as_ref().map_or(0, |bulk| bulk.boxes);
        self.parcels.iter().fold(bulk, |boxes, _| boxes + 1)
    }

    /// The weight of all boxes in grams.
    pub fn grams(&self) -> u64 {
        let bulk = self.bulk.as_ref().map_or(0, |bulk| bulk.grams);
        self.parcels.iter().fold(bulk, |grams, parcel| grams.saturating_add(parcel.grams))
    }
}

/// Packs these items. The result depends on nothing but them.
///
/// # Errors
/// [`QuoteError::FitsNoBox`], or why the context ended.
pub fn pack(ctx: &Context, items: &[Item]) -> Result<Packing, QuoteError> {
    if let Some(item) = items.iter().find(|item| !fits_a_box(item)) {
        return Err(QuoteError::FitsNoBox { code: item.code.clone() });
    }
    if items.iter().map(|item| item.units).sum::<u64>() > UNITS_MAX {
        return Ok(Packing { bulk: Some(bulk(items)), ..Packing::default() });
    }
    let mut steps = Steps::new(ctx);
    let mut parcels = Vec::new();
    for load in loads(&mut steps, items)? {
        parcels.push(shrunk(&mut steps, load, items)?.into_parcel());
    }
    Ok(Packing { items: items.iter().map(|item| item.code.clone()).collect(), parcels, bulk: None })
}

fn fits_a_box(item: &Item) -> bool {
    let has_extent = item.size.x > 0 && item.size.y > 0 && item.size.z > 0;
    let fits = item.size.turned().into_iter().any(|turned| turned.fits(LARGEST.inner));
    has_extent && fits && item.grams <= LARGEST.load_max
}

fn bulk(items: &[Item]) -> Bulk {
    let sum = |of: fn(&Item) -> u64| items.iter().map(of).sum::<u64>();
    let grams = sum(|item| u64::from(item.grams) * item.units);
    // At most 10⁸ units of 10⁸ mm³: even a hundred times their volume is within 64 bits.
    let volume = sum(|item| item.size.volume() * item.units);
    let by_volume = (100 * volume).div_ceil(BULK_FILL * LARGEST.inner.volume());
    let boxes = by_volume.max(grams.div_ceil(u64::from(LARGEST.load_max)));
    Bulk {
        kind: LARGEST.name.to_owned(),
        boxes,
        units: sum(|item| item.units),
        grams: grams + boxes * u64::from(LARGEST.tare),
    }
}

/// Every unit in a box of the largest kind, in the order in which the boxes were opened.
fn loads(steps: &mut Steps<'_>, items: &[Item]) -> Result<Vec<Load>, QuoteError> {
    let order = by_volume(items);
    let mut loads: Vec<Load> = Vec::new();
    for (at, floor) in order.iter().copied().zip(floors(items, &order)) {
        let item = &items[at];
        let mut left = item.units;
        let open = loads.len().saturating_sub(OPEN_MAX);
        for load in &mut loads[open..] {
            load.raise_floor(floor);
            left -= load.fill(steps, at, item, left)?;
        }
        while left > 0 {
            let mut load = Load::new(LARGEST, floor);
            let placed = load.fill(steps, at, item, left)?;
            if placed == 0 {
                return Err(QuoteError::FitsNoBox { code: item.code.clone() });
            }
            left -= placed;
            loads.push(load);
        }
    }
    Ok(loads)
}

/// For each place of the order, the least sides of what comes from there on.
fn floors(items: &[Item], order: &[usize]) -> Vec<[u32; 3]> {
    let mut floor = [u32::MAX; 3];
    let mut floors: Vec<[u32; 3]> = Vec::with_capacity(order.len());
    for at in order.iter().rev() {
        floor = least(floor, sorted(items[*at].size));
        floors.push(floor);
    }
    floors.reverse();
    floors
}

/// The places of the items, the largest unit first. Put in one by one: a sort is more code than the page needs.
fn by_volume(items: &[Item]) -> Vec<usize> {
    let key = |at: usize| {
        let size = items[at].size;
        Reverse((size.volume(), size.x.max(size.y).max(size.z), Reverse(at)))
    };
    let mut order: Vec<usize> = Vec::with_capacity(items.len());
    for at in 0..items.len() {
        let place = order.partition_point(|other| key(*other) < key(at));
        order.insert(place, at);
    }
    order
}

/// The same units in the smallest box that takes them all.
fn shrunk(steps: &mut Steps<'_>, load: Load, items: &[Item]) -> Result<Load, QuoteError> {
    for kind in BOXES.into_iter().filter(|kind| *kind != LARGEST) {
        if let Some(smaller) = load.packed_into(steps, kind, items)? {
            return Ok(smaller);
        }
    }
    Ok(load)
}

/// Counts steps, each of bounded work, and looks at the context every so many.
struct Steps<'a> {
    ctx: &'a Context,
    left: u32,
}

impl<'a> Steps<'a> {
    /// A step is at most a look at one point of one box: some microseconds.
    const BETWEEN_CHECKS: u32 = 256;

    fn new(ctx: &'a Context) -> Self {
        Self { ctx, left: Self::BETWEEN_CHECKS }
    }

    fn step(&mut self) -> Result<(), QuoteError> {
        self.left -= 1;
        if self.left == 0 {
            self.left = Self::BETWEEN_CHECKS;
            self.ctx.check()?;
        }
        Ok(())
    }
}
