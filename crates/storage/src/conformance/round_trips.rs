//! Everything that a document may hold comes back as it was, by id and by index, in events and in answers.

use std::sync::Arc;

use serde_json::{Map, Number, Value, json};
use staffa_context::{IdempotencyKey, Timestamp};

use super::test::{find, insert_all, same};
use super::things::{Counted, Dice, Doc, Item, NAME, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Page, Repository, Store, Unit, Unsent, value};

pub(super) const CASES: &[Case] = &[
    case!(
        round_trips::text_is_not_normalised,
        "text keeps every code point: composition, direction marks, joined emoji, what is not assigned, and what lies about the surrogates"
    ),
    case!(
        round_trips::a_field_name_is_only_a_name,
        "a field may have any name: empty, with dots and dollars, that of a column, a number, or one that a database or language gives a meaning"
    ),
    case!(
        round_trips::what_looks_like_a_type_is_a_map,
        "a map that looks like a database's own way to write a date, number or id stays that map"
    ),
    case!(
        round_trips::a_float_stays_a_float,
        "a whole number stays whole and a float stays a float, with the bits that it had: 1 is not 1.0"
    ),
    case!(
        round_trips::lists_keep_their_order_and_length,
        "lists keep their order, their repeats and their nulls, however long; empty lists and maps stay"
    ),
    case!(
        round_trips::nesting_goes_to_the_limit,
        "lists and maps nest 64 deep, in each other and with something beside each"
    ),
    case!(
        round_trips::documents_near_a_mebibyte_come_back,
        "a document just below 1 MiB comes back whole: of one text, of many fields, and of characters of four bytes"
    ),
    case!(
        round_trips::a_unit_of_large_documents_commits,
        "a unit may have several documents of about 1 MiB, and a page may give them"
    ),
    case!(
        round_trips::events_and_answers_come_back_as_documents_do,
        "what an event says and what an answer tells come back as any document does"
    ),
    case!(
        round_trips::times_come_back_to_the_microsecond,
        "a time keeps its microseconds in events and answers as well, from the first to the last that there is"
    ),
];

/// Stores each value in a document, and compares what comes back by id and in a read of all.
async fn come_back(test: &Test<'_>, store: &Arc<dyn Store>, values: Vec<Value>) -> Outcome {
    let docs: Vec<Doc> =
        (0..).zip(values).map(|(id, value)| Doc { id: format!("d{id:04}"), value }).collect();
    insert_all(test, store, &docs).await?;
    let mut all = Repository::<Doc>::new(store).all(test.ctx, Page::first().limit(1_000)).await?.items;
    for doc in docs.iter().rev() {
        let found = find::<Doc>(test, store, &doc.id).await?;
        same("by id", found.map(|found| found.value), Some(doc.clone()))?;
        same("in a page", all.pop().map(|found| found.value), Some(doc.clone()))?;
    }
    Ok(())
}

/// Text that something between here and the disk may take for other text.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "\u{e9}",
        "e\u{301}",
        "\u{1e9b}\u{323}",
        "\u{212b}",
        "\u{c5}",
        "A\u{30a}",
        "\u{fb01}",
        "\u{2126}",
        "\u{ac00}",
        "\u{1100}\u{1161}",
        "\u{202e}abc\u{202c}",
        "\u{5d0}\u{5d1} abc \u{627}\u{644}",
        "\u{200f}\u{200e}\u{2066}x\u{2069}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{1f1ee}\u{1f1ea}",
        "\u{1f44d}\u{1f3fd}",
        "\u{2764}\u{fe0f}",
        "\u{301}",
        "\u{feff}bom",
        "\u{fffe}",
        "\u{ffff}",
        "\u{fdd0}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{d7ff}\u{e000}\u{10000}",
        "\u{10ffff}",
        "\u{e0001}",
        "\u{85}\u{2028}\u{2029}",
        "\u{1}\u{8}\u{b}\u{c}\u{1f}\u{7f}\u{80}\u{9f}",
        "\\u0000",
        "\\ud800",
        "\\",
        "\\\\\"'`",
        "\r\n\n\r",
        " leading and trailing ",
        "trailing\n",
        "%_*?[a]{b}",
        "'); drop table doc; --",
        "$1 ?1 :a @a",
        "null",
        "true",
        "1e400",
        "NaN",
        "2020-01-01T00:00:00Z",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("\u{10ffff}a\u{301}".repeat(20_000));
    texts
}

async fn text_is_not_normalised(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    come_back(test, &store, texts().into_iter().map(Value::from).collect()).await?;
    let short = texts().into_iter().filter(|text| text.len() < 100);
    let items: Vec<Item> = (0..).zip(short).map(|(id, text)| Item::named(id, text)).collect();
    insert_all(test, &store, &items).await?;
    let repository = Repository::<Item>::new(&store);
    for item in items {
        let page = repository.range(test.ctx, &NAME, (item.name.clone(),), Page::first()).await?;
        let found = page.items.into_iter().map(|found| found.value).collect();
        same(&format!("by {:?}", item.name), found, vec![item])?;
    }
    Ok(())
}

