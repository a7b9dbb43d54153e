//! Quotes: what each promotion, tax and error comes to, and what holds for all of them.
use std::time::Duration;

use proptest::prelude::*;
use shop_core::country::COUNTRIES;
use shop_core::quote::{LINES_MAX, QUANTITY_MAX, packing};
use shop_core::{Basket, Currency, Line, Money, PriceList, Product, Quote, QuoteError, quote};
use staffa_context::{Cause, Context, Fail, Failure, Kind, Timestamp};

use crate::data::file;

fn now() -> Timestamp {
    "2010-12-08T12:00:00Z".parse().unwrap()
}

fn line(code: &str, quantity: i64) -> Line {
    Line { code: code.into(), quantity, agreed: None }
}

fn basket(lines: Vec<Line>) -> Basket {
    Basket { lines, country: "United Kingdom".into(), coupon: None }
}

fn prices() -> PriceList {
    let product = |code: &str, pence| Product::new(code, "A THING", Money::pence(pence));
    PriceList {
        version: 7,
        products: vec![product("10001", 250), product("10002", 1_005), product("POST", 1_800)],
    }
}

fn quoted(basket: &Basket) -> Result<Quote, QuoteError> {
    quote(&Context::background(), basket, &prices(), now())
}

#[test]
fn totals_of_a_plain_basket() {
    let quote = quoted(&basket(vec![line("10001", 2), line("POST", 1)])).unwrap();
    assert_eq!(quote.totals.lines, Money::pence(2_300));
    assert_eq!(quote.totals.promotions, Money::pence(0));
    // One box and one started kilogram.
    assert_eq!(quote.totals.shipping, Money::pence(295 + 45));
    // 17.5 % of 26.40.
    assert_eq!(quote.totals.tax, Money::pence(462));
    assert_eq!(quote.totals.total, Money::pence(3_102));
    assert_eq!((quote.prices, quote.made_at), (7, now()));
}

#[test]
fn promotions_are_taken_one_from_what_the_other_left() {
    let mut basket = basket(vec![line("10002", 60), line("10002", 40), line("POST", 1)]);
    basket.coupon = Some("BASALT10".into());
    let quote = quoted(&basket).unwrap();
    let taken: Vec<(&str, i64)> =
        quote.promotions.iter().map(|taken| (taken.name.as_str(), taken.amount.minor())).collect();
    // 6 % of 603.00 and of 402.00; 2 % of the 944.70 left, half to even; 10 % of the 925.81 left.
    assert_eq!(
        taken,
        [("Quantity discount", 6_030), ("2 % off large orders", 1_889), ("Coupon BASALT10 (10 %)", 9_258)]
    );
    assert_eq!(quote.totals.promotions, Money::pence(6_030 + 1_889 + 9_258));
}

#[test]
fn an_agreed_price_replaces_the_list_price_and_every_promotion() {
    let agreed = Line { agreed: Some(Money::pence(100)), ..line("10002", 1_000) };
    let quote = quoted(&basket(vec![agreed])).unwrap();
    assert!(quote.promotions.is_empty());
    assert_eq!(quote.totals.lines, Money::pence(100_000));
    assert!(quote.lines[0].agreed);
}

#[test]
fn charges_are_priced_and_not_packed() {
    let quote = quoted(&basket(vec![line("POST", 1_000)])).unwrap();
    assert_eq!(quote.packing.boxes(), 0);
    assert_eq!(quote.totals.shipping, Money::pence(0));
    assert!(quote.promotions.is_empty());
}

#[test]
fn what_is_wrong_with_a_basket_is_said() {
    let of = |lines| quoted(&basket(lines)).unwrap_err();
    assert_eq!(of(vec![]), QuoteError::Empty);
    assert_eq!(of(vec![line("10001", 1); LINES_MAX + 1]), QuoteError::TooManyLines { lines: 1_001 });
    assert_eq!(
        of(vec![line("10001", 1), line("10001x", 1)]),
        QuoteError::UnknownCode { line: 1, code: "10001x".into() }
    );
    for quantity in [0, -1, QUANTITY_MAX + 1, i64::MAX, i64::MIN] {
        assert_eq!(of(vec![line("10001", quantity)]), QuoteError::Quantity { line: 0, quantity });
    }
    for pence in [0, -1, i64::MAX] {
        let agreed = Line { agreed: Some(Money::pence(pence)), ..line("10001", 1) };
        assert_eq!(of(vec![agreed]), QuoteError::AgreedPrice { line: 0 });
    }
    let euro = Line { agreed: Some(Money::new(100, Currency::Eur)), ..line("10001", 1) };
    assert_eq!(of(vec![line("10001", 1), euro]), QuoteError::Currencies);
}

