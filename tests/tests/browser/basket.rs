//! The basket is kept in the browser.
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::data::stocked;
use crate::page::{DOORMAT, HEART, LANTERN, Page, serve};
use crate::soon::soon;

const LINES: &str = "return [...document.querySelectorAll('[data-testid=basket-line]')] \
                     .map((line) => [line.dataset.code, Number(line.querySelector('input').value)])";
/// The lines that are at rest, which may be fewer than those that are shown.
const LINES_AT_REST: &str = "return new Promise((yes) => { indexedDB.open('shop').onsuccess = ({ target: { result } }) => {
        result.transaction('basket').objectStore('basket').getAll().onsuccess = ({ target: { result: [record] } }) => {
            result.close();
            const { lines } = record ? JSON.parse(record.document) : { lines: [] };
            yes(lines.map(({ product, quantity }) => [product.code, quantity]));
        };
    }; })";
const KEPT: &str = "[data-testid=basket-kept]";

/// Changes the record of the basket, as a page of long ago would have written it: without a coupon, in the first shape.
const AGE: &str = "const open = (request) => new Promise((yes, no) => { request.onsuccess = () => yes(request.result); request.onerror = no; });
    return open(indexedDB.open('shop')).then(async (database) => {
        const store = database.transaction('basket', 'readwrite').objectStore('basket');
        const [record] = await open(store.getAll());
        const { coupon, ...first } = JSON.parse(record.document);
        Object.assign(record, { document: JSON.stringify(first), shape: 1, writer: '0000000001 int' });
        await open(store.put(record));
        database.close();
        return coupon;
    })";
const SHAPE: &str = "return new Promise((yes) => { indexedDB.open('shop').onsuccess = ({ target: { result } }) => {
        result.transaction('basket').objectStore('basket').getAll().onsuccess = ({ target: { result: [record] } }) => {
            result.close();
            yes(record.shape);
        };
    }; })";
/// What a newer page does when it opens.
const UPGRADE: &str = "return new Promise((yes, no) => {
        const now = indexedDB.open('shop');
        now.onsuccess = () => {
            now.result.close();
            const next = indexedDB.open('shop', now.result.version + 1);
            next.onsuccess = () => { next.result.close(); yes(true); };
            next.onerror = no;
        };
    })";

impl Page {
    /// Waits until these are the lines.
    #[track_caller]
    fn holds(&self, lines: &Value) {
        soon(&format!("a basket of {lines}, not {}", self.run(LINES, &[])), || {
            (self.run(LINES, &[]) == *lines).then_some(())
        });
    }

    /// Waits until these are the lines, and at rest.
    #[track_caller]
    fn keeps(&self, lines: &Value) {
        self.holds(lines);
        soon(&format!("{lines} at rest"), || (self.run(LINES_AT_REST, &[]) == *lines).then_some(()));
    }

    /// Loads it anew.
    #[track_caller]
    fn comes_again(&self) {
        self.reload();
        self.is_there();
    }
}

#[test]
fn a_reload_finds_the_basket() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "6");
    page.add(LANTERN, "12");
    page.total();
    page.choose_country("France");
    page.enter_coupon("BASALT10");
    page.change_quantity(HEART, "30");
    let total = page.total();
    let lines = json!([[HEART, 30], [LANTERN, 12]]);

    page.keeps(&lines);
    page.comes_again();
    page.holds(&lines);
    assert_eq!(page.total(), total);
    let terms = "return ['country', 'coupon'].map((id) => document.getElementById(id).value)";
    assert_eq!(page.run(terms, &[]), json!(["France", "BASALT10"]));

    page.order();
    page.comes_again();
    page.holds(&json!([]));
    page.is_content();
    shop.stop();
}

