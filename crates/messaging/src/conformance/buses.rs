//! The suite that every bus passes.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use staffa_context::{Cause, Context, Failure, Kind, TraceContext};
use staffa_storage::conformance::{Broken, Case, Outcome, Report, Summary, holds, own};

use super::listener::Listener;
use super::publishing::{event, events, send, send_all};
use super::{add, broken, same, skip, until};
use crate::{Bus, InProcess};

/// Opens an adapter's buses for the suite.
#[async_trait]
pub trait OpenBus: Send + Sync + 'static {
    /// A handle on the bus at this place (1 to 40 of `a-z` and `0-9`), empty when it is opened there first. Later it is
    /// the same bus, opened beside the others as by another process, if it can do that ([`OpenBus::is_shared`]).
    ///
    /// # Errors
    /// Those of the adapter.
    async fn open(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Bus>, Failure>;

    /// Removes what is at this place. Called once a case is over.
    async fn remove(&self, ctx: &Context, place: &str) {
        let _ = (ctx, place);
    }

    /// Whether a bus can be open several times at once, as by processes that share a server. What was published then waits for
    /// consumers that are away.
    fn is_shared(&self) -> bool;
}

/// Opens buses in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcesses;

#[async_trait]
impl OpenBus for InProcesses {
    async fn open(&self, _ctx: &Context, _place: &str) -> Result<Arc<dyn Bus>, Failure> {
        Ok(Arc::new(InProcess::new()))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// What a case has to work with: a place for a bus of its own.
pub struct Place {
    open: Arc<dyn OpenBus>,
    name: String,
}

impl Place {
    async fn open(&self, ctx: &Context) -> Outcome<Arc<dyn Bus>> {
        self.open.open(ctx, &self.name).await.map_err(|failure| broken(&failure))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Runs the cases whose name contains `filter`, one after the other, each on a bus of its own, and tells `observe` of
/// each.
pub async fn run_all(
    ctx: &Context,
    open: Arc<dyn OpenBus>,
    filter: &str,
    mut observe: impl FnMut(&Report),
) -> Summary {
    let place = async |ctx: &Context| {
        Ok(Place { open: Arc::clone(&open), name: format!("case{}", ctx.uuid().simple()) })
    };
    let mut summary = own::run_all(ctx, CASES, filter, place, &mut observe).await;
    let shared = match open.is_shared() {
        true => own::run_all(ctx, SHARED, filter, place, observe).await,
        false => skip(SHARED, filter, observe),
    };
    add(&mut summary, shared);
    summary
}

macro_rules! case {
    ($run:ident, $rule:literal) => {
        Case::new(concat!("bus::", stringify!($run)), $rule, |ctx, place| {
            Box::pin(async move {
                let outcome = $run(ctx, place).await;
                place.open.remove(&ctx.shielded(), &place.name).await;
                outcome
            })
        })
    };
}

const CASES: &[Case<Place>] = &[
    case!(
        everyone_who_asked_hears,
        "each subscription hears of every event of the names that it asked for, and of no other"
    ),
    case!(an_event_arrives_as_it_was, "an event arrives with every value that it had"),
    case!(
        events_of_an_entity_arrive_in_order,
        "the events of one entity arrive in the order of their publishing, and never two of them at once"
    ),
    case!(
        a_failing_event_holds_its_entity_only,
        "an event whose consumer fails is handed over again, before any later one of its entity, and others go on meanwhile"
    ),
    case!(
        a_hanging_event_holds_its_entity_only,
        "an event whose consumer hangs holds up its own entity only"
    ),
    case!(
        a_consumer_subscribes_once,
        "a consumer has one subscription in a process; a second one is a conflict"
    ),
    case!(
        an_ended_context_publishes_nothing,
        "publishing under a context that has ended fails with its cause"
    ),
    case!(
        a_dropped_publishing_may_be_repeated,
        "publishing that was dropped at any await point and is repeated loses nothing and changes no order"
    ),
    case!(the_trace_goes_with_the_event, "the consumer's context continues the trace of the publisher's"),
];

const SHARED: &[Case<Place>] = &[
    case!(
        who_was_away_hears_of_what_it_missed,
        "what is published while a consumer is away, or before it first subscribed, waits for it"
    ),
    case!(
        processes_share_a_consumer,
        "of several processes with one consumer each event takes effect in one, and in order"
    ),
    case!(
        an_event_published_again_is_heard_once,
        "an event that is published again within a minute is handed over once"
    ),
    case!(
        a_closed_bus_hands_nothing_over,
        "after closing nothing is handed over, and another process goes on at once and in order"
    ),
];

const LEDGER: &str = "ledger";
const STEPPED: &[&str] = &["stepped"];

async fn subscribe(
    ctx: &Context,
    bus: &Arc<dyn Bus>,
    listener: &Arc<Listener>,
    consumer: &'static str,
    names: &'static [&'static str],
) -> Outcome {
    bus.subscribe(ctx, listener.subscription(consumer, names)).await.map_err(|failure| broken(&failure))
}

async fn heard(ctx: &Context, listener: &Listener, count: usize) -> Outcome {
    let all = async || Ok(listener.heard().len() >= count);
    until(ctx, "all is heard", all)
        .await
        .map_err(|Broken(words)| Broken(format!("{words}; {} of {count}", listener.heard().len())))
}

async fn everyone_who_asked_hears(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let (first, second) = (Listener::new(), Listener::new());
    subscribe(ctx, &bus, &first, "first", &["stepped", "moved"]).await?;
    subscribe(ctx, &bus, &second, "second", &["moved"]).await?;
    let names = ["stepped", "moved", "unheard", "stepped", "moved"];
    let sent: Vec<_> = (1..).zip(names).map(|(n, name)| event(ctx, name, "a", n)).collect();
    send_all(ctx, &*bus, &sent).await?;
    heard(ctx, &first, 4).await?;
    heard(ctx, &second, 2).await?;
    same("what the first heard", first.versions("a"), vec![1, 2, 4, 5])?;
    same("what the second heard", second.versions("a"), vec![2, 5])
}

async fn an_event_arrives_as_it_was(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new();
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    let mut sent = event(ctx, "stepped", "Ünïcode > * . id \u{1f600}\n", i64::MAX);
    sent.n = u32::MAX;
    sent.trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    sent.payload = json!({
        "least": i64::MIN, "most": i64::MAX, "third": 0.1 + 0.2, "tiny": f64::MIN_POSITIVE, "none": Value::Null,
        "empty": "", "list": [[], {}, [true, false]], "ключ": "\u{7f}\u{2028}",
        "long": "x".repeat(300_000),
    });
    send(ctx, &*bus, &sent).await?;
    heard(ctx, &listener, 1).await?;
    holds("the event is the same", listener.heard()[0].event == sent)
}

async fn events_of_an_entity_arrive_in_order(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new();
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    let entities: Vec<String> = (0..20).map(|n| format!("order {n}")).collect();
    let sent: Vec<_> = entities.iter().flat_map(|entity| events(ctx, "stepped", entity, 10)).collect();
    send_all(ctx, &*bus, &sent).await?;
    heard(ctx, &listener, 200).await?;
    for entity in &entities {
        same(entity, listener.versions(entity), (1..=10).collect())?;
    }
    holds("one at a time", !listener.overlapped())
}

async fn a_failing_event_holds_its_entity_only(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new().failing("a", 3);
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    let sent: Vec<_> = ["a", "b"].iter().flat_map(|entity| events(ctx, "stepped", entity, 3)).collect();
    send_all(ctx, &*bus, &sent).await?;
    heard(ctx, &listener, 6).await?;
    same("the order of a", listener.versions("a"), vec![1, 2, 3])?;
    same("the order of b", listener.versions("b"), vec![1, 2, 3])?;
    holds("it was tried again", listener.tries() >= 9)?;
    let first: Vec<_> = listener.heard().into_iter().map(|heard| heard.event.entity).collect();
    holds("b did not wait", first[0] == "b")
}

async fn a_hanging_event_holds_its_entity_only(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new();
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    listener.hang("a");
    let sent: Vec<_> = ["a", "b", "c"].iter().flat_map(|entity| events(ctx, "stepped", entity, 3)).collect();
    let others = async {
        heard(ctx, &listener, 6).await?;
        same("nothing of a", listener.versions("a"), vec![])?;
        listener.go_on("a");
        Ok(())
    };
    let (sending, others) = futures_util::future::join(send_all(ctx, &*bus, &sent), others).await;
    sending.and(others)?;
    heard(ctx, &listener, 9).await?;
    same("the order of a", listener.versions("a"), vec![1, 2, 3])
}

async fn a_consumer_subscribes_once(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new();
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    let again = bus.subscribe(ctx, listener.subscription(LEDGER, &["moved"])).await;
    same("the second", again.map_err(|failure| failure.kind), Err(Kind::Conflict))
}

async fn an_ended_context_publishes_nothing(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new();
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    let sent = event(ctx, "stepped", "a", 1);
    let (gone, cancel) = ctx.with_cancel();
    cancel.cancel(Cause::ClientGone);
    let refused = bus.publish(&gone, &sent).await.map_err(|failure| failure.kind);
    same("under a cancelled context", refused, Err(Kind::Cancelled))?;
    let late = ctx.with_timeout(Duration::ZERO);
    let refused = bus.publish(&late, &sent).await.map_err(|failure| failure.kind);
    same("after the deadline", refused, Err(Kind::DeadlineExceeded))?;
    send(ctx, &*bus, &event(ctx, "stepped", "a", 2)).await?;
    heard(ctx, &listener, 1).await?;
    same("what was heard", listener.versions("a"), vec![2])
}

async fn a_dropped_publishing_may_be_repeated(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new();
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    for (polls, sent) in events(ctx, "stepped", "a", 20).iter().enumerate() {
        dropped_after(polls, bus.publish(ctx, sent)).await;
        send(ctx, &*bus, sent).await?;
    }
    until(ctx, "all is heard", async || Ok(listener.versions("a").len() == 20)).await?;
    same("the order", listener.versions("a"), (1..=20).collect())?;
    holds("one at a time", !listener.overlapped())
}

/// Polls at most so often, then drops it.
async fn dropped_after<F: Future>(polls: usize, future: F) {
    let mut left = polls;
    let mut future = pin!(future);
    poll_fn(|cx| {
        if left == 0 || future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn the_trace_goes_with_the_event(ctx: &Context, place: &Place) -> Outcome {
    let bus = place.open(ctx).await?;
    let listener = Listener::new();
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    let trace = TraceContext { trace_id: 0x0af7_6519, span_id: 0xb7ad, sampled: true };
    send(&ctx.with_trace(Some(trace)), &*bus, &event(ctx, "stepped", "a", 1)).await?;
    heard(ctx, &listener, 1).await?;
    let heard = listener.heard()[0].trace.map(|trace| (trace.trace_id, trace.sampled));
    same("the trace", heard, Some((trace.trace_id, true)))
}

async fn who_was_away_hears_of_what_it_missed(ctx: &Context, place: &Place) -> Outcome {
    let publisher = place.open(ctx).await?;
    let sent = events(ctx, "stepped", "a", 6);
    send_all(ctx, &*publisher, &sent[..2]).await?;
    let (bus, listener) = (place.open(ctx).await?, Listener::new());
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    heard(ctx, &listener, 2).await?;
    close(ctx, &bus).await?;
    send_all(ctx, &*publisher, &sent[2..]).await?;
    same("while it is away", listener.versions("a"), vec![1, 2])?;
    let bus = place.open(ctx).await?;
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    heard(ctx, &listener, 6).await?;
    same("the order", listener.versions("a"), (1..=6).collect())?;
    close(ctx, &bus).await?;
    close(ctx, &publisher).await
}

async fn close(ctx: &Context, bus: &Arc<dyn Bus>) -> Outcome {
    bus.close(ctx).await.map_err(|failure| broken(&failure))
}

async fn processes_share_a_consumer(ctx: &Context, place: &Place) -> Outcome {
    let (one, other, listener) = (place.open(ctx).await?, place.open(ctx).await?, Listener::new());
    // One listener for both tells how the effects of both interleave.
    subscribe(ctx, &one, &listener, LEDGER, STEPPED).await?;
    subscribe(ctx, &other, &listener, LEDGER, STEPPED).await?;
    let entities: Vec<String> = (0..10).map(|n| format!("order {n}")).collect();
    let sent: Vec<_> = entities.iter().flat_map(|entity| events(ctx, "stepped", entity, 10)).collect();
    send_all(ctx, &*one, &sent).await?;
    heard(ctx, &listener, 100).await?;
    for entity in &entities {
        same(entity, listener.versions(entity), (1..=10).collect())?;
    }
    same("effects", listener.heard().len(), 100)?;
    holds("one at a time", !listener.overlapped())?;
    close(ctx, &one).await?;
    close(ctx, &other).await
}

async fn an_event_published_again_is_heard_once(ctx: &Context, place: &Place) -> Outcome {
    let (bus, listener) = (place.open(ctx).await?, Listener::new());
    subscribe(ctx, &bus, &listener, LEDGER, STEPPED).await?;
    let sent = event(ctx, "stepped", "a", 1);
    for _ in 0..3 {
        send(ctx, &*bus, &sent).await?;
    }
    send(ctx, &*bus, &event(ctx, "stepped", "a", 2)).await?;
    until(ctx, "the last is heard", async || Ok(listener.versions("a").contains(&2))).await?;
    same("how often", listener.heard().len(), 2)
}

async fn a_closed_bus_hands_nothing_over(ctx: &Context, place: &Place) -> Outcome {
    let (one, other) = (place.open(ctx).await?, place.open(ctx).await?);
    let (first, second) = (Listener::new(), Listener::new());
    subscribe(ctx, &one, &first, LEDGER, STEPPED).await?;
    let sent = events(ctx, "stepped", "a", 8);
    send_all(ctx, &*other, &sent[..4]).await?;
    heard(ctx, &first, 4).await?;
    close(ctx, &one).await?;
    send_all(ctx, &*other, &sent[4..]).await?;
    subscribe(ctx, &other, &second, LEDGER, STEPPED).await?;
    heard(ctx, &second, 4).await?;
    same("what the first heard", first.versions("a"), vec![1, 2, 3, 4])?;
    same("what the second heard", second.versions("a"), vec![5, 6, 7, 8])
}
