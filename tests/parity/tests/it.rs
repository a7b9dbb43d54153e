//! What the cases reach, and that a difference would be found: natively, since both are the same everywhere.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use shop_core::{Currency, Quote};
use shop_parity::{Case, RANDOM, Shipped, compare, random};
use staffa_context::Fail;

/// A comparison that never packed in bulk, or never refused a coupon, would say little.
#[test]
fn random_baskets_come_to_every_kind_of_quote_and_error() {
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    for case in random(&Shipped::read().unwrap()) {
        for kind in kinds(&case) {
            *reached.entry(kind).or_default() += 1;
        }
    }
    let kinds: Vec<&str> = reached.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "error: agreed_price",
            "error: coupon_expired",
            "error: currencies",
            "error: empty",
            "error: fits_no_box",
            "error: quantity",
            "error: too_large",
            "error: too_many_lines",
            "error: unknown_code",
            "error: unknown_country",
            "error: unknown_coupon",
            "packed as bulk",
            "packed in one box",
            "packed in several boxes",
            "priced in euro",
            "promotions: 0",
            "promotions: 1",
            "promotions: 2",
            "promotions: 3",
            "with agreed prices",
        ]
    );
    let rare: Vec<_> = reached.iter().filter(|(_, count)| **count < RANDOM / 100).collect();
    assert!(rare.is_empty(), "{rare:?}");
}

fn kinds(case: &Case) -> Vec<String> {
    match case.quote() {
        Ok(quote) => kinds_of_quote(&quote),
        Err(error) => vec![format!("error: {}", error.details()["error"].as_str().unwrap())],
    }
}

fn kinds_of_quote(quote: &Quote) -> Vec<String> {
    let mut kinds = vec![format!("promotions: {}", quote.promotions.len())];
    match (&quote.packing.bulk, quote.packing.boxes()) {
        (Some(_), _) => kinds.push("packed as bulk".into()),
        (None, 0) => {}
        (None, 1) => kinds.push("packed in one box".into()),
        (None, _) => kinds.push("packed in several boxes".into()),
    }
    if quote.lines.iter().any(|line| line.agreed) {
        kinds.push("with agreed prices".into());
    }
    if quote.totals.total.currency() == Currency::Eur {
        kinds.push("priced in euro".into());
    }
    kinds
}

#[test]
fn every_line_of_every_invoice_is_in_a_case() {
    let shipped = Shipped::read().unwrap();
    assert_eq!(shipped.cases().len(), 1_455);
    assert_eq!(shipped.cases().map(|case| case.basket.lines.len()).sum::<usize>(), 38_640);
}

#[test]
fn a_different_answer_is_found_and_its_case_named() {
    let cases: Vec<Case> = Shipped::read().unwrap().cases().take(3).collect();
    let mut answers: Vec<Vec<u8>> = cases.iter().map(|case| case.answer().unwrap()).collect();
    let compared = |answers: &[Vec<u8>]| {
        compare(&written(answers), cases.iter().cloned()).map_err(|error| error.to_string())
    };
    assert_eq!(compared(&answers), Ok(3));
    assert_eq!(
        compared(&answers[..2]).unwrap_err(),
        format!("there is no native answer to {}", cases[2].name)
    );

    *answers[1].last_mut().unwrap() ^= 1;
    let different = compared(&answers).unwrap_err();
    let first = format!("1 of 3 answers differ; the first: {}, from byte ", cases[1].name);
    assert!(different.starts_with(&first), "{different}");

    answers.push(Vec::new());
    assert_eq!(compared(&answers).unwrap_err(), "there are more native answers than the 3 cases");
}

/// As the build script writes them.
fn written(answers: &[Vec<u8>]) -> Vec<u8> {
    let mut written = GzEncoder::new(Vec::new(), Compression::fast());
    for answer in answers {
        written.write_all(answer).unwrap();
        written.write_all(b"\n").unwrap();
    }
    written.finish().unwrap()
}
