//! What a stored document may hold.

use serde::Serialize;
use serde_json::{Value, json};
use staffa_context::Timestamp;

use super::test::{commit, count, find, holds, insert, insert_all, invalid, same};
use super::things::{Counted, Dice, Doc, Item, NAME_AT, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{Entity, Page, Repository, Schema, Unsent, value};

pub(super) const CASES: &[Case] = &[
    case!(
        values::a_document_comes_back_as_it_was,
        "a document is null, bool, i64, finite f64, text, list and map, and comes back equal"
    ),
    case!(
        values::whole_numbers_keep_every_digit,
        "an i64 keeps every digit from the least to the greatest, beyond 2^53 too"
    ),
    case!(values::fractions_keep_every_bit, "a finite f64 keeps every bit, and −0 is kept as 0"),
    case!(
        values::hostile_text_and_field_names_come_back,
        "text is any Unicode but U+0000, as a value and as the name of a field"
    ),
    case!(
        values::times_keep_their_microseconds,
        "a time keeps its microseconds, in documents and in keys, before 1970 too"
    ),
    case!(
        values::a_document_has_at_most_a_mebibyte,
        "a document has at most 1 MiB as JSON without spaces; a larger one is refused at commit"
    ),
    case!(
        values::what_no_store_takes_is_refused_with_its_path,
        "NaN, infinity, a whole number above i64, U+0000 and deep nesting are refused at commit with the field's path"
    ),
    case!(
        values::a_refused_value_leaves_nothing,
        "a unit with a refused value, in a document, event or key, leaves nothing"
    ),
    case!(
        values::a_key_has_at_most_1024_bytes,
        "a key or id has at most 1,024 bytes and no U+0000; another is refused at commit"
    ),
];

async fn comes_back(test: &Test<'_>, values: Vec<Value>) -> Outcome {
    let store = test.store(schemas()).await?;
    let docs: Vec<Doc> = (0..).zip(values).map(|(id, value)| Doc { id: format!("d{id}"), value }).collect();
    insert_all(test, &store, &docs).await?;
    for doc in docs {
        let found = find::<Doc>(test, &store, &doc.id).await?;
        same("a document", found.map(|found| found.value), Some(doc))?;
    }
    Ok(())
}

async fn a_document_comes_back_as_it_was(test: &Test<'_>) -> Outcome {
    let deep = (0..value::DEPTH_MAX - 1).fold(json!(null), |inner, _| json!([inner]));
    let values = vec![
        json!(null),
        json!(true),
        json!(""),
        json!([]),
        json!({}),
        json!([[], {}, [null], { "a": {} }]),
        json!({ "b": 1, "a": [1, 2.5, "3", false, null], "": { "": "" } }),
        json!([1, 1, 1, 0, -1]),
        deep,
    ];
    comes_back(test, values).await
}

async fn whole_numbers_keep_every_digit(test: &Test<'_>) -> Outcome {
    let near = |value: i64| [value.saturating_sub(1), value, value.saturating_add(1)];
    let powers = [0, 1 << 31, 1 << 32, 1 << 53, -(1 << 53), i64::MIN, i64::MAX];
    comes_back(test, powers.into_iter().flat_map(near).map(Value::from).collect()).await
}

async fn fractions_keep_every_bit(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let mut values =
        vec![0.1, -2.5, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e21, 0.1 + 0.2, -0.0, 2.0];
    // Numbers of any exponent, with digits to the last bit: a careless reader of decimals is one bit off in some.
    let mut dice = Dice::new(3);
    values.extend((0..5_000).map(|_| f64::from_bits(dice.roll())).filter(|value| value.is_finite()));
    insert(test, &store, Doc { id: "d".into(), value: json!(values) }).await?;
    let found = find::<Doc>(test, &store, &"d".into()).await?;
    let found: Vec<f64> = found
        .and_then(|found| found.value.value.as_array().cloned())
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    same("how many", found.len(), values.len())?;
    for (found, value) in found.into_iter().zip(values) {
        same(&format!("the bits of {value:e}"), found.to_bits(), (value + 0.0).to_bits())?;
    }
    Ok(())
}

async fn hostile_text_and_field_names_come_back(test: &Test<'_>) -> Outcome {
    let texts = [
        " ",
        "\u{1}",
        "\n\r\t",
        "'",
        "\"",
        "\\",
        "$set",
        "a.b",
        "$",
        ".",
        "_id",
        "id",
        "version",
        "document",
        "__proto__",
        "é",
        "e\u{301}",
        "ß",
        "İ",
        "\u{feff}",
        "\u{d7ff}\u{e000}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "😀",
        "null",
        "?1",
    ];
    let named: serde_json::Map<String, Value> =
        texts.iter().map(|text| ((*text).to_owned(), json!(*text))).collect();
    comes_back(test, texts.iter().map(|text| json!(*text)).chain([named.into()]).collect()).await
}

async fn times_keep_their_microseconds(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let micros = [
        Timestamp::MIN.as_micros(),
        -1_000_001,
        -1,
        0,
        1,
        999,
        1_291_190_760_123_456,
        Timestamp::MAX.as_micros(),
    ];
    let items: Vec<Item> = (0..)
        .zip(micros)
        .map(|(id, micros)| Item { at: Some(Timestamp::from_micros(micros)), ..Item::named(id, "n") })
        .collect();
    insert_all(test, &store, &items).await?;
    let repository = Repository::<Item>::new(&store);
    for item in &items {
        let found = repository.first(test.ctx, &NAME_AT, (item.name.clone(), item.at)).await?;
        same("the item at its very time", found.map(|found| found.value), Some(item.clone()))?;
    }
    let page = repository.range(test.ctx, &NAME_AT, ("n".to_owned(),), Page::first()).await?;
    same("the items by time", page.items.into_iter().map(|item| item.value).collect(), items)
}

async fn a_document_has_at_most_a_mebibyte(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let empty = json!({ "id": "d", "value": "" }).to_string().len();
    let full = Doc { id: "d".into(), value: json!("x".repeat(value::BYTES_MAX - empty)) };
    insert(test, &store, full.clone()).await?;
    same("the largest", find::<Doc>(test, &store, &"d".into()).await?.map(|found| found.value), Some(full))?;
    let over = Doc { id: "e".into(), value: json!("x".repeat(value::BYTES_MAX - empty + 1)) };
    invalid(insert(test, &store, over).await, "doc")?;
    same("how many", count::<Doc>(test, &store).await?, 1)
}

/// An entity with a place for everything that no store takes.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
struct Bad {
    id: String,
    lines: Vec<Line>,
    number: u64,
}

#[derive(Clone, Debug, Serialize, serde::Deserialize)]
struct Line {
    price: f64,
    words: std::collections::BTreeMap<String, String>,
}

impl Entity for Bad {
    type Id = String;
    const KIND: &'static str = "bad";
    fn id(&self) -> &String {
        &self.id
    }
}

fn good() -> Bad {
    let line = Line { price: 1.0, words: [("a".to_owned(), "b".to_owned())].into() };
    Bad { id: "b".into(), lines: vec![line.clone(), line], number: 0 }
}

async fn what_no_store_takes_is_refused_with_its_path(test: &Test<'_>) -> Outcome {
    let store = test.store(vec![Schema::of::<Bad>(), Schema::of::<Doc>()]).await?;
    let bad = |spoil: fn(&mut Bad)| {
        let mut bad = good();
        spoil(&mut bad);
        bad
    };
    let spoiled = [
        (bad(|bad| bad.lines[1].price = f64::NAN), "bad.lines[1].price"),
        (bad(|bad| bad.lines[0].price = f64::NEG_INFINITY), "bad.lines[0].price"),
        (bad(|bad| bad.number = i64::MAX as u64 + 1), "bad.number"),
        (bad(|bad| drop(bad.lines[1].words.insert("k".into(), "a\0b".into()))), "bad.lines[1].words.k"),
        (bad(|bad| drop(bad.lines[1].words.insert("a\0b".into(), "k".into()))), "bad.lines[1].words"),
        (
            bad(|bad| drop(bad.lines[1].words.insert("$serde_json::private::RawValue".into(), "1".into()))),
            "bad.lines[1].words",
        ),
        (bad(|bad| bad.id = "\0".into()), "bad.id"),
    ];
    for (bad, path) in spoiled {
        invalid(insert(test, &store, bad).await, path)?;
    }
    let deep = (0..value::DEPTH_MAX).fold(json!(null), |inner, _| json!([inner]));
    let refused = insert(test, &store, Doc { id: "d".into(), value: deep }).await;
    let at = format!("doc.value{}", "[0]".repeat(value::DEPTH_MAX - 1));
    invalid(refused, &at)?;
    same("how many", count::<Bad>(test, &store).await? + count::<Doc>(test, &store).await?, 0)?;
    insert(test, &store, good()).await?;
    Ok(())
}

async fn a_refused_value_leaves_nothing(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let refused = commit(test, &store, |unit| {
        unit.insert(account("a", 1));
        unit.insert(Doc { id: "d".into(), value: json!("\0") });
    });
    invalid(refused.await, "doc.value")?;
    let refused = commit(test, &store, |unit| {
        let made = unit.insert(account("a", 1));
        unit.emit(&made, Counted(json!({ "words": ["\0"] })));
    });
    invalid(refused.await, "counted.words[0]")?;
    let refused = commit(test, &store, |unit| {
        unit.insert(account("a", 1));
        unit.insert(Item::named(1, "x".repeat(value::KEY_BYTES_MAX + 1)));
    });
    invalid(refused.await, "item.name")?;
    same(
        "the account",
        find(test, &store, &"a".to_owned()).await?,
        None::<crate::Versioned<super::things::Account>>,
    )?;
    same("the outbox", store.unsent(test.ctx, Unsent::all(10)).await?, vec![])
}

async fn a_key_has_at_most_1024_bytes(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let widest = "\u{10ffff}".repeat(value::KEY_BYTES_MAX / 4);
    insert(test, &store, account(&widest, 1)).await?;
    holds("the widest id is found", find::<super::things::Account>(test, &store, &widest).await?.is_some())?;
    // Its time takes 8 bytes of the key.
    let name = "y".repeat(value::KEY_BYTES_MAX - 8);
    let item = Item { at: Some(Timestamp::default()), ..Item::named(1, name.clone()) };
    insert(test, &store, item.clone()).await?;
    let found = Repository::<Item>::new(&store).first(test.ctx, &NAME_AT, (name, item.at)).await?;
    same("the widest key", found.map(|found| found.value), Some(item))?;
    let over = "z".repeat(value::KEY_BYTES_MAX + 1);
    invalid(insert(test, &store, account(&over, 1)).await, "text_tally.id")?;
    invalid(find::<super::things::Account>(test, &store, &over).await, "text_tally.id")
}
