//! Servers and databases that cannot be used: clear words, and nothing of somebody else's touched.

use std::time::Duration;

use staffa_context::Cause;
use staffa_storage::{Error, Schema, Store};
use staffa_storage_postgres::Postgres;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use crate::server::{Place, insert, url, with};
use crate::things::{Old, old};

fn unusable(opened: Result<std::sync::Arc<Postgres>, Error>, says: &str) {
    match opened {
        Err(Error::Unusable(words)) => assert!(words.contains(says), "{words} does not say {says}"),
        other => panic!("{other:?}"),
    }
}

async fn opened(place: &Place, url: &str) -> Result<std::sync::Arc<Postgres>, Error> {
    Postgres::open(&place.ctx, url, place.options.clone(), vec![Schema::of::<Old>()]).await
}

#[tokio::test]
async fn a_schema_with_tables_of_somebody_else_is_not_touched() {
    let place = Place::new();
    let schema = place.schema();
    place.run(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (a int)")).await;
    unusable(place.open(vec![Schema::of::<Old>()]).await, "tables of somebody else (theirs");
    let tables = format!("SELECT tablename::text FROM pg_tables WHERE schemaname = '{schema}'");
    assert_eq!(place.texts(&tables).await, ["theirs"]);
    place.remove().await;
}

#[tokio::test]
async fn a_table_in_the_place_of_a_kind_is_not_touched() {
    let place = Place::new();
    let schema = place.schema();
    place.open(vec![]).await.unwrap();
    place.run(&format!("CREATE TABLE {schema}.product (a int)")).await;
    unusable(place.open(vec![Schema::of::<Old>()]).await, "not this store's");
    let columns = format!(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = '{schema}.product'::regclass AND attnum > 0"
    );
    assert_eq!(place.texts(&columns).await, ["a"]);
    place.remove().await;
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused() {
    let place = Place::new();
    let schema = place.schema();
    place.open(vec![]).await.unwrap();
    place.run(&format!("UPDATE {schema}.staffa_meta SET value = '99' WHERE key = 'format'")).await;
    unusable(place.open(vec![]).await, "update the binary");
    place.remove().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused() {
    let place = Place::new();
    unusable(
        opened(&place, &with("options=-c%20default_transaction_read_only%3Don")).await,
        "takes no writes",
    );
    place.remove().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let place = Place::new();
    let url = url();
    let (server, _) = url.rsplit_once('/').unwrap();
    unusable(opened(&place, &format!("{server}/nowhere_at_all")).await, "create it");
    place.remove().await;
}

#[tokio::test]
async fn a_database_with_another_encoding_is_refused() {
    let place = Place::new();
    let name = format!("latin_{}", place.ctx.uuid().simple());
    place
        .run(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"
        ))
        .await;
    let url = url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let told = opened(&place, &format!("{server}/{name}")).await;
    place.run(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    unusable(told, "ENCODING 'UTF8'");
    place.remove().await;
}

#[tokio::test]
async fn a_user_without_the_right_to_make_a_schema_is_told() {
    let place = Place::new();
    let role = format!("role_{}", place.ctx.uuid().simple());
    place.run(&format!("CREATE ROLE {role}")).await;
    let told = opened(&place, &with(&format!("options=-c%20role%3D{role}"))).await;
    place.run(&format!("DROP ROLE {role}")).await;
    unusable(told, "CREATE SCHEMA");
    place.remove().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let place = Place::new();
    let url = url();
    let (user, server) = url.split_once('@').unwrap();
    let (user, _) = user.rsplit_once(':').unwrap();
    match opened(&place, &format!("{user}:hunter2@{server}")).await {
        Err(Error::Unusable(words)) => {
            assert!(words.contains("refuses the user or password") && !words.contains("hunter2"), "{words}");
        }
        other => panic!("{other:?}"),
    }
    let there = format!("SELECT nspname::text FROM pg_namespace WHERE nspname = '{}'", place.schema());
    assert_eq!(place.texts(&there).await, Vec::<String>::new());
    place.remove().await;
}

/// The URL of something in front of the server that takes connections at once and answers after this time.
async fn answering_after(wait: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url();
    let (user, server) = url.split_once('@').unwrap();
    let (server, database) = server.split_once('/').unwrap();
    let slow = format!("{user}@{}/{database}", listener.local_addr().unwrap());
    let (begin, server) = (Instant::now() + wait, server.to_owned());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                sleep_until(begin).await;
                let mut far = TcpStream::connect(server).await.unwrap();
                // It ends as either side does.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    slow
}

#[tokio::test]
async fn a_server_that_is_slow_to_start_is_waited_for_within_the_context() {
    let place = Place::new();
    let store = opened(&place, &answering_after(Duration::from_secs(1)).await).await.unwrap();
    store.ping(&place.ctx).await.unwrap();
    store.close(&place.ctx).await.unwrap();

    let mute = answering_after(Duration::from_secs(3_600)).await;
    let (begun, brief) = (Instant::now(), place.ctx.with_timeout(Duration::from_millis(300)));
    let told = Postgres::open(&brief, &mute, place.options.clone(), vec![]).await;
    assert!(matches!(told, Err(Error::Ended(Cause::DeadlineExceeded))), "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    place.remove().await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_happened() {
    let place = Place::new();
    let store = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    let schema = place.schema();
    // What the server says when it cannot make a file longer.
    place
        .run(&format!(
            "CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
             CREATE TRIGGER full_disk BEFORE INSERT ON {schema}.product FOR EACH ROW EXECUTE FUNCTION {schema}.full()"
        ))
        .await;
    let told = insert(&place, &store, vec![old(1)]).await;
    assert!(
        matches!(&told, Err(Error::Unavailable(words)) if words.contains("free or add space")),
        "{told:?}"
    );
    place.run(&format!("DROP TRIGGER full_disk ON {schema}.product")).await;
    // Neither a row nor a trace of one, and the connection serves on.
    assert_eq!(store.connections(), 1);
    insert(&place, &store, vec![old(1)]).await.unwrap();
    place.remove().await;
}

#[tokio::test]
async fn a_server_that_takes_no_more_writes_is_unavailable_and_reads_go_on() {
    let place = Place::new();
    let store = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    insert(&place, &store, vec![old(1)]).await.unwrap();
    store.close(&place.ctx).await.unwrap();
    // A role that may only read, as on a server that was made read-only while the service runs.
    let role = format!("reader_{}", place.ctx.uuid().simple());
    place.run(&format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'reader'")).await;
    let url = url();
    let (_, server) = url.split_once('@').unwrap();
    let store = opened(&place, &format!("postgres://{role}:reader@{server}")).await.unwrap();
    place.run(&format!("ALTER ROLE {role} SET default_transaction_read_only = on")).await;
    let end =
        format!("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usename = '{role}'");
    place.texts(&end).await;
    let told = loop {
        match insert(&place, &store, vec![old(2)]).await {
            Err(Error::Unavailable(words)) if words.contains("takes no writes") => break words,
            // The connection that was ended.
            Err(Error::Unavailable(_) | Error::Unknown(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(told.contains("read-only"), "{told}");
    let dynamic: std::sync::Arc<dyn Store> = store.clone();
    let found = staffa_storage::Repository::<Old>::new(&dynamic).find(&place.ctx, 1).await;
    assert_eq!(found.unwrap().map(|found| found.value), Some(old(1)));
    store.close(&place.ctx).await.unwrap();
    place.run(&format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP ROLE {role}")).await;
    place.remove().await;
}
