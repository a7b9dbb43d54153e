//! What a packing must be, whatever is packed.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use shop_core::quote::packing::{BOX_UNITS_MAX, BOXES, Item, LARGEST, Packing, Placement, UNITS_MAX, pack};
use shop_core::{QuoteError, Size};
use staffa_context::{BoxFuture, Cause, Clock, Context, Instant, Instruments, SystemClock, Timestamp};

fn item(code: u32, size: Size, grams: u32, units: u64) -> Item {
    Item { code: format!("{code:05}"), size, grams, units }
}

fn packed(items: &[Item]) -> Packing {
    pack(&Context::background(), items).unwrap()
}

fn overlap(one: &Placement, other: &Placement) -> bool {
    let apart = |a: u32, a_len: u32, b: u32, b_len: u32| a + a_len <= b || b + b_len <= a;
    !(apart(one.at.x, one.size.x, other.at.x, other.size.x)
        || apart(one.at.y, one.size.y, other.at.y, other.size.y)
        || apart(one.at.z, one.size.z, other.at.z, other.size.z))
}

/// Every unit once, inside its box, beside all others, within the weight.
pub(crate) fn check(items: &[Item], packing: &Packing) {
    let mut left: Vec<u64> = items.iter().map(|item| item.units).collect();
    for parcel in &packing.parcels {
        let kind = BOXES.iter().find(|kind| kind.name == parcel.kind).unwrap();
        assert_eq!(kind.inner, parcel.inner);
        assert!(!parcel.placements.is_empty() && parcel.placements.len() <= BOX_UNITS_MAX);
        let mut grams = 0;
        for (at, placed) in parcel.placements.iter().enumerate() {
            let item = &items[placed.item as usize];
            left[placed.item as usize] -= 1;
            grams += u64::from(item.grams);
            assert!(item.size.turned().contains(&placed.size), "a unit changed its shape");
            let Placement { at: corner, size, .. } = placed;
            let end = Size::new(corner.x + size.x, corner.y + size.y, corner.z + size.z);
            assert!(end.fits(kind.inner), "a unit sticks out");
            let beside = &parcel.placements[..at];
            assert!(beside.iter().all(|other| !overlap(placed, other)), "two units overlap");
        }
        assert!(grams <= u64::from(kind.load_max));
        assert_eq!(parcel.grams, grams + u64::from(kind.tare));
    }
    assert!(left.iter().all(|left| *left == 0), "a unit was left out");
}

#[test]
fn one_small_unit_takes_one_small_box() {
    let packing = packed(&[item(1, Size::new(100, 60, 40), 200, 1)]);
    assert_eq!(packing.boxes(), 1);
    assert_eq!(packing.parcels[0].kind, "small");
    assert_eq!(packing.grams(), 320);
}

#[test]
fn a_unit_is_turned_when_it_must_be() {
    let items = [item(1, Size::new(100, 160, 220), 500, 1)];
    let packing = packed(&items);
    check(&items, &packing);
    assert_eq!(packing.parcels[0].kind, "small");
}

#[test]
fn equal_blocks_fill_a_box_without_gaps() {
    let items = [item(1, Size::new(200, 200, 200), 100, 12)];
    let packing = packed(&items);
    check(&items, &packing);
    assert_eq!(packing.boxes(), 1);
}

#[test]
fn weight_opens_another_box() {
    let items = [item(1, Size::new(50, 50, 50), 10_000, 5)];
    let packing = packed(&items);
    check(&items, &packing);
    assert_eq!(packing.boxes(), 3);
}

#[test]
fn what_fits_no_box_is_an_error() {
    for size in [Size::new(601, 10, 10), Size::new(10, 10, 0)] {
        let failed = pack(&Context::background(), &[item(7, size, 10, 1)]);
        assert_eq!(failed, Err(QuoteError::FitsNoBox { code: "00007".into() }));
    }
}

#[test]
fn beyond_ten_thousand_units_an_order_goes_as_bulk() {
    let size = Size::new(100, 100, 100);
    let one_by_one = packed(&[item(1, size, 10, UNITS_MAX)]);
    assert!(one_by_one.bulk.is_none());
    let packing = packed(&[item(1, size, 10, UNITS_MAX + 1)]);
    let bulk = packing.bulk.as_ref().unwrap();
    assert!(packing.parcels.is_empty());
    // 10,001 litres into boxes of 96, each 70 % full.
    assert_eq!((bulk.boxes, bulk.units), (149, 10_001));
    assert_eq!(bulk.grams, 10_001 * 10 + 149 * u64::from(LARGEST.tare));
    let heavy = packed(&[item(1, size, 20_000, UNITS_MAX + 1)]);
    assert_eq!(heavy.boxes(), (10_001 * 20_000_u64).div_ceil(25_000));
}

#[test]
fn an_ended_context_stops_it_with_the_cause() {
    let (ctx, cancel) = Context::background().with_cancel();
    cancel.cancel(Cause::ClientGone);
    let stopped = pack(&ctx, &[item(1, Size::new(20, 20, 20), 5, 5_000)]);
    assert_eq!(stopped, Err(Cause::ClientGone.into()));
}

/// A clock on which each look takes a millisecond.
struct Looks {
    start: Instant,
    looks: AtomicU64,
}

impl Clock for Looks {
    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.looks.fetch_add(1, Ordering::Relaxed))
    }

    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_deadline_stops_it_in_the_middle() {
    let looks = Arc::new(Looks { start: SystemClock.now(), looks: AtomicU64::new(0) });
    let ctx = Context::root(Instruments { clock: Arc::clone(&looks) as _, ..Instruments::default() });
    let items: Vec<Item> =
        (0..500).map(|at| item(at, Size::new(20 + at % 40, 30 + at % 7, 15 + at % 11), 5, 20)).collect();
    let ended = pack(&ctx.with_timeout(Duration::from_millis(20)), &items);
    assert_eq!(ended, Err(Cause::DeadlineExceeded.into()));
    assert!(looks.looks.load(Ordering::Relaxed) <= 25, "it looked on after the deadline");
}

prop_compose! {
    fn any_item()(x in 10_u32..300, y in 10_u32..300, z in 10_u32..300, grams in 1_u32..8_000, units in 1_u64..40)
        -> (Size, u32, u64) {
        (Size::new(x, y, z), grams, units)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_packing_is_sound(raw in proptest::collection::vec(any_item(), 1..25)) {
        let items: Vec<Item> = raw
            .iter()
            .zip(0..)
            .map(|((size, grams, units), code)| item(code, *size, *grams, *units))
            .collect();
        let packing = packed(&items);
        check(&items, &packing);
        prop_assert_eq!(packed(&items), packing);
    }
}
