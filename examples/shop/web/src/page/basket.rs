//! The right column: the basket, its quote, the boxes, and the comparison with the server.
use std::rc::Rc;

use shop_contract::catalog::PRICES;
use shop_contract::quote::QUOTE;
use shop_core::catalog::PricesOf;
use shop_core::country::COUNTRIES;
use shop_core::{Basket, PriceList, Quote, QuoteError};
use staffa_context::{Context, Fail, Kind};

use super::{InHand, PATIENCE, Page, dom};
use crate::basket::{Contents, Edit};
use crate::boxes::{self, Look};
use crate::html::Html;
use crate::{products, quoted, text, work};

/// The basket and what it comes to.
#[derive(Default)]
pub(super) struct State {
    pub(super) contents: Contents,
    /// The prices that were fetched last; they may lack a product that was added since.
    prices: Option<PriceList>,
    /// What the basket as it is comes to; none while that is computed, or when it has no quote.
    pub(super) quote: Option<Quote>,
    look: Look,
    in_hand: InHand,
}

impl State {
    /// The next quote fetches its prices anew.
    pub(super) fn forget_prices(&mut self) {
        self.prices = None;
    }
}

/// Where the data's customers are, most of them.
const HOME: &str = "United Kingdom";

impl Page {
    pub(super) fn lay_out_countries(&self) {
        let mut html = Html::new();
        for country in COUNTRIES {
            html.put(if country.name == HOME { "<option selected>" } else { "<option>" });
            html.text(country.name).put("</option>");
        }
        dom::fill("country", &html.take());
        self.basket.borrow_mut().contents.country = HOME.to_owned();
        self.show_basket();
    }

    pub(super) fn add(self: &Rc<Self>, row: &str) {
        match self.chosen(row) {
            Some((product, Ok(quantity))) => {
                self.tell(
                    &[&text::grouped(quantity.unsigned_abs()), " × ", &product.description, " added"]
                        .concat(),
                );
                self.edit(Edit::Add(product, quantity));
                self.show_basket();
                self.changed("add to the basket");
            }
            Some((_, Err(words))) => self.show_mistake(words),
            None => {}
        }
    }

    pub(super) fn remove(self: &Rc<Self>, code: &str) {
        self.edit(Edit::Remove(code.to_owned()));
        self.show_basket();
        dom::focus("basket-title");
        self.changed("remove from the basket");
    }

    pub(super) fn set_quantity(self: &Rc<Self>, code: &str, typed: &str) {
        match products::quantity(typed) {
            Ok(quantity) => {
                self.edit(Edit::Set(code.to_owned(), quantity));
                self.changed("change a quantity");
            }
            Err(words) => {
                self.basket.borrow_mut().in_hand.end("something that is no quantity was typed");
                self.show_no_quote(words);
            }
        }
    }

    pub(super) fn set_terms(self: &Rc<Self>) {
        self.edit(Edit::Terms(dom::value("country"), dom::value("coupon")));
        self.changed("change country or coupon");
    }

    /// Empties the basket once it is ordered.
    pub(super) fn empty_basket(self: &Rc<Self>) {
        self.edit(Edit::Empty);
        self.basket.borrow_mut().quote = None;
        self.show_basket();
    }

    /// The basket as it is.
    pub(super) fn current_basket(&self) -> Basket {
        self.basket.borrow().contents.basket()
    }

    pub(super) fn show_terms(&self) {
        let contents = &self.basket.borrow().contents;
        dom::set_value("country", &contents.country);
        dom::set_value("coupon", &contents.coupon);
    }

    /// Lines and what is around them; the quote comes by itself.
    pub(super) fn show_basket(&self) {
        let state = self.basket.borrow();
        dom::fill("basket-lines", &state.contents.html());
        let is_empty = state.contents.lines.is_empty();
        dom::show("basket-empty", is_empty);
        dom::show("quote", !is_empty);
        let count = u64::try_from(state.contents.lines.len()).unwrap_or(u64::MAX);
        dom::set_text(
            "basket-count",
            &if is_empty { String::new() } else { text::count(count, "line", "lines") },
        );
    }

    /// The basket is another: what was computed for the one before no longer counts.
    pub(super) fn changed(self: &Rc<Self>, name: &'static str) {
        let ctx = {
            let mut state = self.basket.borrow_mut();
            state.quote = None;
            state.in_hand.next(&self.ctx, PATIENCE)
        };
        self.forget_attempt();
        dom::enable("place", false);
        dom::enable("compare", false);
        dom::set_text("compared", "");
        if self.basket.borrow().contents.lines.is_empty() {
            return;
        }
        self.start(async move |page| {
            let click = ctx.span(name);
            let made = page.quote_here(&click).await;
            page.ended(click, &made);
            if ctx.cause().is_none()
                || made.as_ref().is_err_and(|error| error.kind() == Kind::DeadlineExceeded)
            {
                page.show_made(made);
            }
        });
    }

    /// Computes the basket's quote in the worker, with prices of this moment.
    async fn quote_here(&self, ctx: &Context) -> Result<(Quote, u64), QuoteError> {
        let basket = self.current_basket();
        basket.check()?;
        let prices = self.prices(ctx, &basket).await?;
        let span = ctx.span("quote in the worker");
        self.worker.quote(&span, basket, prices, ctx.wall()).await
    }

