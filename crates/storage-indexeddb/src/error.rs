//! What a script tells of its failures.

use serde_json::Value;
use staffa_context::Cause;
use staffa_storage::{Error, Part};

use crate::key;
use crate::table::Tables;

/// The port's error for a failure: its name, and what it has beside it.
pub(crate) fn failure(told: &[Value], tables: &Tables) -> Error {
    let text = |place: usize| told.get(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = || {
        let table = tables.of(&text(1)).ok();
        let id: Option<Part> = table.and_then(|table| key::read_bare(table.id, &text(2)).ok());
        id.map_or_else(|| text(2), |id| id.to_string())
    };
    match text(0).as_str() {
        "Ended" => Error::Ended(Cause::cancelled("its caller left")),
        "Conflict" => Error::Conflict { kind: text(1), id: id() },
        "Duplicate" => Error::Duplicate { kind: text(1), index: text(2) },
        "NewerShape" => Error::NewerShape { kind: text(1), id: id(), shape: number(told.get(3)) },
        "Kept" => Error::Kept,
        "Unavailable" => Error::Unavailable(text(1)),
        _ => Error::Unusable(text(1)),
    }
}

/// A number that was written as a `u32`.
pub(crate) fn number(value: Option<&Value>) -> u32 {
    value.and_then(Value::as_u64).unwrap_or_default() as u32
}

/// The same failure as a script has it from what makes keys.
#[cfg(feature = "indexes")]
pub(crate) fn told(error: Error) -> Vec<Value> {
    let (name, words) = match error {
        Error::Unavailable(words) => ("Unavailable", words),
        Error::Unusable(words) => ("Unusable", words),
        other => ("Unusable", other.to_string()),
    };
    vec![name.into(), words.into()]
}
