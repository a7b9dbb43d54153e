#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use http::Uri;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use staffa_context::Failure;

use super::{encode, gather};
use crate::Endpoint;
use crate::endpoint::Shape;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Colour {
    DarkRed,
    Blue,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Code(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Search {
    code: Code,
    number: u64,
    low: Option<i64>,
    text: Option<String>,
    exact: bool,
    ratio: f64,
    colour: Colour,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    counts: Vec<u8>,
}

const GET: Shape = Endpoint::<Search, (), Failure>::get("/a/{code}/b/{number}").shape();
const POST: Shape = Endpoint::<Search, (), Failure>::post("/a/{code}/b/{number}").shape();

fn there_and_back<Q: Serialize + serde::de::DeserializeOwned>(
    shape: &Shape,
    request: &Q,
) -> Result<Q, Failure> {
    let encoded = encode(shape, request)?;
    let uri: Uri = encoded.target.parse().unwrap();
    gather(shape, &uri, encoded.body.as_deref().unwrap_or_default())?.read()
}

fn search() -> impl Strategy<Value = Search> {
    let text = || any::<String>().prop_map(|text| text.replace('\0', ""));
    let code = text().prop_filter("travels in a path", |text| !matches!(text.as_str(), "" | "." | ".."));
    (
        (code, any::<u64>(), any::<Option<i64>>(), proptest::option::of(text()), any::<bool>()),
        (-1e300..1e300f64, any::<bool>(), proptest::collection::vec(text(), 0..4), any::<Vec<u8>>()),
    )
        .prop_map(|((code, number, low, text, exact), (ratio, blue, tags, counts))| Search {
            code: Code(code),
            number,
            low,
            text,
            exact,
            ratio,
            colour: if blue { Colour::Blue } else { Colour::DarkRed },
            tags,
            counts,
        })
}

proptest! {
    #[test]
    fn a_request_survives_path_and_query(request in search()) {
        prop_assert_eq!(there_and_back(&GET, &request).unwrap(), request);
    }

    #[test]
    fn a_request_survives_path_and_body(request in search()) {
        prop_assert_eq!(there_and_back(&POST, &request).unwrap(), request);
    }

    #[test]
    fn any_target_is_read_or_refused(path in "/a/[^/?# ]{1,8}/b/[^/?# ]{1,8}", query in "[^# ]{0,40}") {
        if let Ok(uri) = format!("{path}?{query}").parse::<Uri>() {
            let _ = gather(&GET, &uri, b"").and_then(|input| input.read::<Search>());
        }
    }
}

#[test]
fn one_plain_value_fills_the_only_parameter() {
    let by_code = Endpoint::<Code, (), Failure>::get("/products/{code}").shape();
    assert_eq!(encode(&by_code, &Code("50% ä/b".into())).unwrap().target, "/products/50%25%20%C3%A4%2Fb");
    assert_eq!(there_and_back(&by_code, &Code("50% ä/b".into())).unwrap(), Code("50% ä/b".into()));
    let by_number = Endpoint::<u64, (), Failure>::delete("/orders/{number}").shape();
    assert_eq!(there_and_back(&by_number, &u64::MAX).unwrap(), u64::MAX);
    let by_colour = Endpoint::<Colour, (), Failure>::post("/paint/{colour}").shape();
    assert_eq!(there_and_back(&by_colour, &Colour::DarkRed).unwrap(), Colour::DarkRed);
}

#[test]
fn no_request_and_a_list_travel_too() {
    let all = Endpoint::<(), (), Failure>::get("/all").shape();
    there_and_back(&all, &()).unwrap();
    let many = Endpoint::<Vec<u32>, (), Failure>::post("/many").shape();
    assert_eq!(there_and_back(&many, &vec![1, 2]).unwrap(), [1, 2]);
}

#[test]
fn what_cannot_travel_is_refused_before_it_is_sent() {
    let by_code = Endpoint::<Code, (), Failure>::get("/products/{code}").shape();
    for code in ["", ".", ".."] {
        encode(&by_code, &Code(code.into())).unwrap_err();
    }
    let nested = Endpoint::<serde_json::Value, (), Failure>::get("/nested").shape();
    encode(&nested, &serde_json::json!({ "a": { "b": 1 } })).unwrap_err();
}

#[test]
fn wrong_fields_are_named() {
    let check = |query: &str, words: &str| {
        let uri: Uri = format!("/a/x/b/1?{query}").parse().unwrap();
        let failure = gather(&GET, &uri, b"").and_then(|input| input.read::<Search>()).unwrap_err();
        assert_eq!(failure.words, words);
    };
    let whole = "exact=true&ratio=1&colour=blue";
    check("exact=true&ratio=1", "the request is wrong: missing field `colour`");
    check(&format!("{whole}&size=1"), "the request has unknown fields: `size`");
    check("exact=yes", "`exact` is wrong: `yes` is neither `true` nor `false`");
    check("ratio=inf", "`ratio` is wrong: `inf` is not a finite number");
    check(
        "low=9223372036854775808",
        "`low` is wrong: invalid value: integer `9223372036854775808`, expected i64",
    );
    check("low=1e3", "`low` is wrong: `1e3` is not a whole number in range");
    check("counts=1&counts=256", "`counts[1]` is wrong: invalid value: integer `256`, expected u8");
    check("exact=true&exact=true", "`exact` is wrong: it is given more than once");
    check("colour=green", "`colour` is wrong: unknown variant `green`, expected `dark_red` or `blue`");
    check("text=%ff", "`%ff` in the address is not percent-encoded UTF-8");
    check("text=%00", "the address holds the character U+0000, which no text may");
    check("code=y", "`code` comes from the path, so it must not be given again");
}
