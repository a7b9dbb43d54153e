//! Services in processes of their own, joined by URLs and by a bus.
use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::data::{first_invoices, stocked_from};
use crate::orders::{CODE, basket, id, token};
use crate::program::run;
use crate::shop::Shop;

/// What `cargo xtask test` says.
fn said(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: this is run by `cargo xtask test`"))
}

/// A bus of this test's own: the path of its URL is a name.
fn own_bus() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    format!("{}/apart_{}_{now}", said("STAFFA_TEST_NATS"), std::process::id())
}

/// Some of the services as a process, with data of its own.
#[track_caller]
fn start(services: &str, data: &Path, bus: &str, more: &[&str]) -> Shop {
    let mut command = Command::new(said("STAFFA_TEST_SHOP_WHOLE"));
    command.args(["serve", "--port", "0", "--admin-port", "0", "--set", "log.format=json"]);
    command.args(["--service", services, "--bus", bus, "--data"]).arg(data).args(more);
    Shop::run(command.env_clear().current_dir(env::temp_dir()))
}

#[test]
fn services_in_three_processes_reserve_once_whatever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = |name: &str| folder.path().join(name);
    let bus = own_bus();
    let catalog = start("catalog", &data("catalog"), &bus, &[]);
    let at = format!("services.catalog={}", catalog.url());
    let orders = start("quote,orders", &data("orders"), &bus, &["--set", &at]);
    let inventory = start("inventory", &data("inventory"), &bus, &[]);
    let (available, reserved) = inventory.stock(CODE);
    assert_eq!(reserved, 0);

    let first = orders.order("first", &basket(CODE, 2));
    orders.becomes(id(&first), "reserved");
    inventory.stock_becomes(CODE, (available - 2, 2));

    // Killed with orders in its hands, and away while more come: they wait for it.
    let order = json!({ "basket": basket(CODE, 3), "token": token(&data("orders")) });
    let place = |key: String| id(&orders.place(&key, &order).good()).to_owned();
    let mut placed: Vec<String> = (0..10).map(|n| place(format!("before-{n}"))).collect();
    inventory.kill();
    placed.extend((0..10).map(|n| place(format!("away-{n}"))));
    let inventory = start("inventory", &data("inventory"), &bus, &[]);
    placed.iter().for_each(|id| drop(orders.becomes(id, "reserved")));
    inventory.stock_becomes(CODE, (available - 62, 62));

    // The same on the other side: what is answered to it waits, too.
    let last = place("last".to_owned());
    orders.kill();
    let orders = start("quote,orders", &data("orders"), &bus, &["--set", &at]);
    orders.becomes(&last, "reserved");
    inventory.stock_becomes(CODE, (available - 65, 65));

    // A cancelled order is given back, and nothing was taken twice.
    orders.step(&last, "cancel").good();
    inventory.stock_becomes(CODE, (available - 62, 62));
    assert_eq!(orders.orders().len(), 22);
    [orders, inventory, catalog].into_iter().for_each(Shop::stop);
}

/// How many invoices of the real file are replayed.
const INVOICES: usize = 30;

#[test]
fn a_replay_reconciles_over_services_in_three_processes() {
    let (data, file) = stocked_from(&first_invoices(INVOICES));
    let (data, bus) = (data.path(), own_bus());
    let catalog = start("catalog", data, &bus, &[]);
    let at = format!("services.catalog={}", catalog.url());
    let orders = start("quote,orders", data, &bus, &["--set", &at]);
    let inventory = start("inventory", data, &bus, &[]);
    let mut replay = Command::new(said("STAFFA_TEST_SHOP_WHOLE"));
    replay.args(["replay", "--orders", &orders.url(), "--inventory", &inventory.url(), "--data"]);
    let ended = run(replay.arg(data).arg(&file).env_clear());
    assert!(ended.code == Some(0) && ended.out.ends_with("\nother orders: 0\nreconciled\n"), "{ended:?}");
    [orders, inventory, catalog].into_iter().for_each(Shop::stop);
}
