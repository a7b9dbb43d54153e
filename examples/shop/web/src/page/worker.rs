//! The worker that computes quotes. A newer quote, or a context that ends, terminates it in the middle of its work.
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use shop_core::{Basket, PriceList, Quote, QuoteError};
use staffa_context::{Context, Failure, Kind, Timestamp};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::work::{self, Ask};

/// The worker, started when it is first needed.
#[derive(Default)]
pub(super) struct QuoteWorker {
    running: RefCell<Option<Running>>,
    /// Counts the questions.
    asked: Cell<u64>,
}

type Answer = Result<String, Failure>;

/// Whoever waits for the answer to the last question.
type Waiting = Rc<RefCell<Option<oneshot::Sender<Answer>>>>;

/// A worker with its instance of this module.
struct Running {
    worker: Worker,
    waiting: Waiting,
    /// Whether its instance has stopped for good.
    broken: Rc<Cell<bool>>,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(ErrorEvent)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

impl QuoteWorker {
    /// What this basket comes to at these prices, and how long that took in microseconds.
    ///
    /// A later call ends this one as cancelled.
    pub(super) async fn quote(
        &self,
        ctx: &Context,
        basket: Basket,
        prices: PriceList,
        now: Timestamp,
    ) -> Result<(Quote, u64), QuoteError> {
        let budget = ctx.remaining().map_or(0, |remaining| remaining.as_millis());
        let budget_millis = u64::try_from(budget).unwrap_or(u64::MAX);
        let answer = self.ask(&Ask { basket, prices, now, budget_millis })?;
        let _stop = StopIfBusy { worker: self, asked: self.asked.get() };
        let superseded = |_| Failure::new(Kind::Cancelled, "a newer quote was asked for");
        let answer = ctx.run(answer).await.map_err(Failure::from)?;
        work::quoted(&answer.map_err(superseded)??)
    }

    fn ask(&self, ask: &Ask) -> Result<oneshot::Receiver<Answer>, Failure> {
        self.stop_if_busy();
        self.asked.set(self.asked.get() + 1);
        let mut running = self.running.borrow_mut();
        let running = match &mut *running {
            Some(running) => running,
            none => none.insert(
                Running::start()
                    .map_err(|_| Failure::new(Kind::Unsupported, "this browser does not start workers"))?,
            ),
        };
        let (tx, rx) = oneshot::channel();
        *running.waiting.borrow_mut() = Some(tx);
        let _ = running.worker.post_message(&JsValue::from_str(&ask.json()));
        Ok(rx)
    }

    fn stop_if_busy(&self) {
        let is_useless = |running: &Running| running.waiting.borrow().is_some() || running.broken.get();
        let mut running = self.running.borrow_mut();
        if running.as_ref().is_some_and(is_useless) {
            *running = None;
        }
    }
}

/// Ends a computation that nobody waits for any more, unless another question is in hand.
struct StopIfBusy<'a> {
    worker: &'a QuoteWorker,
    asked: u64,
}

impl Drop for StopIfBusy<'_> {
    fn drop(&mut self) {
        if self.worker.asked.get() == self.asked {
            self.worker.stop_if_busy();
        }
    }
}

impl Running {
    fn start() -> Result<Self, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options("worker.js", &options)?;
        let (waiting, broken) = (Waiting::default(), Rc::new(Cell::new(false)));
        let on_message = on_message(&waiting);
        let on_error = on_error(&waiting, &broken);
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        // Its first message is this very module, so that nothing is loaded twice.
        worker.post_message(&wasm_bindgen::module())?;
        Ok(Self { worker, waiting, broken, _on_message: on_message, _on_error: on_error })
    }
}

fn on_message(waiting: &Waiting) -> Closure<dyn Fn(MessageEvent)> {
    let waiting = Rc::clone(waiting);
    Closure::new(move |message: MessageEvent| {
        answer(&waiting, Ok(message.data().as_string().unwrap_or_default()));
    })
}

fn on_error(waiting: &Waiting, broken: &Rc<Cell<bool>>) -> Closure<dyn Fn(ErrorEvent)> {
    let (waiting, broken) = (Rc::clone(waiting), Rc::clone(broken));
    Closure::new(move |error: ErrorEvent| {
        broken.set(true);
        let words = "the worker that computes quotes has stopped";
        answer(&waiting, Err(Failure::new(Kind::Internal, words).with_log(error.message())));
    })
}

fn answer(waiting: &Waiting, answer: Answer) {
    let waiting = waiting.borrow_mut().take();
    if let Some(waiting) = waiting {
        let _ = waiting.send(answer);
    }
}
