//! SQL of one's own, by the adapter's rules.

use std::time::Duration;

use staffa_context::Cause;
use staffa_storage::{Error, Moving, Schema, Store};
use staffa_storage_postgres::Postgres;
use tokio::sync::oneshot;

use crate::server::{Place, insert, with};
use crate::things::{New, new};

#[tokio::test]
async fn a_port_of_ones_own_reads_and_writes_with_sql() {
    let place = Place::new();
    let (ctx, schema) = (&place.ctx, place.schema().to_owned());
    let store = place.open(vec![Schema::of::<New>()]).await.unwrap();
    insert(&place, &store, (0..10).map(new).collect()).await.unwrap();
    let table = format!("CREATE TABLE {schema}.note (words text)");
    store
        .write(ctx, move |client| Box::pin(async move { client.batch_execute(&table).await }))
        .await
        .unwrap();
    let (good, bad) = (format!("INSERT INTO {schema}.note VALUES ('a')"), "SELECT nonsense".to_owned());
    let again = good.clone();
    let failed = store.write(ctx, |client| {
        Box::pin(async move {
            client.execute(&again, &[]).await?;
            client.execute(&bad, &[]).await
        })
    });
    assert!(matches!(failed.await, Err(Error::Unusable(_))));
    let wrote = store.write(ctx, |client| Box::pin(async move { client.execute(&good, &[]).await })).await;
    assert_eq!(wrote, Ok(1));
    let sum = format!(
        "SELECT (SELECT sum(pence)::bigint FROM {schema}.product), (SELECT count(*) FROM {schema}.note)"
    );
    let read = store.read(ctx, |client| {
        Box::pin(async move {
            let row = client.query_one(&sum, &[]).await?;
            Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?))
        })
    });
    assert_eq!(read.await, Ok((24, 1)));
    let written = format!("DELETE FROM {schema}.note");
    let refused = store.read(ctx, |client| Box::pin(async move { client.execute(&written, &[]).await }));
    assert!(refused.await.is_err(), "a read wrote");
    place.remove().await;
}

#[tokio::test]
async fn a_write_of_ones_own_waits_with_the_others_while_the_store_is_frozen() {
    let place = Place::new();
    let ctx = &place.ctx;
    let store = place.open(vec![]).await.unwrap();
    store.freeze(ctx, true).await.unwrap();
    let write = store.write(ctx, |client| Box::pin(async move { client.execute("SELECT 1", &[]).await }));
    assert_eq!(write.await, Err(Error::Frozen));
    let read = store.read(ctx, |client| Box::pin(async move { client.execute("SELECT 1", &[]).await }));
    assert_eq!(read.await, Ok(1));
    store.freeze(ctx, false).await.unwrap();
    place.remove().await;
}

/// Waits until so many sessions of the store wait to begin or to freeze.
async fn until_waiting(place: &Place, sessions: usize) {
    let waiting = format!(
        "SELECT pid::text FROM pg_locks JOIN pg_stat_activity USING (pid) \
         WHERE NOT granted AND locktype = 'advisory' AND application_name = 'staffa {}'",
        place.schema()
    );
    while place.texts(&waiting).await.len() != sessions {
        place.ctx.sleep(Duration::from_millis(10)).await.unwrap();
    }
}

#[tokio::test]
async fn a_write_that_waited_for_a_freeze_is_refused_under_any_default_isolation() {
    let place = Place::new();
    let url = with("options=-c%20default_transaction_isolation%3Drepeatable%5C%20read");
    let store = Postgres::open(&place.ctx, &url, place.options.clone(), vec![]).await.unwrap();
    let (began, begun) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let first = store.write(&place.ctx, |client| {
        Box::pin(async move {
            client.execute("SELECT 1", &[]).await?;
            began.send(()).unwrap();
            released.await.unwrap();
            Ok(())
        })
    });
    let freeze = async {
        begun.await.unwrap();
        store.freeze(&place.ctx, true).await
    };
    let second = async {
        until_waiting(&place, 1).await;
        store.write(&place.ctx, |_| Box::pin(async { Ok(()) })).await
    };
    let release = async {
        until_waiting(&place, 2).await;
        release.send(()).unwrap();
    };
    let (first, frozen, second, ()) = tokio::join!(first, freeze, second, release);
    assert_eq!((first, frozen, second), (Ok(()), Ok(()), Err(Error::Frozen)));
    place.remove().await;
}

#[tokio::test]
async fn a_write_that_goes_on_after_an_error_is_not_said_to_be_done() {
    let place = Place::new();
    let (ctx, schema) = (&place.ctx, place.schema().to_owned());
    let store = place.open(vec![]).await.unwrap();
    place.run(&format!("CREATE TABLE {schema}.note (words text)")).await;
    let insert = format!("INSERT INTO {schema}.note VALUES ('a')");
    let written = store.write(ctx, |client| {
        Box::pin(async move {
            client.execute(&insert, &[]).await?;
            let failed = client.execute("SELECT nonsense", &[]).await;
            Ok(failed.is_err())
        })
    });
    assert!(matches!(written.await, Err(Error::Unusable(_))));
    assert_eq!(place.texts(&format!("SELECT words FROM {schema}.note")).await, Vec::<String>::new());
    assert_eq!(store.connections(), 1, "the connection was lost");
    place.remove().await;
}

#[tokio::test]
async fn what_its_caller_leaves_is_not_committed() {
    let place = Place::new();
    let (ctx, schema) = (&place.ctx, place.schema().to_owned());
    let store = place.open(vec![]).await.unwrap();
    place.run(&format!("CREATE TABLE {schema}.note (words text)")).await;
    for _ in 0..5 {
        let insert = format!("INSERT INTO {schema}.note VALUES ('a')");
        let brief = ctx.with_timeout(Duration::from_millis(30));
        let written = store.write(&brief, |client| {
            Box::pin(async move {
                client.execute(&insert, &[]).await?;
                client.execute("SELECT pg_sleep(10)", &[]).await
            })
        });
        assert_eq!(written.await, Err(Error::Ended(Cause::DeadlineExceeded)));
    }
    store.close(ctx).await.unwrap();
    assert_eq!(place.texts(&format!("SELECT words FROM {schema}.note")).await, Vec::<String>::new());
    place.remove().await;
}