    /// The price list that was fetched last, or a new one when that lacks a product.
    async fn prices(&self, ctx: &Context, basket: &Basket) -> Result<PriceList, QuoteError> {
        let codes = basket.codes();
        let has = |list: &PriceList, code: &String| list.products.iter().any(|product| product.code == *code);
        let known = self.basket.borrow().prices.clone();
        match known.filter(|list| codes.iter().all(|code| has(list, code))) {
            Some(list) => Ok(list),
            None => self.fetch_prices(ctx, codes).await,
        }
    }

    async fn fetch_prices(&self, ctx: &Context, codes: Vec<String>) -> Result<PriceList, QuoteError> {
        let list = self.client.call(ctx, PRICES, PricesOf { codes }).await?;
        self.basket.borrow_mut().prices = Some(list.clone());
        Ok(list)
    }

    fn show_made(self: &Rc<Self>, made: Result<(Quote, u64), QuoteError>) {
        match made {
            Ok((quote, micros)) => {
                self.dismiss();
                dom::set_text("made", &quoted::made(&quote, micros));
                self.show_quote(quote);
            }
            Err(error) => {
                self.show_no_quote(&error.words());
                if !matches!(error.kind(), Kind::Invalid | Kind::TooLarge) {
                    let page = Rc::clone(self);
                    self.show_error(
                        "There is no quote",
                        &error,
                        Box::new(move || page.changed("quote again")),
                    );
                }
            }
        }
    }

    fn show_no_quote(&self, words: &str) {
        self.basket.borrow_mut().quote = None;
        dom::enable("place", false);
        dom::enable("compare", false);
        dom::set_text("no-quote", words);
        dom::show("no-quote", true);
        dom::show("offer", false);
    }

    /// Shows a quote, ours or the server's, and lets it be ordered.
    pub(super) fn show_quote(&self, quote: Quote) {
        for (at, line) in quote.lines.iter().enumerate() {
            dom::set_text(&["amount-", &at.to_string()].concat(), &text::money(line.amount));
        }
        dom::fill("sums", &quoted::sums(&quote));
        dom::show("no-quote", false);
        dom::show("offer", true);
        dom::enable("place", true);
        dom::enable("compare", true);
        {
            let mut state = self.basket.borrow_mut();
            state.look = Look { turn: state.look.turn, ..Look::default() };
            state.quote = Some(quote);
        }
        self.show_boxes();
    }

    fn show_boxes(&self) {
        let state = self.basket.borrow();
        let Some(quote) = &state.quote else { return };
        let caption = boxes::caption(&quote.packing, state.look.parcel);
        dom::set_text("box-caption", &caption);
        let parcels = &quote.packing.parcels;
        dom::show("box-steps", parcels.len() > 1);
        let parcel = parcels.get(state.look.parcel);
        dom::show("box-view", parcel.is_some());
        if let Some(parcel) = parcel {
            let all = parcel.placements.len().to_string();
            dom::set("box-units", "max", &all);
            if state.look.units.is_none() {
                dom::set_value("box-units", &all);
            }
            dom::fill("box", &boxes::svg(parcel, state.look, &caption));
            dom::fill("box-legend", &boxes::legend(quote, parcel));
        }
    }

    pub(super) fn turn_box(&self) {
        {
            let look = &mut self.basket.borrow_mut().look;
            look.turn = (look.turn + 1) % 4;
        }
        self.show_boxes();
    }

    pub(super) fn show_box(&self, step: &str) {
        {
            let state = &mut *self.basket.borrow_mut();
            let count = state.quote.as_ref().map_or(0, |quote| quote.packing.parcels.len()).max(1);
            let step = if step == "back" { count - 1 } else { 1 };
            state.look = Look { parcel: (state.look.parcel + step) % count, units: None, ..state.look };
        }
        self.show_boxes();
    }

    pub(super) fn show_units(&self, typed: &str) {
        self.basket.borrow_mut().look.units = typed.parse().ok();
        self.show_boxes();
    }

    /// Asks the server for its quote, and computes the same here, at the server's time and prices.
    pub(super) fn compare(self: &Rc<Self>) {
        let ctx = self.basket.borrow_mut().in_hand.next(&self.ctx, PATIENCE);
        dom::set_text("compared", "Asking the server…");
        self.start(async move |page| {
            let click = ctx.span("compare with the server");
            let compared = page.both(&click).await;
            page.ended(click, &compared);
            match compared {
                Ok((ours, theirs)) => {
                    let comparison = work::compare(&ours, &theirs);
                    let same = matches!(comparison, work::Comparison::Same { .. });
                    dom::set("compared", "data-same", if same { "yes" } else { "no" });
                    dom::set_text("compared", &quoted::compared(&comparison));
                    page.show_quote(theirs);
                }
                Err(error) => {
                    dom::set_text("compared", "");
                    let again = Rc::clone(&page);
                    page.show_error(
                        "The quotes were not compared",
                        &error,
                        Box::new(move || again.compare()),
                    );
                }
            }
        });
    }

    async fn both(&self, ctx: &Context) -> Result<(Quote, Quote), QuoteError> {
        let basket = self.current_basket();
        let theirs = self.client.call(ctx, QUOTE, basket.clone()).await?;
        let mut prices = self.prices(ctx, &basket).await?;
        if prices.version != theirs.prices {
            prices = self.fetch_prices(ctx, basket.codes()).await?;
        }
        let span = ctx.span("quote in the worker");
        let (ours, _) = self.worker.quote(&span, basket, prices, theirs.made_at).await?;
        Ok((ours, theirs))
    }
}
