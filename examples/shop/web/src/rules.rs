//! The quote's rules in words, from the same tables that the core computes with.
use shop_core::Money;
use shop_core::quote::packing::{BULK_FILL, UNITS_MAX};
use shop_core::quote::promotion::{COUPONS, TIERS, VALUES};

use crate::html::Html;
use crate::text;

/// How promotions combine, how shipping and tax are counted, and what is rounded: a list.
pub fn html() -> String {
    let mut html = Html::new();
    html.put(
        "<p>Promotions apply to goods at list price. Each is taken from what the one before it left:</p><ol>",
    );
    html.put("<li><b>Quantity</b>, by how many of one code: ");
    steps(&mut html, TIERS, |from| text::grouped(from.unsigned_abs()));
    html.put(".</li><li><b>Value</b>, by what such goods come to then: ");
    steps(&mut html, VALUES, |from| text::money(Money::pence(from)));
    html.put(".</li><li><b>Coupon</b>, one an order: ");
    coupons(&mut html);
    html.put(".</li></ol><p><b>Shipping</b>: so much for each box and for each started kilogram of all boxes together, by zone. ");
    html.put("<b>Tax</b>: the country’s rate on everything, shipping included. ");
    html.put("Discounts and tax are rounded half to even, once each (quantity: for each line); all else is exact.</p>");
    html.put("<p><b>Boxes</b>: units by volume, the largest first, each into the first box and corner where it fits, turned flattest first; ");
    html.put("at the end each box shrinks to the smallest that holds its units. Above ");
    html.text(&text::grouped(UNITS_MAX)).put(" units an order goes as bulk, at ").number(BULK_FILL);
    html.put(" % of the largest boxes’ volume.</p>");
    html.take()
}

fn steps(html: &mut Html, steps: &[(i64, u32)], from_text: fn(i64) -> String) {
    for (at, (from, basis_points)) in steps.iter().enumerate() {
        html.put(if at > 0 { ", " } else { "" });
        html.text(&from_text(*from)).put(" or more ").text(&text::percent(*basis_points)).put(" off");
    }
}

fn coupons(html: &mut Html) {
    for (at, coupon) in COUPONS.iter().enumerate() {
        html.put(if at > 0 { "; " } else { "" }).put("<code>").text(coupon.code).put("</code> ");
        html.text(&text::percent(coupon.basis_points)).put(" off, until ").text(&text::day(coupon.until()));
    }
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn the_rules_name_the_cores_own_numbers() {
        let rules = html();
        for fact in
            ["24 or more 3 % off", "£300.00 or more 2 % off", "BASALT10", "2010-12-26", "10,000 units"]
        {
            assert!(rules.contains(fact), "{fact}: {rules}");
        }
    }
}
