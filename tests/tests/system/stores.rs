//! Stores that are migrated, frozen and moved, while the shop runs and its clients go on.
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::stocked;
use crate::http::{self, Answer, Connection};
use crate::orders::{CODE, basket, id, token};
use crate::program::{self, Ended, run};
use crate::shop::{Shop, shop};
use crate::soon::soon;

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.display())
}

fn command(words: &[&str], store: &str) -> Ended {
    run(shop(words).args(["--store", store]))
}

/// A command that must go well; what it told.
#[track_caller]
fn done(words: &[&str], store: &str) -> String {
    let ended = command(words, store);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.out
}

fn copy(from: &str, to: &str) -> Command {
    let mut command = shop(&["store", "copy", "--verify"]);
    command.args(["--from", from, "--to", to]);
    command
}

/// A shop with an order in each state of its events, stopped.
fn with_orders(orders: usize) -> TempDir {
    let data = stocked();
    let shop = Shop::start(data.path());
    for n in 0..orders {
        let order = shop.order(&format!("first-{n}"), &basket(CODE, 1));
        shop.becomes(id(&order), "reserved");
    }
    shop.stop();
    data
}

#[test]
fn a_frozen_shop_answers_writes_503_and_reads_as_before() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let store = url(data.path());
    let before = shop.order("before", &basket(CODE, 1));
    shop.becomes(id(&before), "reserved");
    let quoted = shop.quoted(&basket(CODE, 2));

    assert_eq!(done(&["freeze"], &store).matches(": frozen\n").count(), 3);
    assert_eq!(done(&["freeze"], &store).matches(": was frozen already\n").count(), 3, "twice is harmless");
    let order = json!({ "basket": basket(CODE, 2), "quoted": quoted, "reference": "meanwhile" });
    let answer = shop.place("meanwhile", &order);
    answer.problem(503, "unavailable", "changes are paused for maintenance");
    let seconds: Option<u64> = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{answer:?}");
    shop.step(id(&before), "pack").problem(503, "unavailable", "paused");
    assert_eq!(shop.get(&format!("/orders/{}", id(&before))).good()["value"]["state"], "reserved");
    assert_eq!(http::get(shop.admin, "/readyz").status, 200, "readers are served");

    assert_eq!(done(&["thaw"], &store).matches(": thawed\n").count(), 3);
    let placed = shop.place("meanwhile", &order).good();
    shop.becomes(id(&placed), "reserved");
    assert_eq!(done(&["thaw"], &store).matches(": was not frozen\n").count(), 3);
    shop.stop();
}

#[test]
fn a_pause_outlives_the_shop() {
    let data = with_orders(1);
    done(&["freeze"], &url(data.path()));
    let shop = Shop::start(data.path());
    let order = json!({ "basket": basket(CODE, 1), "token": token(data.path()) });
    shop.place("still", &order).problem(503, "unavailable", "paused");
    done(&["thaw"], &url(data.path()));
    shop.becomes(id(&shop.place("still", &order).good()), "reserved");
    shop.stop();
}

/// One order until it is taken, whatever is paused or away meanwhile.
fn place_patiently(address: SocketAddr, key: &str, order: &Value) -> Value {
    let bytes = http::request(
        "POST",
        "/orders",
        &[http::JSON, ("idempotency-key", key)],
        Some(order.to_string().as_bytes()),
    );
    let answered = || -> Option<Answer> { Connection::open(address).ok()?.call(&bytes).ok()? };
    soon("an order that is taken", || {
        let answer = answered();
        if let Some(answer) = answer.as_ref().filter(|answer| answer.status == 200) {
            return Some(answer.json());
        }
        let passing = answer.is_none_or(|answer| answer.status >= 500);
        assert!(passing, "an order is refused for good");
        thread::sleep(Duration::from_millis(20));
        None
    })
}

#[test]
fn a_client_that_retries_while_the_shop_moves_loses_nothing_and_doubles_nothing() {
    let old = stocked();
    let new = tempfile::tempdir().unwrap();
    let shop = Shop::start(old.path());
    let address = shop.http;
    let order = json!({ "basket": basket(CODE, 1), "token": token(old.path()) });
    let moved = AtomicBool::new(false);
    let placing = |client: usize| {
        let mut placed = Vec::new();
        // They go on until some orders were placed at the new place.
        let mut left = 10;
        while left > 0 {
            left -= usize::from(moved.load(Ordering::Acquire));
            let key = format!("client-{client}-{}", placed.len());
            placed.push(id(&place_patiently(address, &key, &order)).to_owned());
        }
        placed
    };
    let placed: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|client| scope.spawn(move || placing(client))).collect();
        soon("some orders", || (shop.orders().len() >= 40).then_some(()));
        done(&["freeze"], &url(old.path()));
        let ended = run(&mut copy(&url(old.path()), &url(new.path())));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        shop.stop();
        let bind = format!("http.bind={address}");
        let shop = Shop::start_with(old.path(), &["--store", &url(new.path()), "--set", &bind]);
        moved.store(true, Ordering::Release);
        let placed = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let there: BTreeSet<String> = shop.orders().iter().map(|order| id(order).to_owned()).collect();
        assert_eq!(there, BTreeSet::from_iter(Vec::clone(&placed)), "each order once");
        there.iter().for_each(|id| drop(shop.becomes(id, "reserved")));
        let first = shop.stock(CODE).1;
        assert_eq!(usize::try_from(first).unwrap(), there.len(), "each took its stock once");
        shop.stop();
        placed
    });
    assert_eq!(
        BTreeSet::from_iter(placed.iter()).len(),
        placed.len(),
        "no key was answered with another's order"
    );
}

