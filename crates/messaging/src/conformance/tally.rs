//! A small domain: orders, of which events are told, and what a consumer makes of these in the same store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use staffa_context::{Context, Failure, Kind};
use staffa_storage::conformance::Outcome;
use staffa_storage::{
    Entity, Error, Event, Happened, Index, Indexes, Repository, Result, Schema, Store, retry,
};

use super::broken;
use crate::Consumer;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) steps: u32,
}

impl Entity for Order {
    type Id = String;
    const KIND: &'static str = "order";
    fn id(&self) -> &String {
        &self.id
    }
}

/// What the consumer has made of the events of one order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) id: String,
    pub(super) steps: Vec<u32>,
}

impl Entity for Tally {
    type Id = String;
    const KIND: &'static str = "tally";
    fn id(&self) -> &String {
        &self.id
    }
}

/// A reservation for one step of an order: the domain itself knows that there is one at most.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reservation {
    pub(super) id: String,
    pub(super) order: String,
    pub(super) step: u32,
}

const ORDER_STEP: Index<Reservation, (String, u32)> =
    Index::unique("order_step", |reservation| (reservation.order.clone(), reservation.step));

impl Entity for Reservation {
    type Id = String;
    const KIND: &'static str = "reservation";
    const INDEXES: Indexes<Self> = &[&ORDER_STEP];
    fn id(&self) -> &String {
        &self.id
    }
}

#[derive(Serialize)]
struct Stepped {
    step: u32,
}

impl Happened for Stepped {
    const NAME: &'static str = "stepped";
}

pub(super) fn schemas() -> Vec<Schema> {
    let own = [Schema::of::<Order>(), Schema::of::<Tally>(), Schema::of::<Reservation>()];
    own.into_iter().chain(crate::schemas()).collect()
}

/// Takes the order a step further, or begins it, and tells of it; `events` times in one unit, each its own step.
pub(super) async fn step(ctx: &Context, store: &dyn Store, id: &str, events: u32) -> Outcome {
    loop {
        match retry(ctx, || try_step(ctx, store, id, events)).await {
            // Many write at once, and some store may be slow.
            Err(Error::Conflict { .. }) => {}
            stepped => return Ok(stepped?),
        }
    }
}

async fn try_step(ctx: &Context, store: &dyn Store, id: &str, events: u32) -> Result<()> {
    let mut unit = store.unit();
    let (order, before) = match unit.get::<Order>(ctx, id.to_owned()).await? {
        Some(order) => {
            let before = order.steps;
            (unit.update(order.map(|order| Order { steps: before + events, ..order })), before)
        }
        None => (unit.insert(Order { id: id.to_owned(), steps: events }), 0),
    };
    (0..events).for_each(|n| unit.emit(&order, Stepped { step: before + n }));
    unit.commit(ctx).await
}

pub(super) async fn steps(ctx: &Context, store: &Arc<dyn Store>, id: &str) -> Outcome<Vec<u32>> {
    let tally = Repository::<Tally>::new(store).find(ctx, id.to_owned()).await?;
    Ok(tally.map_or_else(Vec::new, |tally| tally.value.steps))
}

pub(super) fn step_of(event: &Event) -> u32 {
    event.payload["step"].as_u64().and_then(|step| u32::try_from(step).ok()).unwrap_or(u32::MAX)
}

/// Adds each event's step to the tally of its order, after failing as often as it was told to.
pub(super) struct Ledger {
    store: Arc<dyn Store>,
    failures: Mutex<BTreeMap<String, (Kind, u32)>>,
    calls: Mutex<Vec<(String, u32)>>,
}

impl Ledger {
    pub(super) fn new(store: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store: Arc::clone(store), failures: Mutex::default(), calls: Mutex::default() })
    }

    /// Lets the events of this order fail so often from now on.
    pub(super) fn fail(&self, order: &str, kind: Kind, times: u32) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.insert(order.to_owned(), (kind, times));
    }

    /// The steps of this order that it was called with.
    pub(super) fn calls(&self, order: &str) -> Vec<u32> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|(of, _)| of == order).map(|(_, step)| *step).collect()
    }

    fn fails(&self, order: &str) -> Option<Kind> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, left) = failures.get_mut(order).filter(|(_, left)| *left > 0)?;
        *left -= 1;
        Some(*kind)
    }
}

#[async_trait]
impl Consumer for Ledger {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let step = step_of(event);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push((event.entity.clone(), step));
        if let Some(kind) = self.fails(&event.entity) {
            return Err(Failure::new(kind, "told to fail"));
        }
        let mut unit = self.store.unit();
        match unit.get::<Tally>(ctx, event.entity.clone()).await? {
            Some(mut tally) => {
                tally.value.steps.push(step);
                unit.update(tally);
            }
            None => {
                unit.insert(Tally { id: event.entity.clone(), steps: vec![step] });
            }
        }
        unit.answer(ctx, &());
        Ok(unit.commit(ctx).await?)
    }
}

/// Reserves once for each step of an order, by the domain's own unique key.
pub(super) struct Reserves(pub(super) Arc<dyn Store>);

#[async_trait]
impl Consumer for Reserves {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let mut unit = self.0.unit();
        let id = ctx.uuid().to_string();
        unit.insert(Reservation { id, order: event.entity.clone(), step: step_of(event) });
        unit.answer(ctx, &());
        match unit.commit(ctx).await {
            Err(Error::Duplicate { index, .. }) if index == "order_step" => Ok(()),
            committed => Ok(committed?),
        }
    }
}

/// How many steps of this order are reserved.
pub(super) async fn reserved(ctx: &Context, store: &Arc<dyn Store>, order: &str) -> Outcome<usize> {
    let all = Repository::<Reservation>::new(store).all(ctx, staffa_storage::Page::first()).await?;
    Ok(all.items.iter().filter(|reservation| reservation.order == order).count())
}

/// The consumer's answer as a case's.
pub(super) async fn consumed(consumer: &dyn Consumer, ctx: &Context, event: &Event) -> Outcome {
    consumer.consume(ctx, event).await.map_err(|failure| broken(&failure))
}
