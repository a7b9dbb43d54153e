//! What the visitor has put into the basket.
use shop_core::{Basket, Line, Product};

use crate::html::Html;
use crate::text;

/// How many colours the drawing of boxes has; further products use them again.
pub const COLOURS: usize = 10;

/// The products in the basket, where they go, and a coupon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The lines, each product once, in the order in which they came.
    pub lines: Vec<Chosen>,
    /// The country's name.
    pub country: String,
    /// What was typed as a coupon.
    pub coupon: String,
}

/// One product in the basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The product.
    pub product: Product,
    /// How many; what was typed, so it may be out of range.
    pub quantity: i64,
}

impl Contents {
    /// Adds so many of a product.
    pub fn add(&mut self, product: Product, quantity: i64) {
        match self.lines.iter_mut().find(|line| line.product.code == product.code) {
            Some(line) => line.quantity = line.quantity.saturating_add(quantity),
            None => self.lines.push(Chosen { product, quantity }),
        }
    }

    /// Changes how many of a product there are; a product that is not there stays so.
    pub fn set(&mut self, code: &str, quantity: i64) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.product.code == code) {
            line.quantity = quantity;
        }
    }

    /// Takes a product out.
    pub fn remove(&mut self, code: &str) {
        self.lines.retain(|line| line.product.code != code);
    }

    /// The basket as the services know it.
    pub fn basket(&self) -> Basket {
        let coupon = self.coupon.trim();
        Basket {
            lines: self
                .lines
                .iter()
                .map(|line| Line { code: line.product.code.clone(), quantity: line.quantity, agreed: None })
                .collect(),
            country: self.country.clone(),
            coupon: (!coupon.is_empty()).then(|| coupon.to_owned()),
        }
    }

    /// The colour of a product in the drawing of boxes; none for what is not packed.
    pub fn colour(&self, code: &str) -> Option<usize> {
        let goods = || self.lines.iter().map(|line| &line.product).filter(|product| product.goods);
        goods().find(|product| product.code == code)?;
        // As in `Packing::items`, which are in the order of codes.
        Some(goods().filter(|product| product.code.as_str() < code).count() % COLOURS)
    }

    /// The lines as a list, each with its amount's place left empty.
    pub fn html(&self) -> String {
        let mut html = Html::new();
        for (at, line) in self.lines.iter().enumerate() {
            self.line_html(&mut html, at, line);
        }
        html.take()
    }

    fn line_html(&self, html: &mut Html, at: usize, line: &Chosen) {
        let product = &line.product;
        html.put("<li class=line data-testid=basket-line data-code=\"").text(&product.code).put("\">");
        match self.colour(&product.code) {
            Some(colour) => html.put("<i class=\"swatch c").number(colour).put("\"></i>"),
            None => html.put("<i class=swatch></i>"),
        };
        html.put("<span class=what><span class=name>").text(name(product)).put("</span><span class=facts>");
        html.text(&product.code).put(" · ").text(&text::money(product.price)).put(" each</span></span>");
        html.put("<label class=hide for=\"line-").number(at).put("\">Quantity of ").text(name(product));
        html.put(
            "</label><input class=quantity type=number inputmode=numeric min=1 max=100000 step=1 id=\"line-",
        );
        html.number(at).put("\" data-do=quantity data-with=\"").text(&product.code).put("\" value=\"");
        html.number(line.quantity).put("\"><output class=amount id=\"amount-").number(at).put("\"></output>");
        html.put("<button class=\"quiet icon\" data-do=remove data-with=\"").text(&product.code);
        html.put("\" id=\"remove-").number(at).put("\" aria-label=\"Remove ").text(name(product));
        html.put("\">✕</button></li>");
    }
}

/// What a product is called; the data has some without a description.
pub fn name(product: &Product) -> &str {
    let name = product.description.trim();
    if name.is_empty() { "(no description)" } else { name }
}

#[cfg(test)]
mod tests {
    use shop_core::{Money, Product};

    use super::Contents;

    fn product(code: &str) -> Product {
        Product::new(code, "A <b> THING", Money::pence(255))
    }

    #[test]
    fn a_product_is_one_line_however_often_it_is_added() {
        let mut contents = Contents::default();
        contents.add(product("B"), 2);
        contents.add(product("A"), 1);
        contents.add(product("B"), 3);
        contents.set("A", 0);
        contents.set("C", 9);
        let lines = contents.basket().lines;
        let lines: Vec<(&str, i64)> = lines.iter().map(|line| (line.code.as_str(), line.quantity)).collect();
        assert_eq!(lines, [("B", 5), ("A", 0)]);
        contents.remove("B");
        assert_eq!(contents.lines.len(), 1);
    }

    #[test]
    fn a_blank_coupon_is_none() {
        let with = |coupon: &str| Contents { coupon: coupon.into(), ..Contents::default() }.basket().coupon;
        assert_eq!((with("  "), with(" BASALT10 ")), (None, Some("BASALT10".to_owned())));
    }

    #[test]
    fn colours_follow_the_order_in_which_the_core_packs() {
        let mut contents = Contents::default();
        ["20", "POST", "10"].into_iter().for_each(|code| contents.add(product(code), 1));
        assert_eq!(["10", "20", "POST"].map(|code| contents.colour(code)), [Some(0), Some(1), None]);
    }

    #[test]
    fn descriptions_are_no_markup() {
        let mut contents = Contents::default();
        contents.add(product("A"), 1);
        assert!(!contents.html().contains("<b>"));
    }
}
