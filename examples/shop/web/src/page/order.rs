//! Orders: place one, watch it, take its next step.
use std::rc::Rc;

use shop_contract::orders::{CANCEL, LIST, PACK, PLACE, SHIP, WATCH};
use shop_core::orders::{ListOrders, OrderError, OrderOf};
use shop_core::{Order, Place, PlaceError, Quote, Quoted};
use staffa_context::{Context, Fail, Kind};
use staffa_storage::Versioned;
use staffa_transport::CallKey;
use uuid::Uuid;

use super::{InHand, PATIENCE, Page, dom};
use crate::{orders, text};

/// How many recent orders are listed.
const RECENT: u32 = 8;

/// What is being ordered, and the order that is watched.
#[derive(Default)]
pub(super) struct State {
    /// An order on its way. Its key stays the same until its outcome is known, so it is placed once.
    attempt: Option<Attempt>,
    /// The server's quote that came instead of an order.
    newer: Option<Quote>,
    watched: Option<Uuid>,
    /// The order and its version that are shown.
    shown: Option<(Uuid, i64)>,
    watching: InHand,
}

impl State {
    /// Whether a later version of this order is shown already, since answers and events may cross; else it is noted.
    fn is_older(&mut self, order: &Versioned<Order>) -> bool {
        let is_older = self.shown.is_some_and(|(id, version)| id == order.id && version > order.version);
        if !is_older {
            self.shown = Some((order.id, order.version));
        }
        is_older
    }
}

#[derive(Clone)]
struct Attempt {
    key: String,
    place: Place,
}

impl Page {
    /// Orders the basket at the quote that is shown.
    pub(super) fn place(self: &Rc<Self>) {
        let quoted = self.basket.borrow().quote.as_ref().map(Quote::quoted);
        if let Some(quoted) = quoted {
            self.place_at(quoted);
        }
    }

    /// Orders at the server's newer quote.
    pub(super) fn accept(self: &Rc<Self>) {
        let newer = self.order.borrow_mut().newer.take();
        dom::show("stale", false);
        if let Some(quote) = newer {
            self.place_at(quote.quoted());
        }
    }

    fn place_at(self: &Rc<Self>, quoted: Quoted) {
        let place =
            Place { basket: self.current_basket(), quoted: Some(quoted), reference: None, token: None };
        let attempt = {
            let mut state = self.order.borrow_mut();
            let same = state.attempt.take().filter(|attempt| attempt.place == place);
            let attempt = same.unwrap_or_else(|| Attempt { key: self.ctx.uuid().to_string(), place });
            state.attempt.insert(attempt).clone()
        };
        self.try_to_place(attempt);
    }

    fn try_to_place(self: &Rc<Self>, attempt: Attempt) {
        dom::enable("place", false);
        let ctx = self.ctx.with_timeout(PATIENCE).with_value(CallKey(attempt.key.clone()));
        self.start(async move |page| {
            let click = ctx.span("place the order");
            let placed = page.client.call(&click, PLACE, attempt.place.clone()).await;
            page.ended(click, &placed);
            page.show_placed(attempt, placed);
        });
    }

    fn show_placed(self: &Rc<Self>, attempt: Attempt, placed: Result<Versioned<Order>, PlaceError>) {
        match placed {
            Ok(order) => {
                self.dismiss();
                self.forget_attempt();
                self.empty_basket();
                self.tell("The order is placed.");
                self.show_order(&order);
                self.watch(order.id);
                self.list_orders();
            }
            Err(PlaceError::Stale { quote }) => {
                self.order.borrow_mut().attempt = None;
                self.offer_newer(*quote);
            }
            Err(error) => {
                // Whether it was placed is not known: the same key is sent again.
                let page = Rc::clone(self);
                dom::enable("place", true);
                self.show_error(
                    "The order was not placed",
                    &error,
                    Box::new(move || page.try_to_place(attempt.clone())),
                );
            }
        }
    }

