//! The running page: its state, and what each click does.
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cancel, Cause, Context, Fail, Instruments, Span};
use staffa_transport::Client;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, Event};

use crate::recorder::Recorder;
use crate::work;

mod banner;
mod basket;
mod behind;
mod catalogue;
mod dom;
mod order;
mod panic;
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
    order: RefCell<order::State>,
    behind: RefCell<behind::Look>,
}

/// Starts the page.
#[wasm_bindgen]
pub fn start() {
    panic::install();
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
        order: RefCell::default(),
        behind: RefCell::default(),
    });
    page.lay_out();
    page.listen();
    page.browse();
    page.list_orders();
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

    /// One listener for each kind of event: what is shown comes and goes.
    fn listen(self: &Rc<Self>) {
        for kind in ["click", "change", "input", "submit"] {
            let page = Rc::clone(self);
            dom::listen(kind, move |event| page.on(kind, &event));
        }
    }

    /// Does what the element asks for that the event happened in.
    fn on(self: &Rc<Self>, kind: &str, event: &Event) {
        let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
        let Some(element) = target.and_then(|target| target.closest("[data-do]").ok().flatten()) else {
            return;
        };
        let action = dom::data(&element, "do");
        match (kind, action.as_str()) {
            ("submit", "browse") => {
                event.prevent_default();
                self.browse();
            }
            ("click", action) => self.click(action, &element),
            ("change", "by") => self.search_by(&dom::checked_value("by")),
            ("change" | "input", "quantity") => self.set_quantity(&element),
            ("change", "terms") => self.set_terms(),
            ("input", "units") => self.show_units(&element),
            _ => {}
        }
    }

    fn click(self: &Rc<Self>, action: &str, element: &Element) {
        match action {
            "more" => self.more(),
            "stop" => self.stop_browsing(),
            "add" => self.add(element),
            "remove" => self.remove(&dom::data(element, "code")),
            "compare" => self.compare(),
            "turn" => self.turn_box(),
            "box" => self.show_box(&dom::data(element, "step")),
            "place" => self.place(),
            "accept" => self.accept(),
            "pack" | "ship" | "call-off" => self.step(action),
            "watch" => self.watch_id(&dom::data(element, "id")),
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
