//! A request read back from its path, query and body, with words that say what is wrong where.
use std::borrow::Cow;
use std::fmt::Write as _;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value, json};
use staffa_context::{Failure, Kind};

use super::text::Text;
use crate::endpoint::Shape;
use crate::path::{self, Plus};

/// Unknown fields that an answer names at most.
const UNKNOWN_NAMED_MAX: usize = 10;

/// What a request brought, not yet read as its type.
#[derive(Debug)]
pub(crate) enum Input {
    /// Fields from several places.
    Fields(Vec<(Cow<'static, str>, Field)>),
    /// A body and nothing else.
    Body(Value),
}

#[derive(Debug)]
pub(crate) enum Field {
    Text(Text),
    Json(Value),
}

/// Collects the fields of a request from where its endpoint says they travel.
pub(crate) fn gather(shape: &Shape, uri: &http::Uri, body: &[u8]) -> Result<Input, Failure> {
    let mut fields = Vec::new();
    // Most paths have no parameter, and to look for that is all that they cost.
    if shape.path.contains('{') {
        for (name, raw) in path::matched(shape.path, uri.path()) {
            let text = path::decode(raw, Plus::Literal)?.into_owned();
            fields.push((Cow::Borrowed(name), Field::Text(Text::new(text))));
        }
    }
    if !shape.method.has_body() {
        if let Some(query) = uri.query() {
            add_query(&mut fields, query)?;
        }
    } else if let Some(query) = uri.query().filter(|query| !query.is_empty()) {
        return Err(invalid(format!("this endpoint takes no query, and got `{query}`")));
    } else {
        let body = parse(body)?;
        if fields.is_empty() {
            return Ok(Input::Body(body));
        }
        add_body(&mut fields, body)?;
    }
    if fields.iter().any(|(_, field)| matches!(field, Field::Text(text) if text.has_nul())) {
        return Err(invalid("the address holds the character U+0000, which no text may"));
    }
    Ok(Input::Fields(fields))
}

fn add_query(fields: &mut Vec<(Cow<'static, str>, Field)>, query: &str) -> Result<(), Failure> {
    let path_len = fields.len();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = path::decode(name, Plus::Space)?;
        let value = path::decode(value, Plus::Space)?.into_owned();
        match fields.iter_mut().position(|(known, _)| *known == name) {
            None => fields.push((Cow::Owned(name.into_owned()), Field::Text(Text::new(value)))),
            Some(at) if at < path_len => return Err(in_two_places(&name)),
            Some(at) => {
                if let Field::Text(text) = &mut fields[at].1 {
                    text.push(value);
                }
            }
        }
    }
    Ok(())
}

fn add_body(fields: &mut Vec<(Cow<'static, str>, Field)>, body: Value) -> Result<(), Failure> {
    let body = match body {
        Value::Object(body) => body,
        Value::Null => Map::new(),
        _ => return Err(invalid("the body must be a JSON object")),
    };
    if let Some((name, _)) = fields.iter().find(|(name, _)| body.contains_key(name.as_ref())) {
        return Err(in_two_places(name));
    }
    fields.extend(body.into_iter().map(|(name, value)| (Cow::Owned(name), Field::Json(value))));
    Ok(())
}

fn parse(body: &[u8]) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| invalid(format!("the body is not UTF-8 after byte {}", error.valid_up_to())))?;
    let value: Value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("the body is not valid JSON: {error}")))?;
    // JSON writes the character only as this escape, so most bodies are not walked.
    if text.contains("\\u0000")
        && let Some(place) = nul(&value)
    {
        return Err(invalid(format!("`{place}` holds the character U+0000, which no text may"))
            .with_details(json!({ "field": place })));
    }
    Ok(value)
}

/// Where a text holds U+0000.
fn nul(value: &Value) -> Option<String> {
    let deeper = |step: String, value| {
        nul(value).map(|rest| {
            if rest.is_empty() || rest.starts_with('[') { step + &rest } else { format!("{step}.{rest}") }
        })
    };
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(index, value)| deeper(format!("[{index}]"), value))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if name.contains('\0') {
                Some(name.replace('\0', "\\u0000"))
            } else {
                deeper(name.clone(), value)
            }
        }),
        _ => None,
    }
}

fn in_two_places(name: &str) -> Failure {
    invalid(format!("`{name}` comes from the path, so it must not be given again"))
        .with_details(json!({ "field": name }))
}

fn invalid(words: impl Into<Cow<'static, str>>) -> Failure {
    Failure::new(Kind::Invalid, words)
}

impl Input {
    /// Reads the request as its type; a field that the type does not know is refused by name.
    pub(crate) fn read<Q: DeserializeOwned>(self) -> Result<Q, Failure> {
        match self {
            Self::Body(Value::Null) => read(Fields(Vec::new())),
            Self::Body(body) => read(body),
            Self::Fields(fields) => read(Fields(fields)),
        }
    }
}

fn read<'de, Q: DeserializeOwned>(from: impl Deserializer<'de, Error = Error>) -> Result<Q, Failure> {
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| {
        if unknown.len() < UNKNOWN_NAMED_MAX {
            unknown.push(render(&path));
        }
    };
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(from, &mut track);
    let request = Q::deserialize(serde_ignored::Deserializer::new(tracked, &mut note));
    match request {
        Err(error) => Err(wrong(&track.path().to_string(), &error)),
        Ok(_) if !unknown.is_empty() => Err(unknown_fields(&unknown)),
        Ok(request) => Ok(request),
    }
}

fn wrong(path: &str, error: &Error) -> Failure {
    if path == "." || path == "?" {
        return invalid(format!("the request is wrong: {error}"));
    }
    invalid(format!("`{path}` is wrong: {error}")).with_details(json!({ "field": path }))
}

fn unknown_fields(names: &[String]) -> Failure {
    let mut words = String::from("the request has unknown fields:");
    for (at, name) in names.iter().enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(words, "{} `{name}`", if at == 0 { "" } else { "," });
    }
    invalid(words).with_details(json!({ "unknown": names }))
}

/// The place of an ignored field: `lines[3].colour`.
fn render(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", render(parent)),
        Path::Map { parent, key } => {
            let parent = render(parent);
            if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") }
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            render(parent)
        }
    }
}

impl IntoDeserializer<'_, Error> for Field {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! either {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, Error> {
            match self {
                Field::Text(text) => text.$method($($arg,)* visitor),
                Field::Json(value) => value.$method($($arg,)* visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Field {
    type Error = Error;

    either! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_f32() deserialize_f64()
        deserialize_char() deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

/// Fields as the structure that they belong to, or the one plain value that the only one of them holds.
struct Fields(Vec<(Cow<'static, str>, Field)>);

impl Fields {
    fn sole(mut self) -> Result<Field, Error> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some((_, field)), true) => Ok(field),
            _ => Err(Error::custom("the request must be one plain value")),
        }
    }
}

macro_rules! sole {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.sole()?.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Fields {
    type Error = Error;

    sole! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let fields = self.0.into_iter().map(|(name, field)| (name.into_owned(), field));
        visitor.visit_map(MapDeserializer::new(fields))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.first() {
            None => visitor.visit_unit(),
            Some((name, _)) => Err(Error::custom(format!("unknown field `{name}`"))),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.sole()?.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! { bytes byte_buf seq tuple tuple_struct map struct ignored_any }
}
