//! The page without a mouse.
use serde_json::Value;

use crate::browser::{ENTER, SPACE, TAB};
use crate::data::stocked;
use crate::page::{HEART, Page, serve};
use crate::soon::soon;

/// More stops than the page has.
const STOPS_MAX: usize = 120;

/// Where the focus is: a name for it, and whether it can be seen there. A control that is drawn by what is beside it
/// shows the focus there.
const FOCUSED: &str = "const it = document.activeElement;
    const style = getComputedStyle(it);
    const drawn = style.opacity === '0' ? getComputedStyle(it.nextElementSibling) : style;
    const box = (style.opacity === '0' ? it.nextElementSibling : it).getBoundingClientRect();
    const seen = drawn.outlineStyle !== 'none' && parseFloat(drawn.outlineWidth) >= 2
        && box.bottom > 0 && box.top < innerHeight && box.width > 0;
    return { name: it.dataset.testid ?? it.id, text: it.innerText ?? '', seen, tag: it.tagName };";

/// Presses Tab; gives where that leads, where the focus must be seen.
#[track_caller]
fn tab(page: &Page) -> String {
    page.press(TAB);
    let at = page.run(FOCUSED, &[]);
    let name = at["name"].as_str().unwrap_or_default().to_owned();
    assert!(at["seen"] == Value::Bool(true) || at["tag"] == "BODY", "the focus is not seen: {at}");
    name
}

/// Presses Tab until the focus is there; gives the stops on the way.
#[track_caller]
fn tab_to(page: &Page, name: &str) -> Vec<String> {
    let mut stops = Vec::new();
    for _ in 0..STOPS_MAX {
        let stop = tab(page);
        let is_there = stop == name;
        stops.push(stop);
        if is_there {
            return stops;
        }
    }
    panic!("no way to `{name}` by Tab: {stops:?}");
}

#[test]
fn an_order_is_placed_and_shipped_by_keyboard_alone() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    tab_to(&page, "search");
    page.type_keys("white hanging heart");
    page.press(ENTER);
    soon("the product", || (page.codes().first()? == HEART).then_some(()));
    tab_to(&page, "add");
    page.press(ENTER);
    page.total();
    let stops = tab_to(&page, "place");
    for stop in ["country", "coupon"] {
        assert!(stops.iter().any(|it| it == stop), "{stops:?}");
    }
    page.press(ENTER);
    page.order_is("reserved");
    tab_to(&page, "order-pack");
    page.press(SPACE);
    page.order_is("packed");
    // The button that took the order here is gone, and the next one is near.
    tab_to(&page, "order-ship");
    page.press(SPACE);
    page.order_is("shipped");
    assert_eq!(shop.orders().len(), 1);
    shop.stop();
}

#[test]
fn every_stop_of_the_page_shows_the_focus() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "2");
    page.total();
    // The next stop is the first one after this.
    page.click("h1");
    let mut stops = Vec::new();
    for _ in 0..STOPS_MAX {
        let stop = tab(&page);
        if stop.is_empty()
            && !stops.is_empty()
            && page.run("return document.activeElement === document.body", &[]) == true
        {
            break;
        }
        stops.push(stop);
    }
    assert!(stops.len() < STOPS_MAX, "no end: {stops:?}");
    for stop in [
        "search",
        "browse",
        "slow-switch",
        "add",
        "country",
        "coupon",
        "place",
        "compare",
        "box-turn",
        "box-units",
    ] {
        assert!(stops.iter().any(|it| it == stop), "no `{stop}`: {stops:?}");
    }
    shop.stop();
}
