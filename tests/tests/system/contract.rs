//! What the shop says of itself.
use std::collections::BTreeSet;

use crate::data::stocked;
use crate::shop::Shop;

/// Every endpoint.
const ENDPOINTS: &[(&str, &[&str])] = &[
    ("/products", &["get"]),
    ("/products/{code}", &["get"]),
    ("/prices", &["post"]),
    ("/quotes", &["post"]),
    ("/orders", &["get", "post"]),
    ("/orders/{id}", &["get"]),
    ("/orders/{id}/cancel", &["post"]),
    ("/orders/{id}/pack", &["post"]),
    ("/orders/{id}/ship", &["post"]),
    ("/orders/{id}/events", &["get"]),
    ("/reports/best-sellers", &["get"]),
    ("/reports/revenue", &["get"]),
    ("/stock", &["get"]),
    ("/stock/{code}", &["get"]),
    ("/behind/{trace}", &["get"]),
];

#[test]
fn the_openapi_document_has_every_endpoint() {
    let data = stocked();
    let shop = Shop::start(data.path());
    let answer = shop.get("/openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.good();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{document}");
    assert_eq!(document["info"]["title"], "shop");
    let paths = document["paths"].as_object().unwrap();
    let told: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let expect: BTreeSet<&str> = ENDPOINTS.iter().map(|(path, _)| *path).collect();
    assert_eq!(told, expect);
    for (path, methods) in ENDPOINTS {
        let told: BTreeSet<&str> = paths[*path].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(told, methods.iter().copied().collect(), "{path}");
        for method in *methods {
            let operation = &paths[*path][*method];
            assert!(
                operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()),
                "{method} {path}"
            );
            assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }
    let place = &paths["/orders"]["post"];
    assert_eq!(place["requestBody"]["required"], true, "{place}");
    assert!(place["parameters"].to_string().contains("IdempotencyKey"), "{place}");
    refer_to_what_is_there(&document, &document);
    // A number means the same in the browser as on the server: none is a float or as wide as a machine's addresses.
    for varying in [r#""type":"number""#, r#""format":"uint""#, r#""format":"int""#, r#""format":"double""#] {
        assert!(!document.to_string().contains(varying), "{varying}");
    }
    shop.stop();
}

/// Each `$ref` of the document points into it.
fn refer_to_what_is_there(document: &serde_json::Value, part: &serde_json::Value) {
    if let Some(place) = part.get("$ref").and_then(serde_json::Value::as_str) {
        let pointer = place.strip_prefix('#').unwrap_or_else(|| panic!("{place}"));
        assert!(document.pointer(pointer).is_some(), "{place}");
    }
    let below: Vec<&serde_json::Value> = match part {
        serde_json::Value::Array(values) => values.iter().collect(),
        serde_json::Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    below.into_iter().for_each(|below| refer_to_what_is_there(document, below));
}
