//! Values, keys and their canonical text.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use staffa_context::Timestamp;
use staffa_context::canonical;
use staffa_storage::{Error, Key, KeyPart, value};
use uuid::Uuid;

#[derive(Serialize)]
enum Shape {
    Unit,
    One(f64),
    Pair(u64, &'static str),
    Named { width: f32, tags: BTreeMap<u8, char> },
}

#[track_caller]
fn check(value: &impl Serialize, want: Result<Value, &str>) {
    match (value::of("thing", value), want) {
        (Ok(got), Ok(want)) => assert_eq!(got, want),
        (Err(Error::Invalid { path, .. }), Err(want)) => assert_eq!(path, want),
        (got, want) => panic!("got {got:?}, want {want:?}"),
    }
}

#[test]
fn values_are_as_serde_json_makes_them() {
    let named = Shape::Named { width: 1.5, tags: [(7, 'x')].into() };
    let all = (Shape::Unit, Shape::One(0.5), Shape::Pair(1, "a"), named, Some(()), None::<i8>, -1i128, b"ab");
    check(&all, Ok(serde_json::to_value(&all).unwrap()));
}

#[test]
fn what_no_store_takes_is_refused_at_its_path() {
    check(&f64::NAN, Err("thing"));
    check(&json!({ "a": { "b.c": ["x", "\0"] } }), Err("thing.a.b.c[1]"));
    check(&Shape::One(f64::INFINITY), Err("thing.One"));
    check(&Shape::Pair(u64::MAX, "a"), Err("thing.Pair[0]"));
    check(&Shape::Pair(1, "\0"), Err("thing.Pair[1]"));
    check(&Shape::Named { width: f32::NAN, tags: BTreeMap::new() }, Err("thing.Named.width"));
    check(&Shape::Named { width: 0.0, tags: [(1, '\0')].into() }, Err("thing.Named.tags.1"));
    check(&[i128::from(i64::MIN) - 1], Err("thing[0]"));
    check(&BTreeMap::from([(vec![1], 1)]), Err("thing"));
    check(&"x".repeat(value::BYTES_MAX - 1), Err("thing"));
}

#[test]
fn minus_zero_is_kept_as_zero() {
    let kept = value::of("thing", &-0.0f64).unwrap();
    assert_eq!(kept.as_f64().map(f64::to_bits), Some(0));
}

#[test]
fn canonical_text_does_not_tell_the_order_of_fields_or_the_way_of_numbers() {
    let check = |value: Value, want: &str| assert_eq!(canonical::json(&value), want);
    check(
        json!({ "b": [1.0, 1e3, 0.1, -2], "a": { "é": null, "z": true, "": "\n\"/" } }),
        r#"{"a":{"":"\n\"/","z":true,"é":null},"b":[1,1000,0.1,-2]}"#,
    );
    check(
        json!([i64::MIN, i64::MAX, 1e21, 5e-324]),
        "[-9223372036854775808,9223372036854775807,1e+21,5e-324]",
    );
    assert_eq!(
        canonical::digest(&json!({ "a": 1, "b": 2 })),
        canonical::digest(&json!({ "b": 2.0, "a": 1 }))
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| json!(value + 0.0)),
        "[^\0]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[^\0]{0,4}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_passes_as_it_is(value in any_value()) {
        prop_assert_eq!(value::of("thing", &value), Ok(value));
    }

    #[test]
    fn canonical_text_reads_back_to_the_same_canonical_text(value in any_value()) {
        let text = canonical::json(&value);
        let again: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(canonical::json(&again), text);
    }

    #[test]
    fn the_order_of_parts_is_the_order_of_values(
        one in (any::<Option<i64>>(), any::<String>(), any::<Option<bool>>(), any::<i64>()),
        other in (any::<Option<i64>>(), any::<String>(), any::<Option<bool>>(), any::<i64>()),
    ) {
        let timed = |(rank, name, open, micros)| (rank, name, open, Timestamp::from_micros(micros));
        let (one, other) = (timed(one), timed(other));
        prop_assert_eq!(one.parts().unwrap().cmp(&other.parts().unwrap()), one.cmp(&other));
    }

    #[test]
    fn uuids_go_by_their_bytes(one in any::<u128>(), other in any::<u128>()) {
        let part = |uuid| Uuid::from_u128(uuid).part().unwrap();
        prop_assert_eq!(part(one).cmp(&part(other)), one.cmp(&other));
    }
}

#[test]
fn a_number_above_i64_is_no_key() {
    assert!(matches!(u64::MAX.part(), Err(Error::Invalid { .. })));
    assert!((i64::MAX as u64).part().is_ok());
}
