//! What outbox, relay and inbox promise together, on any store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use staffa_context::{Cause, Context, Failure, Group, Kind};
use staffa_storage::conformance::{Ability, Broken, Case, Open, Outcome, Report, Summary, holds, own};
use staffa_storage::{Event, Page, Store, Unsent};

use super::late::Late;
use super::listener::Listener;
use super::tally::{Ledger, Reserves, consumed, reserved, schemas, step, steps};
use super::{add, broken, same, skip, until};
use crate::{Bus, Consumer, Dead, InProcess, Inbox, Relay, RelayOptions, Room, Subscription};

/// Runs the cases whose name contains `filter`, one after the other, each on stores of its own, and tells `observe` of
/// each.
pub async fn run_all(
    ctx: &Context,
    open: Arc<dyn Open>,
    filter: &str,
    mut observe: impl FnMut(&Report),
) -> Summary {
    let place = async |ctx: &Context| {
        Ok(Place { open: Arc::clone(&open), name: format!("case_{}", ctx.uuid().simple()) })
    };
    let mut summary = own::run_all(ctx, CASES, filter, place, &mut observe).await;
    let shared = match open.can(Ability::Share) {
        true => own::run_all(ctx, SHARED, filter, place, observe).await,
        false => skip(SHARED, filter, observe),
    };
    add(&mut summary, shared);
    summary
}

/// Where a case's store is.
pub struct Place {
    open: Arc<dyn Open>,
    name: String,
}

impl Place {
    async fn open(&self, ctx: &Context) -> Outcome<Arc<dyn Store>> {
        Ok(self.open.open(ctx, &self.name, schemas()).await?)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("name", &self.name).finish_non_exhaustive()
    }
}

macro_rules! case {
    ($group:ident::$run:ident, $rule:literal) => {
        Case::new(concat!(stringify!($group), "::", stringify!($run)), $rule, |ctx, place| {
            Box::pin(async move {
                let outcome = $run(ctx, place).await;
                place.open.remove(&ctx.shielded(), &place.name).await;
                outcome
            })
        })
    };
}

const CASES: &[Case<Place>] = &[
    case!(relay::events_arrive_once_and_in_order, "events of an entity take effect once each, and in order"),
    case!(
        relay::a_failing_event_holds_back_its_own_entity_only,
        "an event that fails is tried again before any later one of its entity, and others go on meanwhile"
    ),
    case!(
        relay::a_hanging_event_holds_up_its_own_entity_only,
        "an event whose publishing hangs holds up its own entity only, whatever comes after it"
    ),
    case!(
        relay::what_commits_late_is_not_skipped,
        "an event whose unit commits late, after events that are younger, is not skipped"
    ),
    case!(relay::what_nobody_subscribes_to_is_sent, "an event that nobody subscribes to is sent at once"),
    case!(
        relay::a_full_outbox_refuses_more,
        "an outbox that has reached its limit refuses more until some is sent"
    ),
    case!(
        dead::an_event_that_fails_too_often_is_put_aside,
        "an event that failed too often is listed as dead and holds back its own entity only"
    ),
    case!(
        dead::one_that_is_redriven_is_tried_again,
        "a dead event that is re-driven takes effect before the rest of its entity, and may die again"
    ),
    case!(
        dead::one_that_is_skipped_is_passed_over,
        "a dead event that is skipped never takes effect, and the rest of its entity does"
    ),
    case!(
        dead::what_is_away_kills_nothing,
        "failures that say nothing of the event (unavailable, exhausted, deadline, cancelled) never count"
    ),
    case!(
        dead::too_many_stop_the_relay,
        "a relay of which too many entities are held reads nothing until some are settled"
    ),
    case!(
        inbox::a_second_delivery_changes_nothing,
        "an event that is delivered again, or several times at once, takes effect once"
    ),
    case!(
        inbox::a_unique_key_covers_what_the_record_did,
        "an event that is delivered again after its record's lifetime changes nothing where a unique key covers it"
    ),
];