#[test]
fn tabs_lose_none_of_each_others_changes() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "3");
    page.total();
    let first = page.tab();
    page.new_tab();
    page.open(&shop.url());
    page.is_there();
    page.holds(&json!([[HEART, 3]]));
    page.add(LANTERN, "2");
    page.total();
    let second = page.tab();

    page.go_to(&first);
    page.add(DOORMAT, "1");
    let all = json!([[HEART, 3], [LANTERN, 2], [DOORMAT, 1]]);
    page.holds(&all);

    // Both at once: each click is a change of its own.
    let clicks = "const add = document.querySelector('[data-testid=add]'); for (let at = 0; at < 20; at++) add.click()";
    page.go_to(&second);
    page.search("code", HEART);
    page.run(clicks, &[]);
    page.go_to(&first);
    page.search("code", HEART);
    page.run(clicks, &[]);
    page.keeps(&json!([[HEART, 43], [LANTERN, 2], [DOORMAT, 1]]));
    page.comes_again();
    page.holds(&json!([[HEART, 43], [LANTERN, 2], [DOORMAT, 1]]));
    page.is_content();
    shop.stop();
}

#[test]
fn a_basket_of_the_first_shape_is_lifted() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "4");
    page.enter_coupon("BASALT10");
    page.total();
    soon("a coupon that is kept", || (page.run(AGE, &[]) == "BASALT10").then_some(()));
    assert_eq!(page.run(SHAPE, &[]), 1);

    page.comes_again();
    page.holds(&json!([[HEART, 4]]));
    page.total();
    assert_eq!(page.run("return document.getElementById('coupon').value", &[]), "");
    page.change_quantity(HEART, "5");
    page.total();
    soon("the second shape", || (page.run(SHAPE, &[]) == 2).then_some(()));
    page.comes_again();
    page.holds(&json!([[HEART, 5]]));
    page.is_content();
    shop.stop();
}

#[test]
fn without_indexeddb_the_page_goes_on_and_says_so() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let browser = Browser::start();
    let none = "Object.defineProperty(globalThis, 'indexedDB', { value: undefined })";
    browser.tool("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": none }));
    let page = Page::open_in(browser, &shop);
    page.says(KEPT, "gives the page no IndexedDB");
    page.add(HEART, "4");
    page.total();
    page.add(HEART, "1");
    page.holds(&json!([[HEART, 5]]));
    page.order();
    page.is_content();
    shop.stop();
}

#[test]
fn a_newer_page_in_another_tab_is_told() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "4");
    page.total();
    assert_eq!(page.run(UPGRADE, &[]), true);
    page.add(HEART, "1");
    page.says(KEPT, "reload this page");
    page.holds(&json!([[HEART, 5]]));
    page.total();
    page.comes_again();
    page.holds(&json!([[HEART, 4]]));
    page.loses(KEPT);
    shop.stop();
}

#[test]
fn a_browser_without_room_is_told() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let browser = Browser::start();
    // It looks at its quota now and then only, so that this has to come first; and it forgets this when it goes to
    // another origin.
    browser.open(&format!("{}/style.css", shop.url()));
    browser.tool("Storage.overrideQuotaForOrigin", &json!({ "origin": shop.url(), "quotaSize": 1 }));
    let page = Page::open_in(browser, &shop);
    page.add(HEART, "4");
    page.says(KEPT, "no more room");
    page.total();
    page.add(HEART, "1");
    page.holds(&json!([[HEART, 5]]));
    shop.stop();
}

#[test]
fn a_reload_in_the_middle_of_changes_leaves_whole_ones() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(LANTERN, "1");
    page.search("code", HEART);
    let clicks = "const add = document.querySelector('[data-testid=add]'); \
                  for (let at = 0; at < 300; at++) add.click(); setTimeout(() => location.reload(), arguments[0])";
    let mut before = 0;
    for millis in [0, 3, 10, 30] {
        page.run(clicks, &[millis.into()]);
        // Until the page that comes is there, the one that goes may still answer.
        soon("a page that is loaded anew", || {
            let fresh = "return document.querySelector('[data-testid=search]').value === ''";
            (page.run(fresh, &[]) == true).then_some(())
        });
        page.is_there();
        page.total();
        let lines = page.run(LINES, &[]);
        assert_eq!(lines[0], json!([LANTERN, 1]));
        let hearts = lines[1][1].as_i64().unwrap_or(0);
        assert!((before..=before + 300).contains(&hearts), "{before}: {lines}");
        before = hearts;
        page.search("code", HEART);
    }
    page.comes_again();
    page.is_content();
    shop.stop();
}
