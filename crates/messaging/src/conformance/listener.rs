//! A consumer that notes what it heard, and fails or hangs as it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use staffa_context::{Context, Failure, Kind, TraceContext};
use staffa_storage::Event;

use crate::{Consumer, Subscription};

/// What a consumer heard, in the order in which it took effect.
#[derive(Debug, Default)]
pub(super) struct Listener(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    heard: Vec<Heard>,
    /// How often events of these entities are to fail yet.
    failing: BTreeMap<String, u32>,
    hanging: BTreeSet<String>,
    /// The entities whose events are being handled.
    handling: BTreeSet<String>,
    overlapped: bool,
    tries: usize,
}

/// An event that took effect.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) event: Event,
    pub(super) trace: Option<TraceContext>,
}

impl Listener {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn failing(self: Arc<Self>, entity: &str, times: u32) -> Arc<Self> {
        self.lock().failing.insert(entity.to_owned(), times);
        self
    }

    pub(super) fn hang(&self, entity: &str) {
        self.lock().hanging.insert(entity.to_owned());
    }

    pub(super) fn go_on(&self, entity: &str) {
        self.lock().hanging.remove(entity);
    }

    pub(super) fn subscription(
        self: &Arc<Self>,
        consumer: &'static str,
        names: &'static [&'static str],
    ) -> Subscription {
        let handler = Arc::<Self>::clone(self);
        Subscription { consumer, names, handler }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.lock().heard.clone()
    }

    /// How often it was called.
    pub(super) fn tries(&self) -> usize {
        self.lock().tries
    }

    /// Whether two events of one entity were ever in hand at once.
    pub(super) fn overlapped(&self) -> bool {
        self.lock().overlapped
    }

    /// The versions of the entity's events, each where it came first.
    pub(super) fn versions(&self, entity: &str) -> Vec<i64> {
        let mut seen = BTreeSet::new();
        let heard = self.heard();
        let own = heard.iter().map(|heard| &heard.event).filter(|event| event.entity == entity);
        own.filter(|event| seen.insert(event.id)).map(|event| event.version).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, entity: &str) {
        let mut notes = self.lock();
        notes.tries += 1;
        notes.overlapped |= !notes.handling.insert(entity.to_owned());
    }

    fn fails(&self, entity: &str) -> bool {
        match self.lock().failing.get_mut(entity) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// An event in hand, until it is dropped.
struct Handling<'a>(&'a Listener, &'a str);

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.0.lock().handling.remove(self.1);
    }
}

#[async_trait]
impl Consumer for Listener {
    async fn consume(&self, ctx: &Context, event: &Event) -> Result<(), Failure> {
        self.begin(&event.entity);
        let _handling = Handling(self, &event.entity);
        // Others get a chance to come in between.
        ctx.sleep(std::time::Duration::from_millis(1)).await?;
        while self.lock().hanging.contains(&event.entity) {
            ctx.sleep(std::time::Duration::from_millis(5)).await?;
        }
        if self.fails(&event.entity) {
            return Err(Failure::new(Kind::Internal, "told to fail"));
        }
        self.lock().heard.push(Heard { event: event.clone(), trace: ctx.trace() });
        Ok(())
    }
}
