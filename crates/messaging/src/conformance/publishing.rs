//! Publishing as a relay does: again until it is certain, the events of an entity one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use staffa_context::Context;
use staffa_storage::Event;
use staffa_storage::conformance::{Broken, Outcome};

use crate::Bus;

/// Events about an entity, in the versions 1 to `count`.
pub(super) fn events(ctx: &Context, name: &str, entity: &str, count: i64) -> Vec<Event> {
    (1..=count).map(|version| event(ctx, name, entity, version)).collect()
}

pub(super) fn event(ctx: &Context, name: &str, entity: &str, version: i64) -> Event {
    Event {
        id: ctx.uuid(),
        name: name.to_owned(),
        kind: "order".to_owned(),
        entity: entity.to_owned(),
        version,
        n: 0,
        at: ctx.wall(),
        trace: None,
        payload: json!({ "step": version }),
    }
}

/// Publishes until it is certain.
pub(super) async fn send(ctx: &Context, bus: &dyn Bus, event: &Event) -> Outcome {
    loop {
        // Derived anew each time, as a relay does.
        match bus.publish(&ctx.with_timeout(Duration::from_secs(10)), event).await {
            Ok(()) => return Ok(()),
            Err(failure) => {
                if let Err(cause) = ctx.sleep(Duration::from_millis(5)).await {
                    return Err(Broken(format!("not published until {cause}: {failure}")));
                }
            }
        }
    }
}

/// Publishes all, the entities side by side.
pub(super) async fn send_all(ctx: &Context, bus: &dyn Bus, events: &[Event]) -> Outcome {
    let mut entities: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        entities.entry(&event.entity).or_default().push(event);
    }
    let sending = entities.into_values().map(|events| async move {
        for event in events {
            send(ctx, bus, event).await?;
        }
        Ok(())
    });
    join_all(sending).await.into_iter().collect()
}
