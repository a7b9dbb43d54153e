//! The worker that computes quotes. A newer quote, or a context that ends, terminates it in the middle of its work.
use std::cell::Cell;

use js_sys::Promise;
use shop_core::{Basket, PriceList, Quote, QuoteError};
use staffa_context::{Context, Failure, Kind, Timestamp};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

use crate::work::{self, Ask};

#[wasm_bindgen]
extern "C" {
    /// The worker's answer; it never comes when the worker is stopped. A worker that is not there is started, as an
    /// instance of `module`.
    #[wasm_bindgen(js_namespace = worker)]
    fn ask(json: &str, module: &JsValue) -> Promise;

    /// Terminates the worker.
    #[wasm_bindgen(js_namespace = worker)]
    fn stop();
}

/// The worker, started when it is first needed.
#[derive(Default)]
pub(super) struct QuoteWorker {
    /// Counts the questions.
    asked: Cell<u64>,
    is_busy: Cell<bool>,
}

impl QuoteWorker {
    /// What this basket comes to at these prices, and how long that took in microseconds.
    ///
    /// A later call terminates the worker; the context of this one has to end too, as that of work in hand does.
    pub(super) async fn quote(
        &self,
        ctx: &Context,
        basket: Basket,
        prices: PriceList,
        now: Timestamp,
    ) -> Result<(Quote, u64), QuoteError> {
        let budget = ctx.remaining().map_or(0, |remaining| remaining.as_millis());
        let budget_millis = u64::try_from(budget).unwrap_or(u64::MAX);
        let asking = self.asking(&Ask { basket, prices, now, budget_millis });
        let answer = ctx.run(JsFuture::from(asking.answer.clone())).await.map_err(Failure::from)?;
        self.is_busy.set(false);
        let stopped = |_| Failure::new(Kind::Internal, "the worker that computes quotes has stopped");
        work::quoted(&answer.map_err(stopped)?.as_string().unwrap_or_default())
    }

    fn asking(&self, question: &Ask) -> Asking<'_> {
        self.stop_if_busy();
        self.asked.set(self.asked.get() + 1);
        self.is_busy.set(true);
        // Its instance is one of this very module, so that nothing is loaded twice.
        let answer = ask(&question.json(), &wasm_bindgen::module());
        Asking { worker: self, asked: self.asked.get(), answer }
    }

    fn stop_if_busy(&self) {
        if self.is_busy.replace(false) {
            stop();
        }
    }
}

/// A question in hand. Dropping it ends the computation, unless that is for a later question.
struct Asking<'a> {
    worker: &'a QuoteWorker,
    asked: u64,
    answer: Promise,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.worker.asked.get() == self.asked {
            self.worker.stop_if_busy();
        }
    }
}
