//! What a caller is told of work that was on its way when its context ended, or that never began.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use staffa_context::{Cause, Timestamp};
use staffa_storage::{Error, Happened, Result, Schema, Store, Unsent};
use staffa_storage_postgres::{Options, Postgres};

use crate::line::Line;
use crate::server::{Place, url};
use crate::things::{Old, old};

#[derive(Serialize)]
struct Made;

impl Happened for Made {
    const NAME: &'static str = "made";
}

/// A store through a line, with two events of which one was sent. Its connection has prepared what notes and sweeps.
async fn with_events(place: &Place, line: &Line) -> Arc<dyn Store> {
    let schemas = vec![Schema::of::<Old>()];
    let store: Arc<dyn Store> =
        Postgres::open(&place.ctx, &line.url, place.options.clone(), schemas).await.unwrap();
    for id in [1, 2] {
        let mut unit = store.unit();
        let made = unit.insert(old(id));
        unit.emit(&made, Made);
        unit.commit(&place.ctx).await.unwrap();
    }
    let first = store.unsent(&place.ctx, Unsent::all(1)).await.unwrap();
    store.mark_sent(&place.ctx, &[first[0].id]).await.unwrap();
    store.sweep(&place.ctx, Timestamp::MIN, 1).await.unwrap();
    store
}

/// Runs it while no answer comes back, until this query gives nothing any more; then its context ends.
async fn unanswered<T>(
    place: &Place,
    line: &Line,
    until_none: &str,
    work: impl AsyncFnOnce(&staffa_context::Context) -> Result<T>,
) -> Result<T> {
    let (ctx, cancel) = place.ctx.with_cancel();
    line.flow(false);
    let happens = async {
        while !place.texts(until_none).await.is_empty() {
            place.ctx.sleep(Duration::from_millis(5)).await.unwrap();
        }
        cancel.cancel(Cause::ClientGone);
    };
    let (outcome, ()) = tokio::join!(work(&ctx), happens);
    line.flow(true);
    outcome
}

#[tokio::test]
async fn what_was_noted_or_swept_is_not_said_to_have_ended() {
    let (place, line) = (Place::new(), Line::new().await);
    let store = with_events(&place, &line).await;
    let outbox = format!("\"{}\".staffa_outbox", place.schema());
    let unsent = store.unsent(&place.ctx, Unsent::all(9)).await.unwrap();

    let left = format!("SELECT id::text FROM {outbox} WHERE sent_at IS NULL");
    let noted = unanswered(&place, &line, &left, async |ctx| store.mark_sent(ctx, &[unsent[0].id]).await);
    let noted = noted.await;
    assert!(matches!(noted, Err(Error::Unknown(_))), "{noted:?}");

    // A connection whose answer was not waited for is gone; another one has to prepare first.
    store.sweep(&place.ctx, Timestamp::MIN, 1).await.unwrap();
    let left = format!("SELECT id::text FROM {outbox}");
    let swept = unanswered(&place, &line, &left, async |ctx| store.sweep(ctx, Timestamp::MAX, 9).await);
    let swept = swept.await;
    assert!(matches!(swept, Err(Error::Unknown(_))), "{swept:?}");
    place.remove().await;
}

#[tokio::test]
async fn what_could_not_begin_has_ended_and_did_not_happen() {
    let (place, line) = (Place::new(), Line::new().await);
    let store = with_events(&place, &line).await;
    let unsent = store.unsent(&place.ctx, Unsent::all(9)).await.unwrap();
    let mut waits = place.client().await;
    let held = waits.transaction().await.unwrap();
    held.execute(&format!("SELECT 1 FROM \"{}\".staffa_outbox FOR UPDATE", place.schema()), &[])
        .await
        .unwrap();
    let brief = place.ctx.with_timeout(Duration::from_millis(50));
    let noted = store.mark_sent(&brief, &[unsent[0].id]).await;
    assert_eq!(noted, Err(Error::Ended(Cause::DeadlineExceeded)));
    held.rollback().await.unwrap();
    store.close(&place.ctx).await.unwrap();
    let left = format!("SELECT id::text FROM \"{}\".staffa_outbox WHERE sent_at IS NULL", place.schema());
    assert_eq!(place.texts(&left).await, [unsent[0].id.to_string()]);
    place.remove().await;
}

#[tokio::test]
async fn who_finds_no_connection_is_told_which_limit_it_was() {
    let place = Place::new();
    let options =
        Options { connections_max: 2, place_wait: Duration::from_millis(100), ..place.options.clone() };
    let store = Postgres::open(&place.ctx, &url(), options, vec![Schema::of::<Old>()]).await.unwrap();
    let (ctx, cancel) = place.ctx.with_cancel();
    let asleep =
        || store.read(&ctx, |client| Box::pin(async { client.execute("SELECT pg_sleep(60)", &[]).await }));
    let waits = async {
        while store.connections() < 2 {
            place.ctx.sleep(Duration::from_millis(5)).await.unwrap();
        }
        let told = store.ping(&place.ctx).await;
        cancel.cancel(Cause::ClientGone);
        told
    };
    let (_, _, told) = tokio::join!(asleep(), asleep(), waits);
    match told {
        Err(Error::Unavailable(words)) => {
            assert!(words.contains("none of the 2 connections") && words.contains("place_wait"), "{words}");
        }
        other => panic!("{other:?}"),
    }
    store.ping(&place.ctx).await.unwrap();
    place.remove().await;
}