const NAMES: &[&str] = &[
    "",
    " ",
    ".",
    "..",
    "a.b",
    "a.b.c",
    ".a",
    "a.",
    "$",
    "$$",
    "$set",
    "$a.b",
    "a$",
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "length",
    "0",
    "1",
    "01",
    "10",
    "-1",
    "1.5",
    "4294967295",
    "_id",
    "id",
    "ID",
    "Id",
    "key",
    "keys",
    "value",
    "version",
    "shape",
    "document",
    "deleted",
    "kind",
    "data",
    "oid",
    "rowid",
    "ctid",
    "xmin",
    "null",
    "true",
    "select",
    "\"",
    "'",
    "`",
    "[0]",
    "*",
    "%",
    "/",
    "~1",
    "~0",
    "\\",
    "é",
    "e\u{301}",
    "\u{ffff}",
    "\u{10000}",
    "😀",
    "\u{1}",
    "\n",
    "\u{202e}",
];

async fn a_field_name_is_only_a_name(test: &Test<'_>) -> Outcome {
    let map = |names: &mut dyn Iterator<Item = &&str>, value: &dyn Fn(&str) -> Value| {
        Value::Object(names.map(|name| ((*name).to_owned(), value(name))).collect::<Map<_, _>>())
    };
    let mut values: Vec<Value> =
        NAMES.iter().map(|name| json!({ *name: { *name: [{ *name: 1 }] } })).collect();
    values.push(map(&mut NAMES.iter(), &|name| json!(name)));
    values.push(map(&mut NAMES.iter().rev(), &|name| map(&mut NAMES.iter(), &|inner| json!([name, inner]))));
    values.push(json!({ "long".repeat(5_000): 1 }));
    come_back(test, &test.store(schemas()).await?, values).await
}

async fn what_looks_like_a_type_is_a_map(test: &Test<'_>) -> Outcome {
    let values = vec![
        json!({ "$date": "2020-01-01T00:00:00Z" }),
        json!({ "$date": { "$numberLong": "0" } }),
        json!({ "$oid": "5f7f7f7f7f7f7f7f7f7f7f7f" }),
        json!({ "$numberLong": "9223372036854775807" }),
        json!({ "$numberInt": "1" }),
        json!({ "$numberDouble": "NaN" }),
        json!({ "$numberDecimal": "1.0" }),
        json!({ "$binary": { "base64": "AA==", "subType": "00" } }),
        json!({ "$uuid": "00000000-0000-0000-0000-000000000000" }),
        json!({ "$timestamp": { "t": 1, "i": 1 } }),
        json!({ "$regularExpression": { "pattern": "a", "options": "" } }),
        json!({ "$minKey": 1 }),
        json!({ "$undefined": true }),
        json!({ "$ref": "a", "$id": 1, "$db": "b" }),
        json!({ "0": "a", "1": "b", "length": 2 }),
        json!({ "type": "Buffer", "data": [1, 2] }),
    ];
    come_back(test, &test.store(schemas()).await?, values).await
}

async fn a_float_stays_a_float(test: &Test<'_>) -> Outcome {
    let mut floats = vec![
        0.0,
        1.0,
        -1.0,
        100.0,
        0.5,
        1e15,
        1e16,
        -1e17,
        1e21,
        1e22,
        1e300,
        2f64.powi(53),
        2f64.powi(53) + 2.0,
        2f64.powi(63),
        -(2f64.powi(63)),
        2f64.powi(64),
        1.797_693_134_862_315_7e308,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::MIN_POSITIVE / 2.0,
        f64::from_bits(1),
        f64::from_bits(0x000f_ffff_ffff_ffff),
        f64::EPSILON,
        1.0 + f64::EPSILON,
        9_007_199_254_740_993.0,
        123_456_789.0,
        1e-7,
        5e-324,
    ];
    let mut dice = Dice::new(11);
    floats.extend((0..500).map(|_| f64::from_bits(dice.roll()) + 0.0).filter(|float| float.is_finite()));
    let mut values: Vec<Value> = floats
        .chunks(40)
        .map(|some| json!(some.iter().filter_map(|float| Number::from_f64(*float)).collect::<Vec<_>>()))
        .collect();
    values.push(json!({ "whole": 1, "float": 1.0, "list": [0, 0.0, 7, 7.0, -3, -3.0] }));
    come_back(test, &test.store(schemas()).await?, values).await
}

