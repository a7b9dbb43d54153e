//! Random baskets: from everyday ones to the largest that the shop takes, and a third of them with a fault.
//!
//! Each case has dice of its own, thrown from its number alone, so that it can be made again without the others.
//! No `usize` is thrown: native and WebAssembly would differ in it.
use std::ops::RangeInclusive;

use shop_core::country::COUNTRIES;
use shop_core::quote::packing::UNITS_MAX;
use shop_core::quote::promotion::COUPONS;
use shop_core::quote::{AGREED_MAX, LINES_MAX, QUANTITY_MAX};
use shop_core::{Basket, Currency, Line, Money, Product, Size};
use staffa_context::Timestamp;

use crate::case::Case;
use crate::shipped::Shipped;

/// How many random baskets there are.
pub const RANDOM: u32 = 4_000;

/// Random baskets of the file's products: [`RANDOM`] of them, always the same.
pub fn cases(shipped: &Shipped) -> impl Iterator<Item = Case> {
    (0..RANDOM).map(|number| case(shipped, number))
}

fn case(shipped: &Shipped, number: u32) -> Case {
    let mut dice = Dice(number.into());
    let mut basket = basket(&mut dice, &shipped.products);
    if dice.one_in(4) {
        agree_prices(&mut dice, &mut basket);
    }
    let prices = shipped.prices(&basket);
    let mut case = Case { name: format!("random basket {number}"), basket, prices, now: time(&mut dice) };
    if dice.one_in(4) {
        change_prices(&mut dice, &mut case);
    }
    if dice.one_in(3) {
        dice.pick(FAULTS)(&mut dice, &mut case);
    }
    case
}

fn basket(dice: &mut Dice, products: &[Product]) -> Basket {
    let lines = match dice.below(100) {
        0..70 => lines(dice, products, 1..=20, 1..=60),
        70..80 => lines(dice, products, 1..=6, 1..=400),
        80..84 => lines(dice, products, 1..=3, 400..=2_000),
        84..92 => lines(dice, products, 1..=30, 1..=QUANTITY_MAX),
        92..94 => lines(dice, products, 100..=900, 1..=2),
        94..95 => about_bulk(dice, products),
        _ => repeated(dice, products),
    };
    let country = dice.pick(COUNTRIES).name.to_owned();
    let coupon = dice.one_in(3).then(|| dice.pick(COUPONS).code.to_owned());
    Basket { lines, country, coupon }
}

fn lines(
    dice: &mut Dice,
    products: &[Product],
    lines: RangeInclusive<i64>,
    quantity: RangeInclusive<i64>,
) -> Vec<Line> {
    let lines = dice.within(lines);
    (0..lines).map(|_| line(dice.pick(products), dice.within(quantity.clone()))).collect()
}

fn line(product: &Product, quantity: i64) -> Line {
    Line { code: product.code.clone(), quantity, agreed: None }
}

/// Just so many units that they are packed one by one, or just too many for it.
fn about_bulk(dice: &mut Dice, products: &[Product]) -> Vec<Line> {
    let units = i64::try_from(UNITS_MAX).unwrap_or(QUANTITY_MAX);
    vec![line(dice.pick(products), units - 1), line(dice.pick(products), dice.within(0..=2).max(1))]
}

/// A few products on many lines.
fn repeated(dice: &mut Dice, products: &[Product]) -> Vec<Line> {
    let first = dice.place(products.len() - 2);
    lines(dice, &products[first..first + 3], 4..=12, 1..=120)
}

fn agree_prices(dice: &mut Dice, basket: &mut Basket) {
    for line in &mut basket.lines {
        let most = *dice.pick(&[100, 5_000, AGREED_MAX]);
        line.agreed = (!dice.one_in(3)).then(|| Money::pence(dice.within(1..=most)));
    }
}

