//! A consumer that notes what took effect, and refuses what it is told to.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use staffa_context::{Context, Failure, Kind};
use staffa_messaging::{Bus, Consumer, Subscription};
use staffa_storage::Event;

#[derive(Default)]
pub(crate) struct Listening {
    heard: Mutex<Vec<Event>>,
    refused: Mutex<BTreeSet<i64>>,
}

impl Listening {
    /// Refuses events of these versions of the entity `a`.
    pub(crate) fn refuse(&self, versions: &[i64]) {
        *self.refused.lock().unwrap() = versions.iter().copied().collect();
    }

    /// The versions of the entity that took effect, each where it came first.
    pub(crate) fn versions(&self, entity: &str) -> Vec<i64> {
        let heard = self.heard.lock().unwrap();
        let mut seen = BTreeSet::new();
        let own = heard.iter().filter(|event| event.entity == entity);
        own.map(|event| event.version).filter(|version| seen.insert(*version)).collect()
    }

    /// Waits until these versions of the entity took effect, in this order.
    pub(crate) async fn until(&self, ctx: &Context, entity: &str, versions: &[i64]) {
        while self.versions(entity) != versions {
            let so_far = self.versions(entity);
            ctx.sleep(Duration::from_millis(10)).await.unwrap_or_else(|_| panic!("{entity}: {so_far:?}"));
        }
    }

    pub(crate) async fn subscribe(self: &Arc<Self>, ctx: &Context, bus: &dyn Bus) {
        let handler = Arc::clone(self) as Arc<dyn Consumer>;
        let subscription = Subscription { consumer: "ledger", names: &["stepped"], handler };
        bus.subscribe(ctx, subscription).await.unwrap();
    }
}

#[async_trait]
impl Consumer for Listening {
    async fn consume(&self, _ctx: &Context, event: &Event) -> Result<(), Failure> {
        if event.entity == "a" && self.refused.lock().unwrap().contains(&event.version) {
            return Err(Failure::new(Kind::Invalid, "told to\nrefuse"));
        }
        self.heard.lock().unwrap().push(event.clone());
        Ok(())
    }
}

pub(crate) fn event(ctx: &Context, entity: &str, version: i64) -> Event {
    Event {
        id: ctx.uuid(),
        name: "stepped".into(),
        kind: "order".into(),
        entity: entity.into(),
        version,
        n: 0,
        at: ctx.wall(),
        trace: None,
        payload: version.into(),
    }
}

/// Publishes until it is certain, as a relay does.
pub(crate) async fn send(ctx: &Context, bus: &dyn Bus, event: &Event) {
    while let Err(failure) = bus.publish(&ctx.with_timeout(Duration::from_secs(5)), event).await {
        ctx.sleep(Duration::from_millis(20)).await.unwrap_or_else(|_| panic!("not published: {failure}"));
    }
}
