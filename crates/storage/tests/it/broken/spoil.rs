//! Values that are not what they were when they come back.

use serde_json::{Map, Number, Value};
use staffa_storage::{Commit, Error, Result};

use super::Fault;

/// What becomes of a commit's documents, events and answer on their way to the disk.
pub(super) fn spoil(fault: Fault, commit: &mut Commit) -> Result<()> {
    let documents =
        commit.writes.iter_mut().filter_map(|write| write.put.as_mut().map(|(document, _)| document));
    let told = commit.events.iter_mut().map(|event| &mut event.payload);
    let answer = commit.kept.iter_mut().map(|kept| &mut kept.answer);
    if fault == Fault::RoundsEvents {
        told.chain(answer).for_each(whole);
        return Ok(());
    }
    if fault == Fault::CutsTimesInText {
        told.chain(answer).for_each(|value| text(value, &|text| text.replace("999Z", "000Z")));
        return Ok(());
    }
    let mut len = 0;
    for document in documents {
        len += document.to_string().len();
        value(fault, document, 0);
    }
    if fault == Fault::RefusesLargeUnits && len > 4 << 20 {
        return Err(Error::Unavailable("the unit is larger than a packet".into()));
    }
    Ok(())
}

fn value(fault: Fault, document: &mut Value, depth: usize) {
    match fault {
        Fault::TrimsText => text(document, &|text| text.trim().to_owned()),
        Fault::CutsLongText => text(document, &|text| text.chars().take(900_000).collect()),
        Fault::MakesFloatsWhole => whole(document),
        Fault::DropsNullsOfLists => lists(document, &|list| list.retain(|value| !value.is_null())),
        Fault::LosesProto => maps(document, &|map| drop(map.remove("__proto__"))),
        Fault::ReadsTypesIntoMaps => typed(document),
        Fault::FlattensWhatIsDeep if depth > 60 => *document = Value::Null,
        Fault::FlattensWhatIsDeep => children(document, &mut |child| value(fault, child, depth + 1)),
        _ => {}
    }
}

fn children(value: &mut Value, each: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(each),
        Value::Object(fields) => fields.values_mut().for_each(each),
        _ => {}
    }
}

fn text(value: &mut Value, change: &dyn Fn(&str) -> String) {
    if let Value::String(text) = value {
        *text = change(text);
    }
    children(value, &mut |child| text(child, change));
}

fn lists(value: &mut Value, change: &dyn Fn(&mut Vec<Value>)) {
    if let Value::Array(list) = value {
        change(list);
    }
    children(value, &mut |child| lists(child, change));
}

fn maps(value: &mut Value, change: &dyn Fn(&mut Map<String, Value>)) {
    if let Value::Object(map) = value {
        change(map);
    }
    children(value, &mut |child| maps(child, change));
}

/// Takes a float without a fraction for a whole number, as a store does that has one sort of numbers.
fn whole(value: &mut Value) {
    if let Value::Number(number) = value
        && number.as_i64().is_none()
        && let Some(float) = number.as_f64()
        && float.fract() == 0.0
        && float.abs() < 9e15
    {
        #[expect(clippy::cast_possible_truncation, reason = "it is the fault")]
        let whole = float as i64;
        *number = Number::from(whole);
    }
    children(value, &mut whole);
}

/// Reads a database's own way to write a number.
fn typed(value: &mut Value) {
    if let Value::Object(map) = value
        && map.len() == 1
        && let Some(number) =
            map.get("$numberLong").and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok())
    {
        *value = number.into();
    }
    children(value, &mut typed);
}