#[test]
fn countries_and_coupons_are_checked() {
    let with = |country: &str, coupon: Option<&str>| {
        let basket =
            Basket { lines: vec![line("10001", 1)], country: country.into(), coupon: coupon.map(Into::into) };
        quoted(&basket)
    };
    assert_eq!(with("Atlantis", None), Err(QuoteError::UnknownCountry { country: "Atlantis".into() }));
    assert_eq!(with("EIRE", Some("FREE")), Err(QuoteError::UnknownCoupon { coupon: "FREE".into() }));
    assert!(with("EIRE", Some("XMAS2010")).is_ok());
    let late = quote(
        &Context::background(),
        &Basket { coupon: Some("XMAS2010".into()), ..basket(vec![line("10001", 1)]) },
        &prices(),
        "2010-12-26T00:00:00Z".parse().unwrap(),
    );
    let expired = late.unwrap_err();
    assert_eq!(
        expired.to_string(),
        "the coupon `XMAS2010` is valid from 2010-12-01T00:00:00.000000Z until 2010-12-26T00:00:00.000000Z"
    );
}

#[test]
fn a_basket_that_is_no_basket_does_not_parse() {
    let parse = |line: &str| {
        serde_json::from_str::<Basket>(&format!(r#"{{"lines":[{line}],"country":"EIRE"}}"#)).is_ok()
    };
    assert!(parse(r#"{"code":"1","quantity":1,"agreed":"2.50 GBP"}"#));
    for wrong in [
        r#"{"code":"1"}"#,
        r#"{"code":"1","quantity":9223372036854775808}"#,
        r#"{"code":"1","quantity":1.5}"#,
        r#"{"code":"1","quantity":"1"}"#,
        r#"{"code":1,"quantity":1}"#,
        r#"{"code":"1","quantity":1,"agreed":2.5}"#,
        r#"{"code":"1","quantity":1,"agreed":"2.505 GBP"}"#,
        r#"{"code":"1","quantity":1,"price":"2.50 GBP"}"#,
    ] {
        assert!(!parse(wrong), "{wrong}");
    }
}

#[test]
fn errors_cross_the_wire_and_come_back() {
    let at = now();
    for error in [
        QuoteError::Empty,
        QuoteError::TooManyLines { lines: 1_001 },
        QuoteError::UnknownCode { line: 3, code: "x".into() },
        QuoteError::Quantity { line: 0, quantity: -5 },
        QuoteError::AgreedPrice { line: 2 },
        QuoteError::CouponExpired { coupon: "x".into(), from: at, until: at },
        QuoteError::TooLarge,
        QuoteError::Currencies,
        QuoteError::Failed(Failure::new(Kind::Unavailable, "away")),
    ] {
        let mut failure = Failure::of(&error);
        failure.log = None;
        assert_eq!(QuoteError::from(failure), error);
    }
    assert_eq!(QuoteError::Empty.kind(), Kind::Invalid);
}

#[test]
fn a_quote_is_fresh_for_fifteen_minutes() {
    let quote = quoted(&basket(vec![line("10001", 1)])).unwrap();
    assert!(quote.is_fresh(now().plus(Duration::from_secs(900))));
    assert!(!quote.is_fresh(now().plus(Duration::from_secs(901))));
    assert!(quote.is_fresh(now().minus(Duration::from_secs(60))));
    assert!(!quote.is_fresh(now().minus(Duration::from_secs(61))));
}

#[test]
fn an_ended_context_gives_its_cause() {
    let (ctx, cancel) = Context::background().with_cancel();
    cancel.cancel(Cause::ShuttingDown);
    let ended = quote(&ctx, &basket(vec![line("10001", 1)]), &prices(), now());
    assert_eq!(ended.unwrap_err().kind(), Kind::Unavailable);
}

/// A change of any rule changes these: say so in the changelog.
#[test]
fn quotes_of_real_invoices_are_what_they_were() {
    let cases = [
        ("536365", true),
        ("536365", false),
        ("536370", true),
        ("536544", false),
        ("537434", true),
        ("536830", false),
    ];
    let lines: String = cases.into_iter().map(|(number, agreed)| summary(number, agreed)).collect();
    assert_eq!(lines, include_str!("quotes.txt"));
}

/// The quote of an invoice in one line, at its own prices or at list prices.
fn summary(number: &str, agreed: bool) -> String {
    let mut basket = file().invoices.get(number).unwrap().basket();
    if !agreed {
        basket.lines.iter_mut().for_each(|line| line.agreed = None);
    }
    let quote = quote(&Context::background(), &basket, &file().price_list(), now()).unwrap();
    let totals = quote.totals;
    let boxes: Vec<&str> = quote.packing.parcels.iter().map(|parcel| parcel.kind.as_str()).collect();
    let prices = if agreed { "agreed" } else { "list" };
    format!(
        "{number} {prices}: {} - {} + {} + {} = {}; {} g in {}; {}\n",
        totals.lines,
        totals.promotions,
        totals.shipping,
        totals.tax,
        totals.total,
        quote.packing.grams(),
        boxes.join(", "),
        quote.quoted().digest,
    )
}

#[test]
fn every_real_invoice_is_quoted_soundly_and_fast() {
    let list = file().price_list();
    let ctx = Context::background();
    let mut slowest = (Duration::ZERO, "");
    let mut sum = 0;
    for invoice in file().invoices.iter() {
        let started = ctx.clock().now();
        let quote = quote(&ctx, &invoice.basket(), &list, now()).unwrap();
        slowest = slowest.max((ctx.clock().now().duration_since(started), &invoice.number));
        sum += quote.totals.lines.minor();
        check_sums(&quote);
        let items: Vec<packing::Item> = quote
            .packing
            .items
            .iter()
            .map(|code| {
                let product = list.products.iter().find(|product| product.code == *code).unwrap();
                let lines = quote.lines.iter().filter(|line| line.code == *code);
                let units = lines.map(|line| line.quantity.unsigned_abs()).sum();
                packing::Item { code: code.clone(), size: product.size, grams: product.grams, units }
            })
            .collect();
        if quote.packing.bulk.is_none() {
            crate::packing::check(&items, &quote.packing);
        }
    }
    assert_eq!(sum, 75_568_743);
    assert!(slowest.0 < Duration::from_secs(5), "{} took {:?}", slowest.1, slowest.0);
}

fn check_sums(quote: &Quote) {
    let totals = quote.totals;
    let sum = |amounts: &mut dyn Iterator<Item = Money>| amounts.map(Money::minor).sum::<i64>();
    assert_eq!(totals.lines.minor(), sum(&mut quote.lines.iter().map(|line| line.amount)));
    assert_eq!(totals.promotions.minor(), sum(&mut quote.promotions.iter().map(|taken| taken.amount)));
    assert!((0..=totals.lines.minor()).contains(&totals.promotions.minor()));
    assert!(totals.shipping.minor() >= 0 && totals.tax.minor() >= 0);
    assert_eq!(
        totals.total.minor(),
        totals.lines.minor() - totals.promotions.minor() + totals.shipping.minor() + totals.tax.minor()
    );
}

fn any_basket() -> impl Strategy<Value = Basket> {
    let codes: Vec<String> = file().products().into_iter().map(|product| product.code).collect();
    let agreed = proptest::option::weighted(0.3, (1_i64..5_000).prop_map(Money::pence));
    let line = (proptest::sample::select(codes), 1_i64..60, agreed)
        .prop_map(|(code, quantity, agreed)| Line { code, quantity, agreed });
    let country = proptest::sample::select(COUNTRIES.to_vec());
    let coupon = proptest::option::of(proptest::sample::select(vec!["BASALT10", "XMAS2010"]));
    (proptest::collection::vec(line, 1..20), country, coupon).prop_map(|(lines, country, coupon)| Basket {
        lines,
        country: country.name.into(),
        coupon: coupon.map(Into::into),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_quote_adds_up_and_survives_json(basket in any_basket()) {
        let quote = quote(&Context::background(), &basket, &file().price_list(), now()).unwrap();
        check_sums(&quote);
        let json = serde_json::to_string(&quote).unwrap();
        let back: Quote = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&back, &quote);
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }

    #[test]
    fn the_order_of_lines_changes_neither_totals_nor_boxes(basket in any_basket()) {
        let list = file().price_list();
        let mut turned = basket.clone();
        turned.lines.reverse();
        let one = quote(&Context::background(), &basket, &list, now()).unwrap();
        let other = quote(&Context::background(), &turned, &list, now()).unwrap();
        prop_assert_eq!(one.totals, other.totals);
        prop_assert_eq!(one.packing, other.packing);
    }

    #[test]
    fn sums_that_do_not_fit_are_an_error(pence in 1_i64..=i64::MAX, quantity in 1..=QUANTITY_MAX) {
        let mut list = prices();
        list.products[2].price = Money::pence(pence);
        let asked = basket(vec![line("POST", quantity); 3]);
        match quote(&Context::background(), &asked, &list, now()) {
            Ok(quote) => check_sums(&quote),
            Err(error) => prop_assert_eq!(error, QuoteError::TooLarge),
        }
    }
}
