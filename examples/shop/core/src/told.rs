//! An error as the details of a failure, and back: `{"error": "unknown_code", "line": 0, …}`.
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use staffa_context::read_tagged;

const TAG: &str = "error";

/// The details of an error that serde writes as its variant's name with the fields inside.
pub(crate) fn details(error: &impl Serialize) -> Value {
    tagged(serde_json::to_value(error).unwrap_or_default())
}

/// The error that these details tell; none when they are of something else.
pub(crate) fn error<E: DeserializeOwned>(details: &Value) -> Option<E> {
    read_tagged(TAG, details).ok()
}

fn tagged(error: Value) -> Value {
    let (name, fields) = match error {
        Value::String(name) => (name, Value::Null),
        Value::Object(variant) => match variant.into_iter().next() {
            Some(variant) => variant,
            None => return Value::Null,
        },
        _ => return Value::Null,
    };
    let mut details = Map::from_iter([(TAG.to_owned(), Value::String(name))]);
    if let Value::Object(fields) = fields {
        details.extend(fields);
    }
    Value::Object(details)
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::{details, error};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Wrong {
        Empty,
        UnknownCode { line: u32 },
    }

    #[test]
    fn an_error_is_told_by_its_name_beside_its_fields_and_back() {
        for (wrong, expect) in [
            (Wrong::Empty, json!({"error": "empty"})),
            (Wrong::UnknownCode { line: 3 }, json!({"error": "unknown_code", "line": 3})),
        ] {
            assert_eq!(details(&wrong), expect);
            assert_eq!(error(&expect), Some(wrong));
        }
    }

    #[test]
    fn details_of_something_else_are_no_error() {
        for other in [
            json!(null),
            json!({}),
            json!({"error": 1}),
            json!({"error": "other"}),
            json!({"error": "unknown_code", "line": 3, "more": 1}),
            json!({"error": "empty", "line": 3}),
        ] {
            assert_eq!(error::<Wrong>(&other), None, "{other}");
        }
    }
}
