//! Browsing: what the form asks for, and the products that come.
use shop_core::catalog::Browse;
use shop_core::{Currency, Money, Product};

use crate::basket::name;
use crate::html::Html;
use crate::text;

/// How many products a page of the list has.
const PAGE: u32 = 20;

/// What the form says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// `description`, `code` or `price`.
    pub by: String,
    /// How the description or the code begins.
    pub text: String,
    /// The lowest price as it was typed.
    pub from: String,
    /// The highest.
    pub to: String,
    /// Whether a slow statement comes first.
    pub slow: bool,
}

impl Form {
    /// The request that it means; without any words all products, by their code.
    ///
    /// # Errors
    /// What is wrong with a price.
    pub fn browse(&self) -> Result<Browse, &'static str> {
        let text = self.text.trim();
        let typed = (!text.is_empty()).then(|| text.to_owned());
        let mut browse = Browse { limit: Some(PAGE), slow: self.slow.then_some(true), ..Browse::default() };
        match self.by.as_str() {
            "code" => browse.code = typed,
            "price" => (browse.price_from, browse.price_to) = (price(&self.from)?, price(&self.to)?),
            _ => browse.description = typed,
        }
        Ok(browse)
    }
}

fn price(typed: &str) -> Result<Option<Money>, &'static str> {
    let typed = typed.trim().trim_start_matches('£');
    if typed.is_empty() {
        return Ok(None);
    }
    let price = Money::parse_decimal(typed, Currency::Gbp);
    price.map(Some).map_err(|_| "a price is a number with at most two decimals, such as 2.55")
}

/// The products as list items; `first` is the place of the first one in the whole list.
pub fn html(products: &[Product], first: usize) -> String {
    let mut html = Html::new();
    for (at, product) in products.iter().enumerate() {
        row(&mut html, first + at, product);
    }
    html.take()
}

fn row(html: &mut Html, at: usize, product: &Product) {
    html.put("<li class=product data-testid=product data-code=\"").text(&product.code).put("\">");
    html.put("<span class=what><span class=name>").text(name(product)).put("</span><span class=facts><code>");
    html.text(&product.code).put("</code>");
    if product.goods {
        html.put(" · ").text(&text::size(product.size)).put(" · ").text(&text::weight(product.grams.into()));
    } else {
        html.put(" · not goods: neither stocked nor packed");
    }
    html.put("</span></span><span class=price>").text(&text::money(product.price)).put("</span>");
    html.put("<label class=hide for=\"many-").number(at).put("\">Quantity of ").text(name(product));
    html.put("</label><input class=quantity type=number inputmode=numeric min=1 max=100000 step=1 value=1 id=\"many-");
    html.number(at).put("\"><button class=add data-do=add data-testid=add data-with=\"").number(at);
    html.put("\" data-code=\"").text(&product.code).put("\" aria-label=\"Add ").text(name(product));
    html.put(" to the basket\">Add</button></li>");
}

/// A quantity as it was typed.
///
/// # Errors
/// What is wrong with it. Its range is the core's to judge.
pub fn quantity(typed: &str) -> Result<i64, &'static str> {
    typed.trim().parse().map_err(|_| "a quantity is a whole number")
}

#[cfg(test)]
mod tests {
    use shop_core::{Money, Product};

    use super::{Form, html, quantity};

    fn form(by: &str, text: &str, from: &str, to: &str) -> Form {
        Form { by: by.into(), text: text.into(), from: from.into(), to: to.into(), slow: false }
    }

    #[test]
    fn a_form_asks_by_one_thing_only() {
        let browse = form("description", " white ", "1", "2").browse();
        assert!(browse.is_ok_and(|browse| browse.description.as_deref() == Some("white")
            && browse.code.is_none()
            && browse.price_from.is_none()
            && browse.slow.is_none()));
        let browse = form("price", "white", "£1.5", "").browse();
        assert!(browse.is_ok_and(|browse| browse.price_from == Some(Money::pence(150))
            && browse.price_to.is_none()
            && browse.description.is_none()));
        let all = form("code", "", "", "").browse();
        assert!(all.is_ok_and(|browse| browse.code.is_none()));
    }

    #[test]
    fn what_is_no_number_is_said_plainly() {
        assert!(form("price", "", "cheap", "").browse().is_err());
        assert!(form("price", "", "1.234", "").browse().is_err());
        assert!(
            quantity("").is_err() && quantity("1.5").is_err() && quantity("9223372036854775808").is_err()
        );
        assert_eq!(quantity(" -3 "), Ok(-3));
    }

    #[test]
    fn charges_have_no_size() {
        let made = html(&[Product::new("POST", "POSTAGE", Money::pence(1_800))], 0);
        assert!(made.contains("not goods") && made.contains("£18.00") && !made.contains(" cm"), "{made}");
    }
}
