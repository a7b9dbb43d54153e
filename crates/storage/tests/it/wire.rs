//! What crosses the wire: versioned entities, pages and cursors.

use serde_json::json;
use staffa_storage::{Cursor, PageOf, Versioned};

#[test]
fn a_page_is_written_with_versions_and_an_opaque_cursor() {
    let page =
        PageOf { items: vec![Versioned { version: 3, value: 7 }], next: Some(Cursor::from_text("abc")) };
    let text = json!({ "items": [{ "version": 3, "value": 7 }], "next": "abc" });
    assert_eq!(serde_json::to_value(&page).unwrap(), text);
    assert_eq!(serde_json::from_value::<PageOf<i32>>(text).unwrap(), page);
    let last = json!({ "items": [], "next": null });
    assert_eq!(serde_json::from_value::<PageOf<i32>>(last).unwrap().next, None);
    assert!(
        serde_json::from_value::<Versioned<i32>>(json!({ "version": 1, "value": 1, "more": 1 })).is_err()
    );
}

#[test]
fn their_schemas_say_the_same() {
    let cursor = schemars::schema_for!(Cursor);
    assert_eq!(cursor.get("type"), Some(&json!("string")));
    let versioned = schemars::schema_for!(Versioned<String>);
    assert_eq!(versioned.get("required"), Some(&json!(["version", "value"])));
    let page = schemars::schema_for!(PageOf<String>);
    assert!(page.get("properties").is_some_and(|fields| fields.get("items").is_some()));
}
