//! What the file says, to the line and the penny.
use std::collections::{BTreeMap, BTreeSet};

use shop_core::goods::is_goods;
use shop_core::invoice::{BadRecord, Record, RecordKind};
use shop_core::{Country, Money};

use crate::data::file;

#[test]
fn every_record_is_read_and_counted() {
    let file = file();
    assert_eq!(file.records, 39_522);
    let kinds: Vec<(RecordKind, u32)> = file.kinds.iter().map(|(kind, count)| (*kind, *count)).collect();
    assert_eq!(
        kinds,
        [
            (RecordKind::Sold, 38_640),
            (RecordKind::Return, 680),
            (RecordKind::Adjustment, 69),
            (RecordKind::Unpriced, 133),
        ]
    );
    assert_eq!(file.sum, 68_149_886);
}

#[test]
fn sold_lines_are_invoices_to_the_penny() {
    let invoices: Vec<_> = file().invoices.iter().collect();
    assert_eq!(invoices.len(), 1_455);
    assert_eq!(invoices.iter().map(|invoice| invoice.lines.len()).sum::<usize>(), 38_640);
    assert_eq!(invoices.iter().map(|invoice| invoice.minor()).sum::<i64>(), 75_568_743);
    assert_eq!(invoices.iter().map(|invoice| invoice.lines.len()).max(), Some(675));
    let units = |invoice: &&shop_core::invoice::Invoice| -> i64 {
        invoice.lines.iter().map(|line| line.quantity).sum()
    };
    assert_eq!(invoices.iter().map(units).max(), Some(4_800));
}

#[test]
fn a_code_stays_on_several_lines_of_an_invoice() {
    let repeated = |invoice: &shop_core::invoice::Invoice| {
        let mut lines: BTreeMap<&str, u32> = BTreeMap::new();
        for line in &invoice.lines {
            *lines.entry(&line.code).or_default() += 1;
        }
        lines.into_values().filter(|count| *count > 1).count()
    };
    assert_eq!(file().invoices.iter().map(repeated).sum::<usize>(), 804);
}

#[test]
fn an_invoice_with_two_time_stamps_has_the_first() {
    let invoice = file().invoices.get("536591").unwrap();
    assert_eq!(invoice.at.to_string(), "2010-12-01T16:57:00.000000Z");
}

#[test]
fn products_are_the_codes_that_were_sold() {
    let listed = &file().listed;
    assert_eq!(listed.len(), 2_748);
    let folded: BTreeSet<String> =
        listed.iter().map(|listed| listed.product.code.to_ascii_lowercase()).collect();
    assert_eq!(listed.len() - folded.len(), 49);
    assert!(listed.iter().all(|listed| !listed.product.description.is_empty()));
    let no_goods: Vec<&str> = listed
        .iter()
        .filter(|listed| !listed.product.goods)
        .map(|listed| listed.product.code.as_str())
        .collect();
    assert_eq!(no_goods, ["AMAZONFEE", "BANK CHARGES", "C2", "DOT", "M", "POST", "gift_0001_40"]);
}

#[test]
fn a_list_price_is_the_most_frequent_and_the_lowest_of_equals() {
    let listed = &file().listed;
    let price = |code: &str| {
        listed.iter().find(|listed| listed.product.code == code).map(|listed| listed.product.price)
    };
    assert_eq!(price("85123A"), Some(Money::pence(295)));
    let several = |code: &str| {
        let prices: BTreeSet<i64> = file()
            .invoices
            .iter()
            .flat_map(|invoice| &invoice.lines)
            .filter(|line| line.code == code)
            .map(|line| line.price.minor())
            .collect();
        prices.len()
    };
    assert_eq!(several("DOT"), 37);
    assert_eq!(price("DOT"), Some(Money::pence(8_579)));
}

#[test]
fn first_stock_is_what_was_sold_and_a_thousand() {
    let units = file().invoices.units();
    for listed in &file().listed {
        let sold = units.get(listed.product.code.as_str()).copied().unwrap_or_default();
        let expected = if listed.product.goods { sold + 1_000 } else { 0 };
        assert_eq!(listed.stock, expected, "{}", listed.product.code);
    }
    assert_eq!(units.values().sum::<i64>(), 333_058);
    assert!(units.keys().all(|code| is_goods(code)));
}

#[test]
fn every_country_of_the_file_is_known() {
    let names: BTreeSet<&str> = file().invoices.iter().map(|invoice| invoice.country.as_str()).collect();
    assert!(names.iter().all(|name| Country::named(name).is_some()));
    assert_eq!(shop_core::country::COUNTRIES.len(), 24);
}

#[test]
fn a_bad_record_says_what_is_wrong() {
    let good = ["536365", "85123A", "HEART", "6", "01/12/2010 08:26", "2.55", "17850", "United Kingdom"];
    assert!(Record::parse(&good).is_ok());
    assert_eq!(Record::parse(&good[..7]), Err(BadRecord::Fields(7)));
    let wrong = |at: usize, text: &str| {
        let mut fields = good;
        fields[at] = text;
        Record::parse(&fields).map_err(|bad| bad.to_string())
    };
    for (at, text, message) in [
        (0, " ", "its invoice number is missing, too long or has control characters"),
        (1, "a\0b", "its stock code is missing, too long or has control characters"),
        (3, "six", "its quantity `six` is not a whole number from -100000 to 100000"),
        (
            3,
            "9223372036854775808",
            "its quantity `9223372036854775808` is not a whole number from -100000 to 100000",
        ),
        (4, "12/13/2010 08:26", "its time `12/13/2010 08:26` is not `day/month/year hour:minute`"),
        (4, "2010-12-01", "its time `2010-12-01` is not `day/month/year hour:minute`"),
        (5, "2.555", "its price `2.555` is not an amount with at most two decimals"),
        (5, "NaN", "its price `NaN` is not an amount with at most two decimals"),
    ] {
        assert_eq!(wrong(at, text).unwrap_err(), message);
    }
    assert!(wrong(2, "").is_ok() && wrong(6, "").is_ok());
}