const SHARED: &[Case<Place>] = &[
    case!(
        relay::several_share_an_outbox,
        "several relays share an outbox; whichever of them are killed, each event takes effect once, in order"
    ),
    case!(
        relay::a_partition_is_handed_over_with_nothing_in_hand,
        "a partition passes to another relay only when nothing of it is in hand"
    ),
    case!(
        relay::who_leaves_is_followed_at_once,
        "what a relay that stops in order had is taken up before its lease is over"
    ),
];

/// The consumer's lasting name, and what it hears of.
const LEDGER: &str = "ledger";
const STEPPED: &[&str] = &["stepped"];

fn options() -> RelayOptions {
    let quick = Duration::from_millis(1);
    RelayOptions {
        alone: true,
        lease: Duration::from_millis(300),
        idle: quick,
        backoff: quick,
        ..RelayOptions::default()
    }
}

/// A bus in this process on which this consumer hears of every step.
async fn bus(ctx: &Context, handler: Arc<dyn Consumer>) -> Outcome<Arc<dyn Bus>> {
    let bus = InProcess::new();
    let subscription = Subscription { consumer: LEDGER, names: STEPPED, handler };
    bus.subscribe(ctx, subscription).await.map_err(|failure| broken(&failure))?;
    Ok(Arc::new(bus))
}

/// The same with an inbox before it.
async fn bus_of(ctx: &Context, store: &Arc<dyn Store>, handler: &Arc<Ledger>) -> Outcome<Arc<dyn Bus>> {
    let handler = Arc::<Ledger>::clone(handler);
    bus(ctx, Arc::new(Inbox::new(LEDGER, Arc::clone(store), handler))).await
}

/// A relay that runs.
struct Running {
    group: Group<Failure>,
    room: Room,
}

impl Running {
    async fn start(
        ctx: &Context,
        store: &Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        options: RelayOptions,
    ) -> Outcome<Self> {
        let relay = Relay::new(Arc::clone(store), bus, options);
        let (group, room) = (Group::new(ctx, "relay"), relay.room());
        let run = move |ctx: Context| async move { Ok(relay.run(&ctx).await) };
        group.spawn("relay", run).await.map_err(|cause| Broken(cause.to_string()))?;
        Ok(Self { group, room })
    }

    async fn stop(self) {
        self.group.cancel(Cause::ShuttingDown);
        let _ = self.group.wait().await;
    }

    /// Ends it as a crash of its process would.
    fn kill(self) {
        drop(self.group);
    }
}

async fn all_sent(ctx: &Context, store: &Arc<dyn Store>) -> Outcome {
    let empty = async || Ok(store.unsent(ctx, Unsent::all(1)).await?.is_empty());
    until(ctx, "all is sent", empty).await
}

/// Runs a relay alone until everything is sent.
async fn relay_all(ctx: &Context, store: &Arc<dyn Store>, bus: Arc<dyn Bus>) -> Outcome {
    let relay = Running::start(ctx, store, bus, options()).await?;
    let sent = all_sent(ctx, store).await;
    relay.stop().await;
    sent
}

async fn has_steps(ctx: &Context, store: &Arc<dyn Store>, order: &str, count: u32) -> Outcome {
    same(order, steps(ctx, store, order).await?, (0..count).collect())
}

async fn events_arrive_once_and_in_order(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    let ledger = Ledger::new(&store);
    let bus = bus_of(ctx, &store, &ledger).await?;
    for id in ["a", "b", "c"] {
        step(ctx, &*store, id, 5).await?;
        step(ctx, &*store, id, 2).await?;
    }
    relay_all(ctx, &store, bus).await?;
    for id in ["a", "b", "c"] {
        has_steps(ctx, &store, id, 7).await?;
    }
    Ok(())
}

async fn a_failing_event_holds_back_its_own_entity_only(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    let ledger = Ledger::new(&store);
    ledger.fail("a", Kind::Internal, 3);
    let bus = bus_of(ctx, &store, &ledger).await?;
    for id in ["a", "b"] {
        step(ctx, &*store, id, 2).await?;
    }
    relay_all(ctx, &store, bus).await?;
    has_steps(ctx, &store, "a", 2).await?;
    has_steps(ctx, &store, "b", 2).await?;
    same("calls of a", ledger.calls("a"), vec![0, 0, 0, 0, 1])?;
    same("calls of b", ledger.calls("b"), vec![0, 1])
}

