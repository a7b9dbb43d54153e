//! What goes wrong is said, and can be tried again.
use serde_json::json;

use crate::browser::Browser;
use crate::data::stocked;
use crate::page::{HEART, Page, serve, serve_again};

/// The browser's clock is so slow: more than a quote may be old.
const SLOW_CLOCK: &str = "const now = Date.now; Date.now = () => now() - 16 * 60 * 1000;";

const BANNER: &str = "[data-testid=error-banner]";

#[test]
fn a_server_that_is_away_is_told_and_tried_again() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let address = shop.http;
    let page = Page::open(&shop);
    page.search("description", "white");
    let codes = page.codes();
    shop.kill();

    page.click("[data-testid=browse]");
    let words = page.says(BANNER, "The products did not come");
    assert!(words.contains("server is away or too busy. Is it running?"), "{words}");
    assert_eq!(page.codes(), codes, "what was there stays");
    // Still away, and still said.
    page.click("[data-testid=retry]");
    page.says(BANNER, "The products did not come");

    let shop = serve_again(data.path(), address);
    page.click("[data-testid=retry]");
    page.loses(BANNER);
    page.found();
    assert_eq!(page.codes(), codes);
    shop.stop();
}

#[test]
fn an_order_that_met_a_dead_server_is_placed_once_when_it_is_back() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let address = shop.http;
    let page = Page::open(&shop);
    page.add(HEART, "2");
    page.total();
    shop.kill();
    page.click("[data-testid=place]");
    page.says(BANNER, "The order was not placed");
    page.click("[data-testid=retry]");
    page.says(BANNER, "The order was not placed");

    let shop = serve_again(data.path(), address);
    page.click("[data-testid=retry]");
    page.order_is("reserved");
    page.loses(BANNER);
    assert_eq!(shop.orders().len(), 1);
    shop.stop();
}

#[test]
fn an_order_that_is_watched_is_found_again_after_a_restart() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let address = shop.http;
    let page = Page::open(&shop);
    page.add(HEART, "2");
    let order = page.order();
    shop.kill();
    let shop = serve_again(data.path(), address);
    shop.becomes(&order, "reserved");
    shop.step(&order, "pack").good();
    // The stream takes itself up again, or the page says that it broke and offers to.
    if !crate::soon::soon("the stream or the words", || {
        let packed = page.is_visible("[data-testid=order-state][data-state=packed]");
        (packed || page.is_visible(BANNER)).then_some(packed)
    }) {
        page.click("[data-testid=retry]");
    }
    page.order_is("packed");
    shop.stop();
}

#[test]
fn a_basket_that_cannot_be_quoted_says_why() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "2");
    let good = page.total();
    for (quantity, words) in
        [("0", "quantity"), ("-3", "quantity"), ("100001", "quantity"), ("1.5", "whole number")]
    {
        page.change_quantity(HEART, quantity);
        page.says("[data-testid=no-quote]", words);
        assert!(!page.is_visible("[data-testid=place]"), "{quantity}");
    }
    page.change_quantity(HEART, "2");
    assert_eq!(page.total(), good);
    for (coupon, words) in [("XMAS2010", "XMAS2010"), ("NO-SUCH", "NO-SUCH")] {
        page.enter_coupon(coupon);
        page.says("[data-testid=no-quote]", words);
    }
    page.enter_coupon("");
    assert_eq!(page.total(), good);
    page.click("label:has(input[value=price])");
    page.fill("[data-testid=price-from]", "cheap");
    page.click("[data-testid=browse]");
    page.says(BANNER, "a price is a number");
    assert!(!page.is_visible("[data-testid=retry]"), "to try the same again would not help");
    shop.stop();
}

#[test]
fn a_stale_quote_comes_back_as_a_new_one_that_can_be_taken() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let browser = Browser::start();
    browser.tool("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": SLOW_CLOCK }));
    let page = Page::open_in(browser, &shop);
    page.add(HEART, "2");
    page.total();
    page.click("[data-testid=place]");
    page.says("[data-testid=stale]", "older than 15 minutes");
    assert!(shop.orders().is_empty());
    page.click("[data-testid=accept]");
    page.order_is("reserved");
    assert_eq!(shop.orders().len(), 1);
    shop.stop();
}

/// What no allocator can give is a bug's request: the program traps.
const TRAP: &str = "import('./shop_web.js').then(({ default: init }) => init())
    .then((program) => setTimeout(() => program.__wbindgen_malloc(1, 3)))";

#[test]
fn a_program_that_traps_is_told() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.run(TRAP, &[]);
    page.says("[data-testid=stopped-banner]", "met a bug and has stopped");
    shop.stop();
}
