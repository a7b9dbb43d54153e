//! The left column: browse products.
use std::rc::Rc;
use std::time::Duration;

use shop_contract::catalog::BROWSE;
use shop_core::Product;
use shop_core::catalog::Browse;
use staffa_context::{Cause, Failure, Kind};
use staffa_storage::PageOf;

use super::{InHand, Page, dom};
use crate::products::{self, Form};
use crate::text;

/// A slow read has the time to be seen.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Default)]
pub(super) struct Catalogue {
    shown: Vec<Product>,
    /// What brings the next page; none at the end.
    more: Option<Browse>,
    in_hand: InHand,
}

impl Page {
    /// Browses as the form says, from the beginning.
    pub(super) fn browse(self: &Rc<Self>) {
        let form = Form {
            by: dom::chosen("by"),
            text: dom::value("search-text"),
            from: dom::value("price-from"),
            to: dom::value("price-to"),
            slow: dom::is_checked("slow"),
        };
        match form.browse() {
            Ok(asked) => self.fetch_products("browse", asked, true),
            Err(words) => self.show_mistake(words),
        }
    }

    /// Adds the next page to the list.
    pub(super) fn more(self: &Rc<Self>) {
        let asked = self.catalogue.borrow().more.clone();
        if let Some(asked) = asked {
            self.fetch_products("more products", asked, false);
        }
    }

    /// The visitor pressed Cancel.
    pub(super) fn stop_browsing(&self) {
        let cancel = self.catalogue.borrow_mut().in_hand.0.take();
        if let Some(cancel) = cancel {
            cancel.cancel(Cause::cancelled("the visitor pressed Cancel"));
            self.tell("Cancelled.");
            dom::set_text("found", "Cancelled. The panel below shows what the server made of it.");
        }
    }

    /// Shows the fields for what is searched by.
    pub(super) fn search_by(&self, by: &str) {
        dom::show("by-price", by == "price");
        dom::show("by-text", by != "price");
        let label = if by == "code" { "Stock code begins with" } else { "Description begins with" };
        dom::set_text("search-label", label);
    }

    fn fetch_products(self: &Rc<Self>, name: &'static str, asked: Browse, afresh: bool) {
        let ctx = self.catalogue.borrow_mut().in_hand.next(&self.ctx, PATIENCE);
        set_browsing(true);
        self.start(async move |page| {
            let click = ctx.span(name);
            let found = page.client.call(&click, BROWSE, asked.clone()).await;
            page.ended(click, &found);
            // Whoever cancelled this and asked for something newer is still browsing.
            let is_newest = ctx.cause().is_none() || page.catalogue.borrow().in_hand.0.is_none();
            if is_newest {
                set_browsing(false);
                page.show_found(name, found, asked, afresh);
            }
        });
    }

    fn show_found(
        self: &Rc<Self>,
        name: &'static str,
        found: Result<PageOf<Product>, Failure>,
        asked: Browse,
        afresh: bool,
    ) {
        match found {
            Ok(found) => {
                self.dismiss();
                self.show_products(found, asked, afresh);
            }
            Err(error) => {
                if error.kind != Kind::Cancelled {
                    dom::set_text("found", "Nothing came.");
                }
                let page = Rc::clone(self);
                self.show_error(
                    "The products did not come",
                    &error,
                    Box::new(move || {
                        page.fetch_products(name, asked.clone(), afresh);
                    }),
                );
            }
        }
    }

    fn show_products(&self, found: PageOf<Product>, asked: Browse, afresh: bool) {
        let mut catalogue = self.catalogue.borrow_mut();
        if afresh {
            catalogue.shown.clear();
            dom::fill("products", "");
        }
        let first = catalogue.shown.len();
        catalogue.shown.extend(found.items.into_iter().map(|product| product.value));
        dom::append("products", &products::html(&catalogue.shown[first..], first));
        catalogue.more = found.next.map(|next| Browse { after: Some(next), slow: None, ..asked });
        dom::show("more", catalogue.more.is_some());
        let count = u64::try_from(catalogue.shown.len()).unwrap_or(u64::MAX);
        let words = match (count, catalogue.more.is_some()) {
            (0, _) => "Nothing is called so. Try fewer letters.".to_owned(),
            (_, true) => [&text::count(count, "product", "products"), ", and there are more"].concat(),
            (_, false) => text::count(count, "product", "products"),
        };
        dom::set_text("found", &words);
    }

    /// The product of a row and the quantity that was typed there.
    pub(super) fn chosen(&self, row: &str) -> Option<(Product, Result<i64, &'static str>)> {
        let at: usize = row.parse().ok()?;
        let product = self.catalogue.borrow().shown.get(at)?.clone();
        Some((product, products::quantity(&dom::value(&["many-", row].concat()))))
    }
}

fn set_browsing(browsing: bool) {
    dom::show("stop", browsing);
    dom::set("products", "aria-busy", if browsing { "true" } else { "false" });
    if browsing {
        dom::set_text("found", "Browsing…");
    }
}