async fn a_hanging_event_holds_up_its_own_entity_only(ctx: &Context, place: &Place) -> Outcome {
    let (store, listener) = (place.open(ctx).await?, Listener::new());
    listener.hang("a");
    let bus = bus(ctx, Arc::<Listener>::clone(&listener) as _).await?;
    let relay = Running::start(ctx, &store, bus, RelayOptions { batch_max: 2, ..options() }).await?;
    step(ctx, &*store, "a", 2).await?;
    let tried = async || Ok(listener.tries() > 0);
    until(ctx, "the event hangs", tried).await?;
    for n in 0..6 {
        step(ctx, &*store, &format!("b{n}"), 1).await?;
    }
    let others = async || Ok(listener.heard().len() == 6);
    until(ctx, "the others are sent", others).await?;
    same("a", listener.versions("a"), vec![])?;
    listener.go_on("a");
    all_sent(ctx, &store).await?;
    relay.stop().await;
    same("all", listener.heard().len(), 8)
}

/// Writers whose commits come late, by a random time, while a relay reads.
async fn what_commits_late_is_not_skipped(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    let ledger = Ledger::new(&store);
    let bus = bus_of(ctx, &store, &ledger).await?;
    let relay = Running::start(ctx, &store, bus, options()).await?;
    let late = Late(Arc::clone(&store));
    let late = &late;
    let writers = (0..8).map(|writer| async move {
        for n in 0..6 {
            step(ctx, late, &format!("own {writer}"), 1).await?;
            step(ctx, late, &format!("shared {}", n % 2), 1).await?;
        }
        Ok(())
    });
    join_all(writers).await.into_iter().collect::<Outcome>()?;
    all_sent(ctx, &store).await?;
    relay.stop().await;
    for writer in 0..8 {
        has_steps(ctx, &store, &format!("own {writer}"), 6).await?;
    }
    has_steps(ctx, &store, "shared 0", 24).await?;
    has_steps(ctx, &store, "shared 1", 24).await
}

async fn what_nobody_subscribes_to_is_sent(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    step(ctx, &*store, "a", 3).await?;
    relay_all(ctx, &store, Arc::new(InProcess::new())).await
}

async fn a_full_outbox_refuses_more(ctx: &Context, place: &Place) -> Outcome {
    let (store, listener) = (place.open(ctx).await?, Listener::new());
    listener.hang("a");
    let bus = bus(ctx, Arc::<Listener>::clone(&listener) as _).await?;
    step(ctx, &*store, "a", 5).await?;
    let options = RelayOptions { backlog_max: 5, ..options() };
    let relay = Running::start(ctx, &store, bus, options).await?;
    let room = relay.room.clone();
    until(ctx, "it refuses", async || Ok(room.check().is_err())).await?;
    let kind = room.check().map_err(|error| staffa_context::Fail::kind(&error));
    same("how it refuses", kind, Err(Kind::Unavailable))?;
    listener.go_on("a");
    until(ctx, "it has room again", async || Ok(room.check().is_ok())).await?;
    relay.stop().await;
    Ok(())
}

/// A relay after whose three failures an event is dead, and whose order `a` has one.
async fn with_a_dead_event(
    ctx: &Context,
    place: &Place,
) -> Outcome<(Arc<dyn Store>, Arc<Ledger>, Running, Dead)> {
    let store = place.open(ctx).await?;
    let ledger = Ledger::new(&store);
    ledger.fail("a", Kind::Invalid, 3);
    let bus = bus_of(ctx, &store, &ledger).await?;
    step(ctx, &*store, "a", 1).await?;
    let options = RelayOptions { attempts_max: 3, ..options() };
    let relay = Running::start(ctx, &store, bus, options).await?;
    let dead = Dead::new(&store);
    let died = async || Ok(!dead.list(ctx, Page::first()).await?.items.is_empty());
    until(ctx, "the event is dead", died).await?;
    Ok((store, ledger, relay, dead))
}

