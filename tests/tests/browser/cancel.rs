//! A visitor presses Cancel, and the statement stops in the store.
use std::time::{Duration, Instant};

use crate::data::stocked;
use crate::http;
use crate::page::{Page, Row, serve};
use crate::shop::Shop;
use crate::soon::soon;

/// The slow statement takes longer than this on any machine.
const STOPPED: Duration = Duration::from_secs(3);

/// How many requests for products the catalogue has in hand.
fn in_hand(shop: &Shop) -> u64 {
    let metrics = http::get(shop.admin, "/metrics").text();
    let of_route = r#"route="/products"}"#;
    let mut lines = metrics.lines().filter(|line| line.starts_with("http_server_requests_in_flight{"));
    let line = lines.find(|line| line.contains(of_route)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn cancel_stops_the_statement_in_the_store_and_the_panel_says_why() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.click(".switch:has([data-testid=slow-switch])");
    page.click("[data-testid=browse]");
    soon("the request in hand", || (in_hand(&shop) == 1).then_some(()));
    let pressed = Instant::now();
    page.click("[data-testid=cancel]");
    assert_eq!(page.says("[data-testid=found]", "Cancelled"), page.found());
    page.loses("[data-testid=cancel]");

    page.behind("slow statement");
    // The store's own part is told when its thread has stopped, and the page asks again.
    let rows = soon("the store's part", || {
        let rows = page.rows();
        rows.iter().any(|row| row.name.starts_with("sqlite read")).then_some(rows)
    });
    soon("nothing in hand", || (in_hand(&shop) == 0).then_some(()));
    eprintln!("from Cancel to a store at rest and the panel that says so: {:?}", pressed.elapsed());
    let of = |service: &str, name: &str| {
        let found = rows.iter().find(|row| row.service == service && row.name.starts_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {service}: {rows:#?}"))
    };
    for stopped in
        [of("catalog", "GET /products"), of("catalog", "slow statement"), of("catalog", "sqlite read")]
    {
        assert!(stopped.reason.contains("the client went away"), "{rows:#?}");
        assert!(Duration::from_micros(Row::micros(&stopped.took)) < STOPPED, "{rows:#?}");
    }
    let store = of("catalog", "sqlite read");
    assert!(store.reason.starts_with("stopped in the store"), "{rows:#?}");
    assert!(store.notes.contains("ended client_gone") && store.notes.contains("run_us"), "{rows:#?}");
    assert!(of("page", "browse").reason.contains("the visitor pressed Cancel"), "{rows:#?}");
    assert!(!page.is_visible("[data-testid=error-banner]"), "the visitor's own wish is no error");

    // The same page browses on at once.
    page.click(".switch:has([data-testid=slow-switch])");
    page.search("description", "white");
    assert_eq!(page.codes().len(), 20);
    shop.stop();
}