/// Around the first coupons' days, to the microsecond; sometimes at the very moment when one begins or ends.
fn time(dice: &mut Dice) -> Timestamp {
    const DAY: i64 = 86_400_000_000;
    let coupon = dice.pick(COUPONS);
    match dice.below(20) {
        0 => coupon.from(),
        1 => coupon.until(),
        2 => Timestamp::from_micros(coupon.from().as_micros() - dice.within(1..=DAY)),
        3 => Timestamp::from_micros(coupon.until().as_micros() - 1),
        _ => Timestamp::from_micros(coupon.from().as_micros() + dice.within(0..=24 * DAY)),
    }
}

/// Other prices and descriptions, from which other sizes and weights follow.
fn change_prices(dice: &mut Dice, case: &mut Case) {
    case.prices.version = dice.within(1..=i64::MAX);
    for product in &mut case.prices.products {
        let word = *dice.pick(&["", "MINI ", "LARGE JUMBO ", "Größe 漢字 \"\\\t "]);
        let most = *dice.pick(&[100, 20_000]);
        let price = Money::pence(dice.within(0..=most));
        *product = Product::new(product.code.clone(), format!("{word}{}", product.description), price);
    }
}

type Fault = fn(&mut Dice, &mut Case);

const FAULTS: &[Fault] = &[
    |_, case| case.basket.lines.clear(),
    too_many_lines,
    |dice, case| a_line(dice, case).code = (*dice.pick(TEXTS)).to_owned(),
    |dice, case| a_line(dice, case).quantity = *dice.pick(&[0, -1, QUANTITY_MAX + 1, i64::MAX, i64::MIN]),
    |dice, case| {
        let wrong = *dice.pick(&[0, -1, AGREED_MAX + 1, i64::MAX, i64::MIN]);
        a_line(dice, case).agreed = Some(Money::pence(wrong));
    },
    |dice, case| a_line(dice, case).agreed = Some(Money::new(dice.within(1..=999), Currency::Eur)),
    |dice, case| case.basket.country = (*dice.pick(TEXTS)).to_owned(),
    |dice, case| case.basket.coupon = Some((*dice.pick(TEXTS)).to_owned()),
    |dice, case| a_product(dice, case).size = *dice.pick(&[Size::new(0, 10, 10), Size::new(10, 601, 10)]),
    |dice, case| a_product(dice, case).grams = 25_001,
    |dice, case| a_product(dice, case).price = Money::pence(i64::MAX - dice.within(0..=1_000)),
    in_euro,
];

/// What no code, country or coupon is.
const TEXTS: &[&str] = &[
    "",
    " ",
    "85123b",
    "united kingdom",
    "basalt10",
    "a\0b\u{7f}\u{85}\n",
    "\"\\/<ÄÖ漢字\u{1f9fa}>",
    "a text that is longer than what an answer shows of a caller's own words, and then some",
];

fn too_many_lines(dice: &mut Dice, case: &mut Case) {
    let line = a_line(dice, case).clone();
    case.basket.lines.resize(LINES_MAX + 1, line);
}

/// Every price in euro: no fault, unless a price was agreed in pounds.
fn in_euro(_: &mut Dice, case: &mut Case) {
    for product in &mut case.prices.products {
        product.price = Money::new(product.price.minor(), Currency::Eur);
    }
}

fn a_line<'a>(dice: &mut Dice, case: &'a mut Case) -> &'a mut Line {
    dice.pick_mut(&mut case.basket.lines)
}

fn a_product<'a>(dice: &mut Dice, case: &'a mut Case) -> &'a mut Product {
    dice.pick_mut(&mut case.prices.products)
}

/// SplitMix64: a few lines that give the same numbers everywhere and for ever.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, sides: u64) -> u64 {
        self.throw() % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    /// A number from a range that starts at 0 or above.
    fn within(&mut self, range: RangeInclusive<i64>) -> i64 {
        range.start() + self.below(range.end().abs_diff(*range.start()) + 1).cast_signed()
    }

    /// One of these, of which there are some.
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }

    fn pick_mut<'a, T>(&mut self, from: &'a mut [T]) -> &'a mut T {
        let place = self.place(from.len());
        &mut from[place]
    }

    fn place(&mut self, len: usize) -> usize {
        (self.throw() % len as u64) as usize
    }
}