async fn an_event_that_fails_too_often_is_put_aside(ctx: &Context, place: &Place) -> Outcome {
    let (store, ledger, relay, dead) = with_a_dead_event(ctx, place).await?;
    step(ctx, &*store, "a", 1).await?;
    step(ctx, &*store, "b", 2).await?;
    let others = async || Ok(steps(ctx, &store, "b").await?.len() == 2);
    until(ctx, "others go on", others).await?;
    same("calls of a", ledger.calls("a"), vec![0, 0, 0])?;
    let found = dead.of(ctx, "order", "a", Page::first()).await?.items;
    same("the dead", found.len(), 1)?;
    let (event, unsent) = (&found[0], store.unsent(ctx, Unsent::all(10)).await?);
    same("the event", event.id, unsent[0].id)?;
    same("how often", event.attempts, 3)?;
    same("its name", &*event.name, "stepped")?;
    holds("why it failed", event.failure.contains("told to fail"))?;
    relay.stop().await;
    // Another relay holds it back, too.
    let other = Running::start(ctx, &store, bus_of(ctx, &store, &ledger).await?, options()).await?;
    step(ctx, &*store, "c", 1).await?;
    until(ctx, "c goes on", async || Ok(!steps(ctx, &store, "c").await?.is_empty())).await?;
    other.stop().await;
    same("calls of a", ledger.calls("a"), vec![0, 0, 0])
}

async fn one_that_is_redriven_is_tried_again(ctx: &Context, place: &Place) -> Outcome {
    let (store, ledger, relay, dead) = with_a_dead_event(ctx, place).await?;
    step(ctx, &*store, "a", 1).await?;
    let id = dead.list(ctx, Page::first()).await?.items[0].id;
    ledger.fail("a", Kind::Invalid, 3);
    dead.redrive(ctx, id).await.map_err(|failure| broken(&failure))?;
    until(ctx, "it is tried again", async || Ok(ledger.calls("a").len() == 6)).await?;
    let died = async || Ok(!dead.list(ctx, Page::first()).await?.items.is_empty());
    until(ctx, "it is dead again", died).await?;
    dead.redrive(ctx, id).await.map_err(|failure| broken(&failure))?;
    all_sent(ctx, &store).await?;
    relay.stop().await;
    has_steps(ctx, &store, "a", 2).await?;
    let again = dead.redrive(ctx, id).await.map_err(|failure| failure.kind);
    same("what is not dead", again, Err(Kind::NotFound))
}

async fn one_that_is_skipped_is_passed_over(ctx: &Context, place: &Place) -> Outcome {
    let (store, ledger, relay, dead) = with_a_dead_event(ctx, place).await?;
    step(ctx, &*store, "a", 2).await?;
    let id = dead.list(ctx, Page::first()).await?.items[0].id;
    dead.skip(ctx, id).await.map_err(|failure| broken(&failure))?;
    all_sent(ctx, &store).await?;
    relay.stop().await;
    same("what took effect", steps(ctx, &store, "a").await?, vec![1, 2])?;
    same("calls", ledger.calls("a"), vec![0, 0, 0, 1, 2])?;
    same("the dead", dead.list(ctx, Page::first()).await?.items.len(), 0)
}

async fn what_is_away_kills_nothing(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    let ledger = Ledger::new(&store);
    let kinds = [Kind::Unavailable, Kind::Exhausted, Kind::DeadlineExceeded, Kind::Cancelled];
    for kind in kinds {
        ledger.fail(kind.label(), kind, 5);
        step(ctx, &*store, kind.label(), 1).await?;
    }
    let options = RelayOptions { attempts_max: 1, ..options() };
    let relay = Running::start(ctx, &store, bus_of(ctx, &store, &ledger).await?, options).await?;
    all_sent(ctx, &store).await?;
    relay.stop().await;
    for kind in kinds {
        same(kind.label(), ledger.calls(kind.label()).len(), 6)?;
    }
    Ok(())
}

