//! A request as it travels: path, query and JSON body.
use serde::Serialize;
use serde_json::{Map, Value};
use staffa_context::{Failure, Kind};

use crate::endpoint::Shape;
use crate::path::{self, Segment};

#[cfg(not(target_arch = "wasm32"))]
mod decode;
#[cfg(not(target_arch = "wasm32"))]
mod text;
mod write;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use decode::{Input, gather};

/// The target (path and query) and the body of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) target: String,
    pub(crate) body: Option<Vec<u8>>,
}

/// Writes a request where its endpoint says.
///
/// # Errors
/// [`Kind::Invalid`] when a value cannot travel where it must: an empty path segment, a structure in a query.
pub(crate) fn encode(shape: &Shape, request: &impl Serialize) -> Result<Encoded, Failure> {
    encode_value(shape, write::value(request))
}

/// The part that does not depend on the type, so that it is compiled once.
fn encode_value(shape: &Shape, value: Result<Value, String>) -> Result<Encoded, Failure> {
    let value = value.map_err(refused)?;
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        value => match sole_param(shape) {
            Some(name) => {
                let mut fields = Map::new();
                fields.insert(name.to_owned(), value);
                fields
            }
            None => return whole(shape, &value),
        },
    };
    let mut target = encode_path(shape, &fields)?;
    let mut elsewhere = Map::new();
    for (name, value) in fields {
        if path::params(shape.path).all(|param| param != name) {
            elsewhere.insert(name, value);
        }
    }
    if !shape.method.has_body() {
        encode_query(&mut target, &elsewhere)?;
        return Ok(Encoded { target, body: None });
    }
    let body =
        if elsewhere.is_empty() { None } else { Some(write::json(&Value::Object(elsewhere)).into_bytes()) };
    Ok(Encoded { target, body })
}

/// The only parameter of the path: where a request that is one plain value travels.
fn sole_param(shape: &Shape) -> Option<&'static str> {
    let mut params = path::params(shape.path);
    params.next().filter(|_| params.next().is_none())
}

/// A request that is no structure is the whole body.
fn whole(shape: &Shape, value: &Value) -> Result<Encoded, Failure> {
    if shape.method.has_body() && path::params(shape.path).next().is_none() {
        return Ok(Encoded { target: shape.path.to_owned(), body: Some(write::json(value).into_bytes()) });
    }
    Err(refused("a request that is no structure has no place in this endpoint".to_owned()))
}

fn encode_path(shape: &Shape, fields: &Map<String, Value>) -> Result<String, Failure> {
    let mut target = String::with_capacity(shape.path.len() + 32);
    for segment in path::segments(shape.path) {
        target.push('/');
        match segment {
            Segment::Fixed(text) => target.push_str(text),
            Segment::Param(name) => {
                let value = fields.get(name).unwrap_or(&Value::Null);
                path::encode_into(&mut target, &path_text(name, value)?);
            }
        }
    }
    Ok(target)
}

/// The text of a path parameter. Empty and dotted segments are changed or lost on the way, so they are refused.
fn path_text(name: &str, value: &Value) -> Result<String, Failure> {
    let text = plain(name, value)?;
    if matches!(text.as_str(), "" | "." | "..") {
        return Err(refused(format!("`{text}` cannot travel in the path as `{name}`")));
    }
    Ok(text)
}

fn encode_query(target: &mut String, fields: &Map<String, Value>) -> Result<(), Failure> {
    let mut separator = '?';
    for (name, value) in fields {
        let one = std::slice::from_ref(value);
        let values = match value {
            Value::Null => &[],
            Value::Array(values) => values.as_slice(),
            _ => one,
        };
        for value in values {
            target.push(std::mem::replace(&mut separator, '&'));
            path::encode_into(target, name);
            target.push('=');
            path::encode_into(target, &plain(name, value)?);
        }
    }
    Ok(())
}

fn plain(name: &str, value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) => Ok(write::json(value)),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(refused(format!("`{name}` is no plain value, so it cannot travel in the address"))),
    }
}

fn refused(words: String) -> Failure {
    Failure::new(Kind::Invalid, words)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
