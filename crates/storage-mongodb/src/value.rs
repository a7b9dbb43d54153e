//! JSON values as BSON, and back: each as the very value that it was.
//!
//! A whole number is an `Int64`, any other a `Double`, so that both come back as what they were; a map keeps the order of its
//! fields. Names are as they are, but for those that servers before 5.0 refuse: one that begins with `$`, or with `_` and
//! then `$`, gets one more `_` before it.

use bson::raw::{CString, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use serde_json::{Map, Number, Value};
use staffa_storage::{Error, Result};

/// A map as a document.
pub(crate) fn document(map: &Map<String, Value>) -> Result<RawDocumentBuf> {
    let mut document = RawDocumentBuf::new();
    for (name, value) in map {
        document.append(field(name)?, bson(value)?);
    }
    Ok(document)
}

/// A value as BSON.
pub(crate) fn bson(value: &Value) -> Result<RawBson> {
    Ok(match value {
        Value::Null => RawBson::Null,
        Value::Bool(value) => RawBson::Boolean(*value),
        Value::Number(number) => self::number(number)?,
        Value::String(text) => RawBson::String(text.clone()),
        Value::Array(values) => {
            let mut list = RawArrayBuf::new();
            for value in values {
                list.push(bson(value)?);
            }
            RawBson::Array(list)
        }
        Value::Object(map) => RawBson::Document(document(map)?),
    })
}

fn number(number: &Number) -> Result<RawBson> {
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => Ok(RawBson::Int64(whole)),
        (None, Some(other)) if !number.is_u64() => Ok(RawBson::Double(other)),
        _ => Err(Error::Unusable(format!("the number {number} is not one of the port's"))),
    }
}

fn field(name: &str) -> Result<CString> {
    let name = if is_escaped(name) { format!("_{name}") } else { name.to_owned() };
    CString::try_from(name).map_err(|_| Error::Unusable("the name of a field has a U+0000".into()))
}

/// Whether it is any number of `_`, and then a `$`.
fn is_escaped(name: &str) -> bool {
    name.trim_start_matches('_').starts_with('$')
}

fn name(field: &str) -> &str {
    if is_escaped(field) { field.strip_prefix('_').unwrap_or(field) } else { field }
}

/// The value of a document's bytes.
pub(crate) fn json_map(document: &RawDocument) -> Result<Value> {
    let mut map = Map::new();
    for element in document {
        let (field, value) = element.map_err(|error| damaged(&error.to_string()))?;
        map.insert(name(field.as_str()).to_owned(), json(value)?);
    }
    Ok(Value::Object(map))
}

/// A value of BSON. A person's tool may have left an `Int32`.
pub(crate) fn json(value: RawBsonRef<'_>) -> Result<Value> {
    Ok(match value {
        RawBsonRef::Null => Value::Null,
        RawBsonRef::Boolean(value) => Value::Bool(value),
        RawBsonRef::Int64(value) => value.into(),
        RawBsonRef::Int32(value) => value.into(),
        RawBsonRef::Double(value) => {
            Value::Number(Number::from_f64(value).ok_or_else(|| damaged("a number that is not finite"))?)
        }
        RawBsonRef::String(text) => text.into(),
        RawBsonRef::Array(values) => {
            let values = values.into_iter().map(|value| match value {
                Ok(value) => json(value),
                Err(error) => Err(damaged(&error.to_string())),
            });
            Value::Array(values.collect::<Result<_>>()?)
        }
        RawBsonRef::Document(document) => json_map(document)?,
        other => return Err(damaged(&format!("a value of the type {:?}", other.element_type()))),
    })
}

fn damaged(what: &str) -> Error {
    Error::Unusable(format!("a stored document has {what}, which is no JSON value"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn comes_back(value: &Value) -> Value {
        let map = Map::from_iter([("value".to_owned(), value.clone())]);
        let back = json_map(&document(&map).unwrap()).unwrap();
        back.get("value").cloned().unwrap()
    }

    #[test]
    fn numbers_keep_their_type_and_every_digit() {
        let values = [json!(i64::MIN), json!(i64::MAX), json!(0), json!(2.0), json!(5e-324), json!(f64::MAX)];
        for value in values {
            assert_eq!(comes_back(&value), value);
            assert_eq!(comes_back(&value).is_f64(), value.is_f64());
        }
    }

    #[test]
    fn names_that_older_servers_refuse_are_written_otherwise() {
        let value = json!({ "$set": 1, "_$set": 2, "__$": 3, "_id": 4, "a.b": 5, "": 6, "a$": 7 });
        let stored = document(value.as_object().unwrap()).unwrap();
        let mut names: Vec<&str> = stored.iter().map(|element| element.unwrap().0.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["", "_$set", "__$set", "___$", "_id", "a$", "a.b"]);
        assert_eq!(comes_back(&value), value);
    }

    #[test]
    fn what_is_no_json_is_told() {
        let stored = bson::rawdoc! { "date": bson::DateTime::from_millis(0) };
        assert!(matches!(json_map(&stored), Err(Error::Unusable(_))));
        let stored = bson::rawdoc! { "number": f64::NAN };
        assert!(matches!(json_map(&stored), Err(Error::Unusable(_))));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::from),
            "[^\0]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[_$.a\u{e9}]{0,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in any_value()) {
            prop_assert_eq!(comes_back(&value), value);
        }
    }
}