async fn too_many_stop_the_relay(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    let (ledger, dead) = (Ledger::new(&store), Dead::new(&store));
    for id in ["a", "b"] {
        ledger.fail(id, Kind::Invalid, 1);
        step(ctx, &*store, id, 1).await?;
    }
    let options = RelayOptions { attempts_max: 1, held_max: 2, ..options() };
    let relay = Running::start(ctx, &store, bus_of(ctx, &store, &ledger).await?, options).await?;
    let both = async || Ok(dead.list(ctx, Page::first()).await?.items.len() == 2);
    until(ctx, "both are dead", both).await?;
    step(ctx, &*store, "c", 1).await?;
    // Beats and rounds pass.
    ctx.sleep(Duration::from_millis(300)).await.map_err(|cause| Broken(cause.to_string()))?;
    same("what it read", ledger.calls("c"), vec![])?;
    let id = dead.of(ctx, "order", "a", Page::first()).await?.items[0].id;
    dead.redrive(ctx, id).await.map_err(|failure| broken(&failure))?;
    until(ctx, "it reads on", async || Ok(!steps(ctx, &store, "c").await?.is_empty())).await?;
    relay.stop().await;
    has_steps(ctx, &store, "a", 1).await
}

/// The only event in the outbox.
async fn the_event(ctx: &Context, store: &Arc<dyn Store>) -> Outcome<Event> {
    let found = store.unsent(ctx, Unsent::all(2)).await?.pop();
    found.ok_or_else(|| Broken("the outbox is empty".into()))
}

async fn a_second_delivery_changes_nothing(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    let ledger = Ledger::new(&store);
    step(ctx, &*store, "a", 1).await?;
    let event = the_event(ctx, &store).await?;
    let inbox = Inbox::new(LEDGER, Arc::clone(&store), Arc::<Ledger>::clone(&ledger) as _);
    let at_once = (0..8).map(|_| consumed(&inbox, ctx, &event));
    // One of those that come at once may be told that another was faster, and comes again.
    holds("one of them took effect", join_all(at_once).await.iter().any(Result::is_ok))?;
    let called = ledger.calls("a").len();
    consumed(&inbox, ctx, &event).await?;
    same("calls of a second delivery", ledger.calls("a").len(), called)?;
    relay_all(ctx, &store, bus_of(ctx, &store, &ledger).await?).await?;
    same("calls of the relay", ledger.calls("a").len(), called)?;
    has_steps(ctx, &store, "a", 1).await
}

async fn a_unique_key_covers_what_the_record_did(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    step(ctx, &*store, "a", 1).await?;
    let event = the_event(ctx, &store).await?;
    let inbox = Inbox::new(LEDGER, Arc::clone(&store), Arc::new(Reserves(Arc::clone(&store))));
    consumed(&inbox, ctx, &event).await?;
    let later = ctx.wall().plus(Duration::from_secs(60));
    same("what was swept", store.sweep(ctx, later, 10).await?, 1)?;
    let key = event.id.to_string();
    holds("the record is gone", store.kept(ctx, LEDGER, &key).await?.is_none())?;
    consumed(&inbox, ctx, &event).await?;
    same("reservations", reserved(ctx, &store, "a").await?, 1)
}

/// The same store as several processes have it, each with a relay and a consumer of its own.
struct Process {
    store: Arc<dyn Store>,
    relay: Running,
}

impl Process {
    async fn start(ctx: &Context, place: &Place, lease: Duration) -> Outcome<Self> {
        let store = place.open(ctx).await?;
        let bus = bus_of(ctx, &store, &Ledger::new(&store)).await?;
        let options = RelayOptions { alone: false, lease, ..options() };
        let relay = Running::start(ctx, &store, bus, options).await?;
        Ok(Self { store, relay })
    }
}