    /// The server comes to another quote: it is shown, and can be accepted.
    fn offer_newer(&self, quote: Quote) {
        let words = [
            "The price has changed, or your quote was older than 15 minutes. The server’s new total is ",
            &text::money(quote.totals.total),
            ".",
        ];
        dom::set_text("stale-words", &words.concat());
        dom::show("stale", true);
        dom::set_text("made", "Computed by the server.");
        self.show_quote(quote.clone());
        self.basket.borrow_mut().forget_prices();
        self.order.borrow_mut().newer = Some(quote);
    }

    /// The basket is another: an order of the one before is no longer tried.
    pub(super) fn forget_attempt(&self) {
        let mut state = self.order.borrow_mut();
        (state.attempt, state.newer) = (None, None);
        dom::show("stale", false);
    }

    /// Packs, ships or calls off the order that is watched.
    pub(super) fn step(self: &Rc<Self>, action: &str) {
        let Some(id) = self.order.borrow().watched else { return };
        let (endpoint, name) = match action {
            "pack" => (PACK, "pack the order"),
            "ship" => (SHIP, "ship the order"),
            _ => (CANCEL, "cancel the order"),
        };
        let (ctx, action) = (self.ctx.with_timeout(PATIENCE), action.to_owned());
        self.start(async move |page| {
            let click = ctx.span(name);
            let done = page.client.call(&click, endpoint, OrderOf { id }).await;
            page.ended(click, &done);
            match done {
                Ok(order) => {
                    page.dismiss();
                    page.show_order(&order);
                }
                Err(error) => {
                    let again = Rc::clone(&page);
                    page.show_error(
                        "The order stays as it is",
                        &error,
                        Box::new(move || again.step(&action)),
                    );
                }
            }
            page.list_orders();
        });
    }

    pub(super) fn watch_id(self: &Rc<Self>, id: &str) {
        if let Ok(id) = Uuid::parse_str(id) {
            self.watch(id);
            dom::focus("order-title");
        }
    }

    /// Shows an order as it is, and every change of it.
    fn watch(self: &Rc<Self>, id: Uuid) {
        let (ctx, cancel) = self.quiet.with_cancel();
        {
            let mut state = self.order.borrow_mut();
            state.watching.end("another order is watched");
            state.watching.0 = Some(cancel);
            state.watched = Some(id);
        }
        self.start(async move |page| {
            if let Err(error) = page.follow(&ctx, id).await {
                let again = Rc::clone(&page);
                page.show_error("The order is no longer watched", &error, Box::new(move || again.watch(id)));
            }
        });
    }

    async fn follow(self: &Rc<Self>, ctx: &Context, id: Uuid) -> Result<(), OrderError> {
        dom::set("order", "data-live", "yes");
        let mut changes = self.client.events(ctx, WATCH, OrderOf { id }).await?;
        while let Some(change) = changes.next().await {
            let (_, order) = change?;
            self.show_order(&order);
            self.list_orders();
        }
        Ok(())
    }

    fn show_order(&self, order: &Versioned<Order>) {
        if self.order.borrow_mut().is_older(order) {
            return;
        }
        dom::show("order", true);
        dom::fill("order-now", &orders::html(order));
        self.tell(&["The order is ", order.state.name(), ": ", orders::meaning(order.state), "."].concat());
    }

    /// The list of recent orders; without it the page is of use all the same, so a failure is only told there.
    pub(super) fn list_orders(self: &Rc<Self>) {
        let asked = ListOrders { newest_first: Some(true), limit: Some(RECENT), ..ListOrders::default() };
        self.start(async move |page| match page.client.call(&page.quiet, LIST, asked).await {
            Ok(found) => {
                dom::fill("recent", &orders::list(&found.items));
                dom::set_text("recent-words", if found.items.is_empty() { "No orders yet." } else { "" });
            }
            Err(error) if error.kind == Kind::Cancelled => {}
            Err(error) => dom::set_text("recent-words", &error.words()),
        });
    }
}
