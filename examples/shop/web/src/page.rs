//! The running page: its state, and what each click does.
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cancel, Cause, Context, Fail, Instruments, Span};
use staffa_transport::Client;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;

use crate::recorder::Recorder;
use crate::work;

mod banner;
mod basket;
mod behind;
mod catalogue;
mod dom;
mod keep;
mod memory;
mod order;
mod worker;

/// How long anything may take that a visitor asked for, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// The page: one for as long as the tab is open.
struct Page {
    /// Of what the visitor does: each click is a trace of its own.
    ctx: Context,
    /// Of what the page does by itself: it is not recorded.
    quiet: Context,
    client: Client,
    recorder: Recorder,
    worker: worker::QuoteWorker,
    banner: RefCell<banner::Banner>,
    catalogue: RefCell<catalogue::Catalogue>,
    basket: RefCell<basket::State>,
    keep: RefCell<keep::State>,
    order: RefCell<order::State>,
    behind: RefCell<behind::Look>,
}

/// Starts the page.
#[wasm_bindgen]
pub fn start() {
    let recorder = Recorder::default();
    let instruments = Instruments { service: "page", ..Instruments::default() };
    let recorded = Instruments { tracer: Some(Arc::new(recorder.clone())), ..instruments.clone() };
    let page = Rc::new(Page {
        ctx: Context::root(recorded),
        quiet: Context::root(instruments),
        client: Client::browser(""),
        recorder,
        worker: worker::QuoteWorker::default(),
        banner: RefCell::default(),
        catalogue: RefCell::default(),
        basket: RefCell::default(),
        keep: RefCell::default(),
        order: RefCell::default(),
        behind: RefCell::default(),
    });
    page.lay_out();
    page.start(async |page| page.open_basket().await);
    page.browse();
    page.list_orders();
    PAGE.set(Some(page));
}

/// Something happened to an element that says what to do: see `boot.js`.
#[wasm_bindgen]
pub fn on(kind: &str, action: &str, with: &str, value: &str) {
    let page = PAGE.with_borrow(Clone::clone);
    if let Some(page) = page {
        page.on(kind, action, with, value);
    }
}

thread_local! {
    /// The page once it is started.
    static PAGE: RefCell<Option<Rc<Page>>> = const { RefCell::new(None) };
}

/// The worker's side: computes what the page asks for.
#[wasm_bindgen]
pub fn compute(ask: &str) -> String {
    work::answer(&Context::background(), ask)
}

impl Page {
    /// What does not change, but is told by the core.
    fn lay_out(&self) {
        dom::set_text("derived", shop_core::size::DERIVED);
        dom::fill("rules", &crate::rules::html());
        self.lay_out_countries();
        dom::open("behind", dom::is_wide());
    }

    /// Does what an element asks for: `with` is what it is about, `value` what was typed into it.
    fn on(self: &Rc<Self>, kind: &str, action: &str, with: &str, value: &str) {
        match (kind, action) {
            ("submit", "browse") => self.browse(),
            ("click", action) => self.click(action, with),
            ("change", "by") => self.search_by(value),
            ("change" | "input", "quantity") => self.set_quantity(with, value),
            ("change", "terms") => self.set_terms(),
            ("input", "units") => self.show_units(value),
            ("show", _) => self.look_up(),
            _ => {}
        }
    }

    fn click(self: &Rc<Self>, action: &str, with: &str) {
        match action {
            "more" => self.more(),
            "stop" => self.stop_browsing(),
            "add" => self.add(with),
            "remove" => self.remove(with),
            "compare" => self.compare(),
            "turn" => self.turn_box(),
            "box" => self.show_box(with),
            "place" => self.place(),
            "accept" => self.accept(),
            "pack" | "ship" | "call-off" => self.step(action),
            "watch" => self.watch_id(with),
            "orders" => self.list_orders(),
            "retry" => self.retry(),
            "dismiss" => self.dismiss(),
            _ => {}
        }
    }

    /// Ends an operation that a click asked for, and draws what was behind it.
    fn ended<T, E: Fail>(self: &Rc<Self>, mut click: Span, result: &Result<T, E>) {
        if let Err(error) = result {
            click.fail(error.words());
        }
        let trace = click.trace();
        drop(click);
        if let Some(trace) = trace {
            self.look_behind(trace.trace_id);
        }
    }

    /// Starts work that a click asked for.
    #[expect(
        clippy::disallowed_methods,
        reason = "the page is the root: its tasks hold the document, which no group's task can"
    )]
    fn start<F: Future<Output = ()> + 'static>(self: &Rc<Self>, work: impl FnOnce(Rc<Self>) -> F) {
        spawn_local(work(Rc::clone(self)));
    }
}

/// The work in hand of one kind: a newer one ends it.
#[derive(Default)]
struct InHand(Option<Cancel>);

impl InHand {
    /// A context for the next work; what was in hand ends.
    fn next(&mut self, ctx: &Context, patience: Duration) -> Context {
        let (ctx, cancel) = ctx.with_timeout(patience).with_cancel();
        self.end("something newer was asked for");
        self.0 = Some(cancel);
        ctx
    }

    fn end(&mut self, words: &'static str) {
        if let Some(cancel) = self.0.take() {
            cancel.cancel(Cause::cancelled(words));
        }
    }
}