async fn several_share_an_outbox(ctx: &Context, place: &Place) -> Outcome {
    let store = place.open(ctx).await?;
    // A busy server and its relays can beat within a third of it.
    let lease = Duration::from_millis(1_500);
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Process::start(ctx, place, lease).await?);
    }
    let writing = async {
        for n in 0..8 {
            for order in 0..12 {
                step(ctx, &*store, &format!("order {order}"), 1 + n % 2).await?;
            }
            ctx.sleep(lease / 5).await.map_err(|cause| Broken(cause.to_string()))?;
        }
        Ok(())
    };
    let killing = async {
        for _ in 0..5 {
            // Before, at and after the beats of those who take part, and of those who have just come.
            let pause = Duration::from_millis(100 + ctx.instruments().ids.random() % 750);
            ctx.sleep(pause).await.map_err(|cause| Broken(cause.to_string()))?;
            let victim = usize::try_from(ctx.instruments().ids.random() % 3).unwrap_or(0);
            let Process { relay, .. } = processes.swap_remove(victim);
            relay.kill();
            processes.push(Process::start(ctx, place, lease).await?);
        }
        Outcome::Ok(())
    };
    let (written, killed) = join(writing, killing).await;
    written.and(killed)?;
    all_sent(ctx, &store).await?;
    for Process { store: _store, relay } in processes {
        relay.stop().await;
    }
    for order in 0..12 {
        has_steps(ctx, &store, &format!("order {order}"), 12).await?;
    }
    Ok(())
}

/// Relays of two processes, each with a listener.
async fn two_listening(
    ctx: &Context,
    place: &Place,
    listener: &Arc<Listener>,
    lease: Duration,
) -> Outcome<(Arc<dyn Store>, Running)> {
    let store = place.open(ctx).await?;
    let bus = bus(ctx, Arc::<Listener>::clone(listener) as _).await?;
    let options = RelayOptions { alone: false, lease, ..options() };
    let relay = Running::start(ctx, &store, bus, options).await?;
    Ok((store, relay))
}

async fn a_partition_is_handed_over_with_nothing_in_hand(ctx: &Context, place: &Place) -> Outcome {
    let (first, second) = (Listener::new(), Listener::new());
    let orders: Vec<String> = (0..40).map(|n| format!("order {n}")).collect();
    orders.iter().for_each(|order| first.hang(order));
    // Long enough for a busy machine to beat in.
    let lease = Duration::from_secs(3);
    let (store, one) = two_listening(ctx, place, &first, lease).await?;
    for order in &orders[..16] {
        step(ctx, &*store, order, 2).await?;
    }
    until(ctx, "the first has them in hand", async || Ok(first.tries() == 16)).await?;
    let (_, other) = two_listening(ctx, place, &second, lease).await?;
    for order in &orders[16..] {
        step(ctx, &*store, order, 1).await?;
    }
    // The second gets what the first has not in hand, and nothing else.
    let unheld = async || Ok(!second.heard().is_empty());
    until(ctx, "the second gets something", unheld).await?;
    let early: Vec<_> = orders[..16].iter().filter(|order| !second.versions(order).is_empty()).collect();
    holds(&format!("{early:?} were in hand"), early.is_empty())?;
    orders.iter().for_each(|order| first.go_on(order));
    all_sent(ctx, &store).await?;
    one.stop().await;
    other.stop().await;
    let heard: Vec<_> = first.heard().into_iter().chain(second.heard()).map(|heard| heard.event.id).collect();
    same("all were heard once", heard.len(), 16 * 2 + 24)
}

async fn who_leaves_is_followed_at_once(ctx: &Context, place: &Place) -> Outcome {
    let (first, second) = (Listener::new(), Listener::new());
    let lease = Duration::from_secs(6);
    let (store, one) = two_listening(ctx, place, &first, lease).await?;
    let (_, other) = two_listening(ctx, place, &second, lease).await?;
    step(ctx, &*store, "first", 1).await?;
    all_sent(ctx, &store).await?;
    one.stop().await;
    let stopped = ctx.clock().now();
    for n in 0..40 {
        step(ctx, &*store, &format!("order {n}"), 1).await?;
    }
    all_sent(ctx, &store).await?;
    let waited = ctx.clock().now().saturating_duration_since(stopped);
    other.stop().await;
    holds(&format!("followed after {waited:?}"), waited < lease)
}