#[test]
fn a_copy_that_is_killed_goes_on_and_is_the_same() {
    let data = with_orders(3);
    let to = tempfile::tempdir().unwrap();
    let (from, to) = (url(data.path()), url(to.path()));
    done(&["freeze"], &from);
    let mut copying = program::start(&mut copy(&from, &to));
    let begun = Path::new(to.strip_prefix("sqlite:").unwrap()).join("catalog.sqlite");
    soon("a copy that has begun", || begun.exists().then_some(()));
    copying.kill().unwrap();
    program::end(&mut copying);

    let ended = run(&mut copy(&from, &to));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("orders: 3 order, "), "{ended:?}");
    assert!(ended.out.ends_with("copied, and verified\n"), "{ended:?}");
    let again = run(&mut copy(&from, &to));
    assert_eq!((again.code, again.out), (ended.code, ended.out), "a whole one is compared again");
}

#[test]
fn copies_that_would_harm_are_refused_and_touch_nothing() {
    let data = with_orders(1);
    let other = with_orders(2);
    let (from, to) = (url(data.path()), url(other.path()));
    let empty = tempfile::tempdir().unwrap();
    let refused = |from: &str, to: &str, words: &[&str]| run(&mut copy(from, to)).refused(words);
    refused(&from, &url(empty.path()), &["the source is not frozen", "shop freeze"]);
    assert_eq!(empty.path().read_dir().unwrap().count(), 0, "nothing was made");
    refused(&from, &format!("{from}/../{}", data.path().file_name().unwrap().display()), &["the same place"]);
    done(&["freeze"], &from);
    refused(&from, &to, &["catalog", "the target has other data (product)"]);
    refused("memory:", &to, &["`memory:` is its own process's alone"]);
    refused(&url(&empty.path().join("nowhere")), &to, &["catalog", "nowhere"]);
    refused(&from, "mysql://root:hunter2@db/shop", &["no store is known for `mysql:`"]);

    let shop = Shop::start(other.path());
    assert_eq!(shop.orders().len(), 2);
    shop.becomes(id(&shop.order("still", &basket(CODE, 1))), "reserved");
    shop.stop();
}

#[test]
fn a_part_of_a_copy_is_not_written_to() {
    let data = with_orders(1);
    let to = tempfile::tempdir().unwrap();
    done(&["freeze"], &url(data.path()));
    assert_eq!(run(&mut copy(&url(data.path()), &url(to.path()))).code, Some(0));
    // As if the copy had been cut before its end.
    done(&["freeze"], &url(to.path()));
    let shop = Shop::start_with(data.path(), &["--store", &url(to.path())]);
    let order = json!({ "basket": basket(CODE, 1), "token": token(data.path()) });
    shop.place("early", &order).problem(503, "unavailable", "paused");
    shop.stop();
}

#[test]
fn a_migration_is_printed_applied_and_then_nothing_is_left_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = url(folder.path());
    let planned = done(&["migrate", "--dry-run"], &store);
    assert!(planned.contains("-- orders: expand\nCREATE TABLE \"order\""), "{planned}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was made");
    let checked = Shop::refused(folder.path(), &["--set", "store.schema=check"]);
    checked.refused(&["catalog", "catalog.sqlite", "must exist"]);

    let applied = done(&["migrate"], &store);
    assert_eq!(applied.matches(": whole\n").count(), 3, "{applied}");
    assert_eq!(done(&["migrate", "--dry-run"], &store), "-- 0 steps\n");
    let shop = Shop::start_with(folder.path(), &["--set", "store.schema=check"]);
    assert_eq!(shop.get("/products?limit=1").status, 200);
    shop.stop();
}

#[test]
fn commands_that_cannot_be_say_what_to_do() {
    let data = with_orders(1);
    let store = url(data.path());
    let unknown = "018f0000-0000-7000-8000-000000000000";
    for decision in ["redrive", "skip"] {
        let ended = run(shop(&["events", decision, unknown, "--store"]).arg(&store));
        ended.refused(&[unknown, "`shop events list` names those that were"]);
    }
    assert_eq!(done(&["events", "list"], &store), "0 dead\n");
    let no_id = run(shop(&["events", "skip", "7", "--store"]).arg(&store));
    assert_eq!(no_id.code, Some(2), "{no_id:?}");
    for words in [&["freeze"][..], &["thaw"], &["events", "list"], &["migrate"], &["migrate", "--dry-run"]] {
        for url in ["mysql://root:hunter2@db", "data", "memory:"] {
            let ended = command(words, url);
            assert!(!ended.err.contains("hunter2"), "{ended:?}");
            ended.refused(&["catalog"]);
        }
    }
    command(&["freeze"], &url(&data.path().join("nowhere"))).refused(&["catalog", "nowhere"]);
    assert!(!data.path().join("nowhere").exists(), "nothing was made");
}
