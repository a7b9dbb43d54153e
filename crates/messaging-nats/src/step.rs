//! What a consumer does with its events, one step at a time, and how that ended.

use std::sync::Arc;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use staffa_context::{Context, Failure, SpanKind, TraceContext};
use staffa_storage::Event;

use crate::aside::Held;
use crate::consumer::{GROUP, Seat};
use crate::line::Delivery;
use crate::streams::away;

/// What has ended.
pub(crate) enum Step {
    Handled {
        entity: String,
        handled: Result<(), Failure>,
        acknowledged: Result<(), Failure>,
    },
    PutAside {
        entity: String,
        put: Result<(), Failure>,
    },
    TakenUp {
        entity: String,
        taken: Result<Taken, Failure>,
    },
    /// The wish for an entity came to nothing, and is forgotten.
    Granted {
        entity: String,
        granted: Result<(), Failure>,
    },
    Looked {
        changes: u64,
        looked: Result<Looked, Failure>,
    },
}

/// What became of the first event that was put aside.
pub(crate) enum Taken {
    Done,
    Failed(Failure),
    /// There was none.
    Nothing,
}

/// How things stand at the server.
pub(crate) struct Looked {
    /// Which process has the consumer, as the server calls it.
    pub(crate) pinned: Option<String>,
    /// How many events are in anybody's hand.
    pub(crate) pending: usize,
    pub(crate) held: Held,
}

/// Handles the first event of its entity, and acknowledges it.
pub(crate) async fn handle_first(ctx: &Context, seat: &Seat, entity: String, first: Delivery) -> Step {
    let handled = match first.is_done {
        true => Ok(()),
        false => handle(ctx, seat, &first.event, first.trace).await,
    };
    let acknowledged = match &handled {
        Ok(()) => first.message.double_ack().await.map_err(|error| away(&*error)),
        Err(_) => Ok(()),
    };
    Step::Handled { entity, handled, acknowledged }
}

/// Lets the consumer take the event's effect.
async fn handle(
    ctx: &Context,
    seat: &Seat,
    event: &Event,
    trace: Option<TraceContext>,
) -> Result<(), Failure> {
    let _turn = ctx.with_timeout(seat.options.turn).run(seat.turn.lock()).await;
    ctx.check()?;
    let ctx = ctx.with_trace(trace).with_timeout(seat.options.timeout);
    let mut span = ctx.span_of(SpanKind::Consumer, format!("consume {}", event.name));
    span.set("messaging.consumer.group.name", seat.subscription.consumer);
    let handled = span.run(seat.subscription.handler.consume(&span, event)).await;
    let handled = handled.unwrap_or_else(|cause| Err(cause.into()));
    if let Err(failure) = &handled {
        span.fail(failure);
    }
    handled
}

/// Puts the first event aside, and acknowledges it.
pub(crate) async fn put_aside(
    ctx: &Context,
    seat: &Seat,
    first: &Delivery,
    why: Option<(Failure, u32)>,
) -> Result<(), Failure> {
    let why = why.as_ref().map(|(failure, attempts)| (failure, *attempts));
    let put = seat.aside.put(seat.subscription.consumer, &first.event, first.sequence, why);
    ctx.run(put).await??;
    first.message.double_ack().await.map_err(|error| away(&*error))
}

/// Takes up the first event of the entity that was put aside, or drops it if that is the wish.
pub(crate) async fn take_up(ctx: &Context, seat: &Seat, entity: &str) -> Result<Taken, Failure> {
    let (aside, consumer) = (&seat.aside, seat.subscription.consumer);
    let Some(first) = aside.first(consumer, entity).await? else {
        aside.fulfil(consumer, entity).await?;
        return Ok(Taken::Nothing);
    };
    let event: Option<Event> = serde_json::from_slice(&first.payload).ok();
    let skipped = aside.skipped(consumer, entity).await?;
    if let Some(event) = event.filter(|event| skipped != Some(event.id))
        && let Err(failure) = handle(ctx, seat, &event, None).await
    {
        return Ok(Taken::Failed(failure));
    }
    aside.delete(first.sequence).await?;
    Ok(Taken::Done)
}

/// Shows that these are worked on, and asks how things stand.
pub(crate) async fn look(
    seat: &Seat,
    consumer: &PullConsumer,
    in_hand: &[Arc<Message>],
) -> Result<Looked, Failure> {
    for message in in_hand {
        message.ack_with(AckKind::Progress).await.map_err(|error| away(&*error))?;
    }
    let info = consumer.get_info().await.map_err(|error| away(&error))?;
    let group = info.priority_groups.into_iter().find(|group| group.group == GROUP);
    let pinned = group.and_then(|group| group.pinned_client_id).filter(|pin| !pin.is_empty());
    let held = seat.aside.held(seat.subscription.consumer).await?;
    Ok(Looked { pinned, pending: info.num_ack_pending, held })
}
