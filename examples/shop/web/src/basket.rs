//! What the visitor has put into the basket, and how the browser keeps it.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop_core::{Basket, Line, Product};
use staffa_context::Context;
use staffa_storage::{Entity, Result, Store, Unit, Versioned, retry};

use crate::html::Html;
use crate::text;

/// How many colours the drawing of boxes has; further products use them again.
pub const COLOURS: usize = 10;

/// The products in the basket, where they go, and a coupon. A browser has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The lines, each product once, in the order in which they came.
    pub lines: Vec<Chosen>,
    /// The country's name.
    pub country: String,
    /// What was typed as a coupon.
    pub coupon: String,
}

/// One product in the basket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The product.
    pub product: Product,
    /// How many; what was typed, so it may be out of range.
    pub quantity: i64,
}

/// What a visitor changes. It is made again upon what another tab has made of the basket meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// So many of a product more.
    Add(Product, i64),
    /// This many of the product with this code; one that is not there stays so.
    Set(String, i64),
    /// The product with this code goes.
    Remove(String),
    /// Another country and coupon.
    Terms(String, String),
    /// It is ordered: all lines go.
    Empty,
}

/// The id of the one basket.
const ID: i64 = 1;

impl Entity for Contents {
    type Id = i64;
    const KIND: &'static str = "basket";
    const SHAPE: u32 = 2;

    fn id(&self) -> &i64 {
        &ID
    }

    /// The first shape had no coupon.
    fn upgrade(_shape: u32, mut document: Value) -> Result<Value> {
        document["coupon"] = Value::String(String::new());
        Ok(document)
    }
}

/// Makes these changes in the store, upon whatever is there; gives what came out.
///
/// # Errors
/// The store's.
pub async fn keep<S: Store + ?Sized>(
    ctx: &Context,
    store: &S,
    edits: &[Edit],
    fresh: &Contents,
) -> Result<Contents> {
    retry(ctx, async || {
        let mut unit = Unit::of(store);
        let before = unit.get::<Contents>(ctx, ID).await?;
        let mut contents = before.as_ref().map_or_else(|| fresh.clone(), |before| before.value.clone());
        contents.edit(edits);
        match before {
            _ if edits.is_empty() => return Ok(contents),
            Some(Versioned { version, .. }) => {
                drop(unit.update(Versioned { version, value: contents.clone() }))
            }
            None => drop(unit.insert(contents.clone())),
        }
        unit.commit(ctx).await?;
        Ok(contents)
    })
    .await
}

impl Contents {
    /// Makes these changes, one after the other.
    pub fn edit(&mut self, edits: &[Edit]) {
        for edit in edits {
            match edit {
                Edit::Add(product, quantity) => self.add(product, *quantity),
                Edit::Set(code, quantity) => {
                    if let Some(line) = self.line(code) {
                        line.quantity = *quantity;
                    }
                }
                Edit::Remove(code) => self.lines.retain(|line| line.product.code != *code),
                Edit::Terms(country, coupon) => {
                    country.clone_into(&mut self.country);
                    coupon.clone_into(&mut self.coupon);
                }
                Edit::Empty => self.lines.clear(),
            }
        }
    }

    fn add(&mut self, product: &Product, quantity: i64) {
        match self.line(&product.code) {
            Some(line) => line.quantity = line.quantity.saturating_add(quantity),
            None => self.lines.push(Chosen { product: product.clone(), quantity }),
        }
    }

    fn line(&mut self, code: &str) -> Option<&mut Chosen> {
        self.lines.iter_mut().find(|line| line.product.code == code)
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
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use std::sync::Arc;

    use serde_json::json;
    use shop_core::{Money, Product};
    use staffa_context::Context;
    use staffa_storage::memory::Memory;
    use staffa_storage::{Schema, Store};

    use super::{Contents, Edit, Entity, keep};

    fn product(code: &str) -> Product {
        Product::new(code, "A <b> THING", Money::pence(255))
    }

    fn add(code: &str, quantity: i64) -> Edit {
        Edit::Add(product(code), quantity)
    }

    fn codes(contents: &Contents) -> Vec<(&str, i64)> {
        contents.lines.iter().map(|line| (line.product.code.as_str(), line.quantity)).collect()
    }

    #[test]
    fn a_product_is_one_line_however_often_it_is_added() {
        let mut contents = Contents::default();
        contents.edit(&[add("B", 2), add("A", 1), add("B", 3)]);
        contents.edit(&[Edit::Set("A".into(), 0), Edit::Set("C".into(), 9)]);
        assert_eq!(codes(&contents), [("B", 5), ("A", 0)]);
        contents.edit(&[Edit::Remove("B".into())]);
        assert_eq!(codes(&contents), [("A", 0)]);
        contents.edit(&[Edit::Empty]);
        assert_eq!(contents, Contents::default());
    }

    #[test]
    fn a_blank_coupon_is_none() {
        let with = |coupon: &str| Contents { coupon: coupon.into(), ..Contents::default() }.basket().coupon;
        assert_eq!((with("  "), with(" BASALT10 ")), (None, Some("BASALT10".to_owned())));
    }

    #[tokio::test]
    async fn changes_of_two_tabs_come_together() {
        let ctx = &Context::background();
        let store: Arc<dyn Store> = Memory::open(vec![Schema::of::<Contents>()]).unwrap();
        let fresh = &Contents { country: "France".into(), ..Contents::default() };
        assert_eq!(keep(ctx, &*store, &[], fresh).await.unwrap(), *fresh);
        let one = keep(ctx, &*store, &[add("A", 1)], fresh).await.unwrap();
        assert_eq!((one.country.as_str(), codes(&one)), ("France", vec![("A", 1)]));
        // The other tab has not seen that.
        let edits = [add("B", 2), add("A", 2), Edit::Terms("EIRE".into(), "BASALT10".into())];
        let both = keep(ctx, &*store, &edits, fresh).await.unwrap();
        assert_eq!(codes(&both), [("A", 3), ("B", 2)]);
        assert_eq!(keep(ctx, &*store, &[], fresh).await.unwrap(), both);
    }

    #[test]
    fn the_first_shape_is_lifted() {
        let first = json!({ "lines": [], "country": "EIRE" });
        let lifted: Contents = serde_json::from_value(Contents::upgrade(1, first).unwrap()).unwrap();
        assert_eq!(lifted, Contents { country: "EIRE".into(), ..Contents::default() });
    }

    #[test]
    fn colours_follow_the_order_in_which_the_core_packs() {
        let mut contents = Contents::default();
        contents.edit(&["20", "POST", "10"].map(|code| add(code, 1)));
        assert_eq!(["10", "20", "POST"].map(|code| contents.colour(code)), [Some(0), Some(1), None]);
    }

    #[test]
    fn descriptions_are_no_markup() {
        let mut contents = Contents::default();
        contents.edit(&[add("A", 1)]);
        assert!(!contents.html().contains("<b>"));
    }
}
