//! A quote as it is shown: the sums, and whether the server came to the same.
use shop_core::country::Country;
use shop_core::{Money, Quote};

use crate::html::Html;
use crate::text;
use crate::work::Comparison;

/// The sums of a quote, as the rows of a table.
pub fn sums(quote: &Quote) -> String {
    let mut html = Html::new();
    let totals = &quote.totals;
    row(&mut html, "", &text::count(count(quote), "line", "lines"), totals.lines);
    for promotion in &quote.promotions {
        let off = Money::new(-promotion.amount.minor(), promotion.amount.currency());
        row(&mut html, "off", &promotion.name, off);
    }
    row(&mut html, "", &shipping(quote), totals.shipping);
    row(&mut html, "", &tax(quote), totals.tax);
    html.put("<tr class=total><th scope=row>Total</th><td data-testid=quote-total>");
    html.text(&text::money(totals.total)).put("</td></tr>");
    html.take()
}

fn row(html: &mut Html, class: &str, name: &str, amount: Money) {
    html.put("<tr class=\"").put(class).put("\"><th scope=row>").text(name).put("</th><td>");
    html.text(&text::money(amount)).put("</td></tr>");
}

fn count(quote: &Quote) -> u64 {
    u64::try_from(quote.lines.len()).unwrap_or(u64::MAX)
}

fn shipping(quote: &Quote) -> String {
    let boxes = text::count(quote.packing.boxes(), "box", "boxes");
    ["Shipping, ", &boxes, " of ", &text::weight(quote.packing.grams())].concat()
}

fn tax(quote: &Quote) -> String {
    let rate = Country::named(&quote.country).map_or(0, |country| country.tax);
    ["Tax, ", &quote.country, " ", &text::percent(rate)].concat()
}

/// Where and how fast a quote was computed, in a sentence.
pub fn made(quote: &Quote, micros: u64) -> String {
    let took = text::micros(micros);
    let prices = quote.prices.to_string();
    ["Computed in this browser in ", &took, " by the shop’s core, with price list ", &prices, "."].concat()
}

/// Whether the server came to the same, in a sentence.
pub fn compared(comparison: &Comparison) -> String {
    match comparison {
        Comparison::Same { bytes, digest } => {
            let bytes = text::grouped(u64::try_from(*bytes).unwrap_or(u64::MAX));
            ["The server came to the same quote, byte for byte: ", &bytes, " bytes, digest ", digest, "."]
                .concat()
        }
        Comparison::Differ { at, ours, theirs } => {
            let at = at.to_string();
            ["The two quotes differ from byte ", &at, " on. Here: …", ours, "… Server: …", theirs, "…"]
                .concat()
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use shop_core::{Basket, Line, Money, PriceList, Product, Quote, quote};
    use staffa_context::{Context, Timestamp};

    use super::{compared, made, sums};
    use crate::work::compare;

    fn a_quote() -> Quote {
        let product = Product::new("A", "A THING", Money::pence(1_000));
        let prices = PriceList { version: 3, products: vec![product] };
        let lines = vec![Line { code: "A".into(), quantity: 24, agreed: None }];
        let basket = Basket { lines, country: "France".into(), coupon: None };
        quote(&Context::background(), &basket, &prices, Timestamp::from_micros(0)).unwrap()
    }

    #[test]
    fn a_quote_shows_what_it_adds_up_from() {
        let sums = sums(&a_quote());
        for part in
            ["1 line", "£240.00", "Quantity discount", "−£7.20", "Shipping, ", "Tax, France 19.6 %", "Total"]
        {
            assert!(sums.contains(part), "{part}: {sums}");
        }
        assert!(made(&a_quote(), 1_500).contains("1.5 ms"));
    }

    #[test]
    fn a_comparison_is_told_plainly() {
        let ours = a_quote();
        let mut theirs = ours.clone();
        assert!(compared(&compare(&ours, &theirs)).contains("byte for byte"));
        theirs.prices += 1;
        assert!(compared(&compare(&ours, &theirs)).contains("differ"));
    }
}