async fn lists_keep_their_order_and_length(test: &Test<'_>) -> Outcome {
    let long: Vec<i64> = (0..50_000).map(|n| (n * 7_919) % 50_000).collect();
    let values = vec![
        json!(long),
        json!([null, null, null]),
        json!([[], [[]], [[], []], {}, [{}], [{}, {}]]),
        json!([1, 1.0, "1", true, null, [], {}, ""]),
        json!({ "a": [], "b": {}, "c": null, "d": "" }),
        json!([{ "a": 1 }, { "a": 1 }, { "a": null }, {}]),
    ];
    come_back(test, &test.store(schemas()).await?, values).await
}

async fn nesting_goes_to_the_limit(test: &Test<'_>) -> Outcome {
    // The document itself and the value are the two outermost.
    let depth = value::DEPTH_MAX - 1;
    let nest =
        |wrap: &dyn Fn(usize, Value) -> Value| (0..depth).fold(json!("core"), |inner, at| wrap(at, inner));
    let values = vec![
        nest(&|_, inner| json!([inner])),
        nest(&|_, inner| json!({ "": inner })),
        nest(&|_, inner| json!({ "a": inner, "b": 2, "c": null })),
        nest(&|at, inner| {
            if at % 2 == 0 { json!([0, inner, null]) } else { json!({ "$a.b": inner, "z": at }) }
        }),
    ];
    come_back(test, &test.store(schemas()).await?, values).await
}

/// A value whose document has just below the limit.
fn filled(part: &str) -> Value {
    let room = value::BYTES_MAX - 100;
    json!(part.repeat(room / json!(part).to_string().len().saturating_sub(2).max(1)))
}

async fn documents_near_a_mebibyte_come_back(test: &Test<'_>) -> Outcome {
    let fields: Map<String, Value> = (0..40_000).map(|n| (format!("field {n:06}"), json!(n % 10))).collect();
    let values = vec![
        filled("x"),
        filled("\u{10ffff}"),
        filled("\\\""),
        Value::Object(fields),
        json!(vec![json!({ "a": 1.5, "b": [true, null] }); 40_000]),
    ];
    come_back(test, &test.store(schemas()).await?, values).await
}

async fn a_unit_of_large_documents_commits(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let docs: Vec<Doc> = (0..8).map(|id| Doc { id: format!("d{id}"), value: filled("y") }).collect();
    let mut unit: Unit<'_> = store.unit();
    docs.iter().cloned().for_each(|doc| drop(unit.insert(doc)));
    unit.commit(test.ctx).await?;
    let page = Repository::<Doc>::new(&store).all(test.ctx, Page::first()).await?;
    same("the page", page.items.into_iter().map(|doc| doc.value).collect(), docs)
}

/// One commit whose event and answer say this; gives both as they come back.
async fn told(test: &Test<'_>, store: &Arc<dyn Store>, key: &str, told: &Value) -> Outcome<Vec<Value>> {
    let key = IdempotencyKey { scope: "tell".into(), key: key.into(), digest: [7; 32] };
    let ctx = test.ctx.with_value(key.clone());
    let mut unit = store.unit();
    let made = unit.insert(Doc { id: key.key.clone(), value: json!(null) });
    unit.emit(&made, Counted(told.clone()));
    unit.answer(&ctx, told);
    unit.commit(&ctx).await?;
    let event =
        store.unsent(test.ctx, Unsent::all(1_000)).await?.into_iter().find(|event| event.entity == key.key);
    let kept = store.kept(test.ctx, "tell", &key.key).await?;
    Ok(event.map(|event| event.payload).into_iter().chain(kept.map(|kept| kept.answer)).collect())
}

async fn events_and_answers_come_back_as_documents_do(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let named: Map<String, Value> = NAMES.iter().map(|name| ((*name).to_owned(), json!([name]))).collect();
    let values = [
        json!(null),
        json!(i64::MIN),
        json!([1, 1.0, 0.1, 1e16, f64::MIN_POSITIVE]),
        json!(texts()),
        Value::Object(named),
        json!({ "$date": { "$numberLong": "0" } }),
        json!("x".repeat(900_000)),
    ];
    for (turn, value) in values.into_iter().enumerate() {
        same(
            "event and answer",
            told(test, &store, &format!("k{turn}"), &value).await?,
            vec![value.clone(), value],
        )?;
    }
    Ok(())
}

async fn times_come_back_to_the_microsecond(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let micros = [i64::MIN, -62_135_596_800_000_001, -1, 0, 999, 253_402_300_799_999_999, i64::MAX];
    let times: Vec<Timestamp> = micros.into_iter().map(Timestamp::from_micros).collect();
    let value = json!(times);
    come_back(test, &store, vec![value.clone()]).await?;
    same("event and answer", told(test, &store, "times", &value).await?, vec![value.clone(), value])
}
