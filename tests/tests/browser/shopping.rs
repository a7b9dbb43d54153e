//! From the search to the van.
use serde_json::{Value, json};

use crate::data::stocked;
use crate::orders::id;
use crate::page::{DOORMAT, HEART, LANTERN, Page, serve};
use crate::shop::Shop;
use crate::soon::soon;

/// Notes each state of the order that the page shows, once, in `seen`.
const NOTE_STATES: &str = "window.seen = [];
    const note = () => {
        const state = document.querySelector('[data-testid=order-state]')?.dataset.state;
        if (state && state !== seen.at(-1)) seen.push(state);
    };
    new MutationObserver(note).observe(document.getElementById('order-now'), { childList: true, subtree: true });";

fn the_server_quotes(shop: &Shop, basket: &Value) -> Value {
    shop.post("/quotes", &[], basket).good()["totals"]["total"].take()
}

#[test]
fn browsing_by_description_code_and_price_page_by_page() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    assert_eq!(page.codes().len(), 20);
    page.search("description", "white");
    let first = page.codes();
    assert_eq!((first.len(), page.found().as_str()), (20, "20 products, and there are more"));
    page.click("[data-testid=more]");
    soon("the next page", || (page.codes().len() > 20).then_some(()));
    let names = page.texts("[data-testid=product] .name");
    assert!(names.iter().all(|name| name.to_lowercase().starts_with("white")), "{names:?}");
    assert_eq!(page.codes()[..20], first, "what was shown stays");
    let mut all = page.codes();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), names.len(), "no product comes twice");

    page.search("code", HEART);
    assert_eq!(page.codes(), [HEART]);
    page.click("label:has(input[value=price])");
    page.fill("[data-testid=price-from]", "2.50");
    page.fill("[data-testid=price-to]", "2.55");
    page.click("[data-testid=browse]");
    page.found();
    soon("products at these prices", || (page.codes().len() == 20).then_some(()));
    let prices = page.texts("[data-testid=product] .price");
    assert!(
        prices.iter().all(|price| (2.5..=2.55).contains(&price[2..].parse::<f64>().unwrap())),
        "{prices:?}"
    );
    page.search("description", "no product is called so");
    assert_eq!(page.found(), "Nothing is called so. Try fewer letters.");
    page.is_content();
    shop.stop();
}

#[test]
fn an_order_from_the_basket_to_the_van() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "6");
    page.total();
    page.add(LANTERN, "12");
    page.total();
    page.add(DOORMAT, "2");
    let at_home = page.total();
    let lines = |hearts: i64| json!([{ "code": HEART, "quantity": hearts }, { "code": LANTERN, "quantity": 12 }, { "code": DOORMAT, "quantity": 2 }]);
    let basket = json!({ "lines": lines(6), "country": "United Kingdom" });
    assert_eq!(at_home, the_server_quotes(&shop, &basket));
    page.says("[data-testid=quote-made]", "Computed in this browser in ");
    page.says("[data-testid=box-caption]", "Box 1 of ");
    page.sees("[data-testid=box] polygon.c0.top");

    page.change_quantity(HEART, "30");
    page.total();
    page.choose_country("France");
    page.total();
    page.enter_coupon("BASALT10");
    let abroad = page.total();
    let basket = json!({ "lines": lines(30), "country": "France", "coupon": "BASALT10" });
    assert_eq!(abroad, the_server_quotes(&shop, &basket));
    assert_ne!(abroad, at_home);
    page.click("[data-testid=compare]");
    let compared = page.says("[data-testid=compared][data-same=yes]", "byte for byte");
    assert!(compared.starts_with("The server came to the same quote"), "{compared}");
    assert_eq!(page.total(), abroad);

    page.run(NOTE_STATES, &[]);
    let order = page.order();
    page.sees("#basket-empty");
    page.click("[data-testid=order-pack]");
    page.order_is("packed");
    page.click("[data-testid=order-ship]");
    page.order_is("shipped");
    assert_eq!(page.run("return seen", &[]), json!(["placed", "reserved", "packed", "shipped"]));
    assert_eq!(page.texts("#order-now .way b"), ["Placed", "Reserved", "Packed", "Shipped"]);
    let orders = shop.orders();
    let [held] = orders.as_slice() else { panic!("{orders:#?}") };
    assert_eq!((id(held), &held["value"]["state"]), (order.as_str(), &json!("shipped")));
    assert_eq!(held["value"]["totals"]["total"], abroad);

    page.reload();
    page.is_there();
    page.click(&format!("[data-testid=recent-order][data-id='{order}']"));
    page.order_is("shipped");
    page.is_content();
    shop.stop();
}

#[test]
fn what_others_do_to_an_order_is_seen_live() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    let before = shop.stock(HEART);
    page.add(HEART, "4");
    let order = page.order();
    shop.stock_becomes(HEART, (before.0 - 4, before.1 + 4));
    shop.step(&order, "pack").good();
    page.order_is("packed");
    shop.step(&order, "cancel").good();
    page.order_is("cancelled");
    shop.stock_becomes(HEART, before);
    shop.stop();
}

#[test]
fn an_order_that_finds_too_little_stock_says_so() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "50000");
    page.says("[data-testid=box-caption]", "as bulk");
    page.total();
    page.click("[data-testid=place]");
    page.order_is("rejected");
    page.says("#order-now .why", "85123A");
    shop.stop();
}
