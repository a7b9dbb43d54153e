use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use staffa_context::{NotRead, parse, read, read_tagged};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    count: i64,
    small: u8,
    large: u64,
    part: f64,
    on: bool,
    text: String,
    letter: char,
    #[serde(default)]
    maybe: Option<Box<Whole>>,
    list: Vec<Kind>,
    pair: (i32, String),
    fixed: [u32; 2],
    named: BTreeMap<String, Value>,
    unit: (),
    new: New,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct New(i16);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Kind {
    Nothing,
    One(i64),
    Two(i64, String),
    Named { line: u32, code: Option<String> },
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Nothing),
        any::<i64>().prop_map(Kind::One),
        (any::<i64>(), ".{0,4}").prop_map(|(number, text)| Kind::Two(number, text)),
        (any::<u32>(), proptest::option::of(".{0,4}")).prop_map(|(line, code)| Kind::Named { line, code }),
    ]
}

fn leaves() -> impl Strategy<Value = Whole> {
    let scalars =
        (any::<i64>(), any::<u8>(), any::<u64>(), -1e9..1e9, any::<bool>(), ".{0,8}", any::<char>());
    let rest = (proptest::collection::vec(kinds(), 0..4), any::<[u32; 2]>(), any::<i16>());
    (scalars, rest).prop_map(|((count, small, large, part, on, text, letter), (list, fixed, new))| Whole {
        pair: (i32::from(new), text.clone()),
        named: BTreeMap::from([(text.clone(), json!([null, part, {"in": count}]))]),
        maybe: None,
        unit: (),
        new: New(new),
        count,
        small,
        large,
        part,
        on,
        text,
        letter,
        list,
        fixed,
    })
}

fn wholes() -> impl Strategy<Value = Whole> {
    (leaves(), proptest::option::of(leaves()))
        .prop_map(|(whole, maybe)| Whole { maybe: maybe.map(Box::new), ..whole })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_back(whole in wholes()) {
        let value = serde_json::to_value(&whole).unwrap();
        prop_assert_eq!(read::<Whole>(&value), Ok(whole));
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads(mut value in wholes().prop_map(|whole| serde_json::to_value(whole).unwrap()), field in 0..14_usize, with in 0..7_usize) {
        let others = [json!(null), json!(-1), json!(300), json!(1.5), json!("text"), json!([1]), json!({"nothing": null})];
        let fields = value.as_object_mut().unwrap();
        let name = fields.keys().nth(field).unwrap().clone();
        fields.insert(name, others[with].clone());
        prop_assert_eq!(read::<Whole>(&value).ok(), serde_json::from_value::<Whole>(value).ok());
    }
}

proptest! {
    #[test]
    fn json_is_parsed_as_serde_json_parses_it(whole in wholes(), pretty: bool) {
        let value = serde_json::to_value(whole).unwrap();
        let json = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        prop_assert_eq!(parse(&json.unwrap()), Ok(value));
    }

    #[test]
    fn text_close_to_json_is_taken_as_serde_json_takes_it(text in "[\\[\\]{},:\" \\\\/bfnrtu0-9a-fA-F.eE+\\-\u{0}é]{0,14}") {
        prop_assert_eq!(parse(text.as_bytes()).ok(), serde_json::from_str::<Value>(&text).ok(), "{}", text);
    }
}

#[test]
fn numbers_texts_and_depths_at_their_ends_are_parsed_alike() {
    let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let numbers = "0 -0 -0.0 01 1. .5 1e5 1E-5 1e 9223372036854775807 9223372036854775808 18446744073709551615 \
        18446744073709551616 -9223372036854775808 -9223372036854775809 1e308 1e309 123456789012345678901234567890 \
        5e-324 2.2250738585072011e-308 - +1";
    let texts = [
        r#""\u0041\u00e9\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\ude00\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\u0041""#,
        r#""\x""#,
        r#""\u12g4""#,
        r#""\"\\\/\b\f\n\r\t""#,
        "\"\u{1}\"",
        "\"é😀\"",
        "\"open",
    ];
    let others = [
        "",
        " ",
        "null ",
        "nul",
        "nullx",
        "true false",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "{a:1}",
        "{\"a\" 1}",
        " \t\r\n[ ] ",
        "\u{a0}1",
    ];
    let depths = [deep(127), deep(128), deep(100_000)];
    let all = numbers.split(' ').chain(texts).chain(others).chain(depths.iter().map(String::as_str));
    for json in all {
        let theirs = serde_json::from_str::<Value>(json).ok();
        assert_eq!(parse(json.as_bytes()).ok(), theirs, "{}", json.chars().take(60).collect::<String>());
    }
    assert_eq!(parse(b"\"\xff\""), Err(NotRead));
}

#[test]
fn what_is_missing_unknown_or_too_long_is_not_read() {
    for other in [
        json!({"named": {"line": 1, "code": null, "more": 2}}),
        json!({"named": {"code": null}}),
        json!({"named": [1, null]}),
        json!({"two": [1, "a", "b"]}),
        json!({"two": [1]}),
        json!({"one": 1, "two": 2}),
        json!({"nothing": 1}),
        json!("one"),
        json!("other"),
        json!({}),
    ] {
        assert_eq!(read::<Kind>(&other), Err(NotRead), "{other}");
    }
    assert_eq!(read::<Kind>(&json!({"named": {"line": 1}})), Ok(Kind::Named { line: 1, code: None }));
}

#[test]
fn a_tagged_map_is_read_by_its_tag() {
    let read = |value: Value| read_tagged::<Kind>("error", &value);
    assert_eq!(read(json!({"error": "nothing"})), Ok(Kind::Nothing));
    let named = Kind::Named { line: 3, code: Some("A".to_owned()) };
    assert_eq!(read(json!({"error": "named", "line": 3, "code": "A"})), Ok(named));
    for other in [
        json!(null),
        json!({}),
        json!({"error": 1}),
        json!({"error": "other"}),
        json!({"error": "nothing", "line": 3}),
        json!({"error": "named", "line": 3, "more": 1}),
        json!({"error": "one"}),
        json!({"error": "two"}),
    ] {
        assert_eq!(read(other.clone()), Err(NotRead), "{other}");
    }
}
