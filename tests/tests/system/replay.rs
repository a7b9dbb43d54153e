//! `shop replay`: the file's invoices as orders, reconciled to the penny, whatever is killed on the way.
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::data::{Sold, first_invoices, real_file, real_text, stocked, stocked_from};
use crate::http;
use crate::orders::{CODE, basket, id};
use crate::program::{self, Ended, run};
use crate::shop::{Shop, shop};
use crate::soon::soon;

/// How many invoices the file has that is replayed under fire.
const CUT: usize = 300;

fn replay(file: &Path, url: &str, data: &Path) -> Command {
    let mut command = shop(&["replay", "--concurrency", "8", "--url", url]);
    command.arg(file).arg("--data").arg(data);
    command
}

/// It ended well, and what the services hold is what the file says.
#[track_caller]
fn reconciled(ended: &Ended, expect: &Sold, others: usize) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let row = |name: &str| -> Vec<&str> {
        let line = ended.out.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}: {ended:?}")).split_whitespace().skip(1).collect()
    };
    let (orders, lines, goods) = (expect.orders.to_string(), expect.lines.to_string(), expect.goods());
    assert_eq!(row("orders"), [orders.as_str(), orders.as_str()], "{ended:?}");
    assert_eq!(row("lines"), [lines.as_str(), lines.as_str()], "{ended:?}");
    let [amount, currency] = goods.split(' ').collect::<Vec<_>>()[..] else { panic!("{goods}") };
    assert_eq!(row("goods"), [amount, currency, amount, currency], "{ended:?}");
    let units = row("units");
    assert!(units.len() == 2 && units[0] == units[1], "{ended:?}");
    assert!(ended.out.contains(&format!("\nother orders: {others}\n")), "{ended:?}");
    assert!(ended.out.ends_with("\nreconciled\n"), "{ended:?}");
}

fn order_count(shop: &Shop) -> usize {
    shop.orders().len()
}

#[test]
fn the_real_file_reconciles_to_the_penny_and_a_second_replay_adds_nothing() {
    let expect = Sold::of(real_text());
    assert_eq!((expect.orders, expect.lines, expect.pence), (1_455, 38_640, 75_568_743));
    let data = stocked();
    let shop = Shop::start(data.path());
    let other = shop.order("A-1", &basket(CODE, 3));
    shop.becomes(id(&other), "reserved");

    let command = || replay(&real_file(), &shop.url(), data.path());
    reconciled(&run(&mut command()), &expect, 1);
    let orders = shop.orders();
    assert_eq!(orders.len(), 1_456);

    reconciled(&run(&mut command()), &expect, 1);
    assert_eq!(shop.orders(), orders, "a second replay changes nothing");
    shop.stop();
}

#[test]
fn a_replay_whose_client_is_killed_is_run_again_and_comes_to_the_same() {
    let text = first_invoices(CUT);
    let (data, file) = stocked_from(&text);
    let shop = Shop::start(data.path());
    let mut client = program::start(&mut replay(&file, &shop.url(), data.path()));
    soon("some orders", || (order_count(&shop) >= CUT / 6).then_some(()));
    client.kill().unwrap();
    assert_eq!(program::end(&mut client).code, None);
    let some = order_count(&shop);
    assert!(some < Sold::of(&text).orders, "it was killed in the middle: {some}");

    reconciled(&run(&mut replay(&file, &shop.url(), data.path())), &Sold::of(&text), 0);
    shop.stop();
}

#[test]
fn a_replay_whose_server_is_killed_is_run_again_and_comes_to_the_same() {
    let text = first_invoices(CUT);
    let (data, file) = stocked_from(&text);
    let shop = Shop::start(data.path());
    let (url, port) = (shop.url(), shop.http.port().to_string());
    let mut client = program::start(&mut replay(&file, &url, data.path()));
    let mut running = shop;
    for part in 1..=3 {
        soon("some orders", || (order_count(&running) >= part * CUT / 6).then_some(()));
        running.kill();
        // The client meets nobody for a while, and goes on when the server is back at its address.
        running = Shop::start_with(data.path(), &["--set", &format!("http.bind=127.0.0.1:{port}")]);
        let some = order_count(&running);
        assert!(some < Sold::of(&text).orders, "it was killed in the middle: {some}");
    }
    program::end(&mut client);
    reconciled(&run(&mut replay(&file, &url, data.path())), &Sold::of(&text), 0);
    running.stop();
}

#[test]
fn a_replay_that_finds_nobody_says_so_and_fails() {
    let (data, file) = stocked_from(&first_invoices(30));
    let shop = Shop::start(data.path());
    let url = shop.url();
    shop.stop();
    let ended = run(&mut replay(&file, &url, data.path()));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("run it again when the services are back"), "{ended:?}");
}

#[test]
fn a_replay_without_the_token_says_where_it_looked() {
    let (data, file) = stocked_from(&first_invoices(3));
    let nowhere = data.path().join("nowhere");
    let ended = run(&mut replay(&file, "http://127.0.0.1:9", &nowhere));
    ended.refused(&["token", "agreed-prices.token"]);
}

#[test]
fn an_order_that_the_stock_cannot_fill_is_rejected_and_takes_nothing() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let before = shop.stock(CODE);
    let placed = shop.order("short", &basket(CODE, before.0 + 1));
    let rejected = shop.becomes(id(&placed), "rejected");
    let why = rejected["value"]["steps"][1]["why"].as_str().unwrap();
    assert!(why.contains("not enough stock") && why.contains(CODE), "{why}");
    assert_eq!(shop.stock(CODE), before);
    let answer = shop.step(id(&placed), "pack");
    answer.problem(409, "conflict", "an order that is rejected cannot become packed");
    shop.stop();
}

#[test]
fn a_cancelled_orders_stock_comes_back_and_a_shipped_ones_leaves() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let (all, _) = shop.stock(CODE);
    let one = shop.order("one", &basket(CODE, 5));
    let two = shop.order("two", &basket(CODE, 7));
    shop.becomes(id(&one), "reserved");
    shop.becomes(id(&two), "reserved");
    shop.stock_becomes(CODE, (all - 12, 12));

    assert_eq!(shop.step(id(&one), "cancel").good()["value"]["state"], "cancelled");
    shop.stock_becomes(CODE, (all - 7, 7));
    shop.step(id(&two), "ship").problem(409, "conflict", "an order that is reserved cannot become shipped");
    assert_eq!(shop.step(id(&two), "pack").good()["value"]["state"], "packed");
    assert_eq!(shop.step(id(&two), "ship").good()["value"]["state"], "shipped");
    shop.stock_becomes(CODE, (all - 7, 0));
    shop.step(id(&two), "cancel").problem(
        409,
        "conflict",
        "an order that is shipped cannot become cancelled",
    );
    shop.stop();
}

#[test]
fn an_order_and_its_effects_outlive_a_kill() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let (all, reserved) = shop.stock(CODE);
    let basket = basket(CODE, 4);
    let order = json!({ "basket": basket, "quoted": shop.quoted(&basket), "reference": "kept" });
    let placed = shop.place("kept", &order);
    let placed = placed.good();
    // Its event may still be on its way.
    shop.kill();

    let shop = Shop::start(data.path());
    shop.becomes(id(&placed), "reserved");
    shop.stock_becomes(CODE, (all - 4, reserved + 4));
    let again = shop.place("kept", &order);
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
    assert_eq!(again.good(), placed, "the kept answer");
    assert_eq!(http::get(shop.http, "/orders?limit=10").good()["items"].as_array().unwrap().len(), 1);
    shop.stop();
}
