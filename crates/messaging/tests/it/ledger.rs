//! A consumer whose effect is counted, and the entity that events are about.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use staffa_context::{Context, Failure, Kind};
use staffa_messaging::Consumer;
use staffa_storage::{Entity, Event, Happened, Schema, Store, Versioned};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
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
pub(crate) struct Tally {
    pub(crate) id: String,
    pub(crate) steps: Vec<u32>,
}

impl Entity for Tally {
    type Id = String;
    const KIND: &'static str = "tally";
    fn id(&self) -> &String {
        &self.id
    }
}

#[derive(Serialize)]
pub(crate) struct Stepped {
    pub(crate) step: u32,
}

impl Happened for Stepped {
    const NAME: &'static str = "stepped";
}

pub(crate) fn schemas() -> Vec<Schema> {
    vec![Schema::of::<Order>(), Schema::of::<Tally>()]
}

/// Commits an order and `steps` events about it.
pub(crate) async fn place(ctx: &Context, store: &dyn Store, id: &str, steps: u32) -> Versioned<Order> {
    let mut unit = store.unit();
    let order = unit.insert(Order { id: id.to_owned() });
    for step in 0..steps {
        unit.emit(&order, Stepped { step });
    }
    unit.commit(ctx).await.unwrap();
    order
}

/// Adds each event's step to the tally of its order, after failing as often as it was told to.
pub(crate) struct Ledger {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) failures: Mutex<BTreeMap<String, u32>>,
    pub(crate) calls: Mutex<Vec<(String, u64)>>,
}

impl Ledger {
    pub(crate) fn new(store: &Arc<dyn Store>, failures: &[(&str, u32)]) -> Arc<Self> {
        let failures = failures.iter().map(|(id, times)| ((*id).to_owned(), *times)).collect();
        Arc::new(Self { store: Arc::clone(store), failures: Mutex::new(failures), calls: Mutex::default() })
    }

    fn fails(&self, entity: &str) -> bool {
        match self.failures.lock().unwrap().get_mut(entity) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) async fn steps(&self, ctx: &Context, id: &str) -> Vec<u32> {
        let mut unit = self.store.unit();
        unit.get::<Tally>(ctx, id.to_owned()).await.unwrap().map_or_else(Vec::new, |tally| tally.value.steps)
    }
}

#[async_trait]
impl Consumer for Ledger {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        let step = event.payload["step"].as_u64().unwrap();
        self.calls.lock().unwrap().push((event.entity.clone(), step));
        if self.fails(&event.entity) {
            return Err(Failure::new(Kind::Unavailable, "told to fail"));
        }
        let mut unit = self.store.unit();
        let step = u32::try_from(step).unwrap();
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
