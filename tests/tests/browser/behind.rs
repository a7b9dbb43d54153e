//! The panel "behind this click".
use crate::data::stocked;
use crate::page::{HEART, Page, Row, serve};

/// The row of this service and name.
#[track_caller]
fn row<'a>(rows: &'a [Row], service: &str, name: &str) -> &'a Row {
    let found = rows.iter().find(|row| row.service == service && row.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {service}: {rows:#?}"))
}

#[test]
fn a_click_is_drawn_from_the_browser_to_the_store() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.search("description", "white");
    let rows = page.behind("sqlite scan product");
    let way = [
        row(&rows, "page", "browse"),
        row(&rows, "page", "fetch GET /products"),
        row(&rows, "catalog", "GET /products"),
        row(&rows, "catalog", "sqlite scan product"),
    ];
    for (depth, row) in (0..).zip(way) {
        assert_eq!(row.depth, depth, "{rows:#?}");
        assert_eq!(row.reason, "", "{rows:#?}");
    }
    let took = way.map(|row| Row::micros(&row.took));
    assert!(took.is_sorted_by(|outer, inner| outer >= inner), "each lies within the one above: {rows:#?}");
    let left: Vec<u64> =
        way.iter().filter(|row| !row.left.is_empty()).map(|row| Row::micros(&row.left)).collect();
    assert!(left.len() >= 3, "the budget is told: {rows:#?}");
    assert!(left.is_sorted_by(|outer, inner| outer >= inner), "the budget shrinks on the way: {rows:#?}");
    assert!(left[0] <= 10_000_000 && left[left.len() - 1] > 1_000_000, "{rows:#?}");
    let summary = page.text("[data-testid=behind-summary]").unwrap();
    assert!(summary.starts_with("browse · "), "{summary}");
    shop.stop();
}

#[test]
fn an_order_is_drawn_over_all_services_that_it_met() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "3");
    page.order();
    let rows = page.behind("POST /orders");
    for (service, name) in
        [("page", "place the order"), ("orders", "POST /orders"), ("catalog", "POST /prices")]
    {
        row(&rows, service, name);
    }
    let stores =
        |service: &str| rows.iter().any(|row| row.service == service && row.name.starts_with("sqlite "));
    assert!(stores("orders") && stores("catalog"), "{rows:#?}");
    shop.stop();
}

#[test]
fn a_click_that_needs_no_request_says_so() {
    let data = stocked();
    let shop = serve(data.path(), &[]);
    let page = Page::open(&shop);
    page.add(HEART, "3");
    page.total();
    page.change_quantity(HEART, "5");
    page.total();
    page.says("#behind-words", "This click needed no request.");
    assert!(page.rows().iter().any(|row| row.name == "quote in the worker"), "{:#?}", page.rows());
    shop.stop();
}
