//! A serializer to a JSON value that refuses what no store takes, and says where.

use std::fmt;

use serde::ser::{self, Serialize};
use serde_json::{Map, Number, Value};

use super::DEPTH_MAX;

pub(super) const NUL: &str = "text must not hold U+0000";
/// With features that any crate of a program may turn on, `serde_json` reads a map of such a name as something else.
const RESERVED: &str = "$serde_json::private::";

/// What was refused. The path grows from the field outwards while the error comes up.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) path: Vec<String>,
    pub(super) reason: String,
}

impl Refused {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), reason: reason.into() }
    }

    fn under(mut self, step: impl FnOnce() -> String) -> Self {
        self.path.push(step());
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::new(words.to_string())
    }
}

impl std::error::Error for Refused {}

type Result<T, E = Refused> = std::result::Result<T, E>;

/// Serializes one value, this many lists and maps below the top.
#[derive(Clone, Copy)]
pub(super) struct Checked {
    depth: usize,
}

impl Checked {
    pub(super) fn new() -> Self {
        Self { depth: 0 }
    }

    fn deeper(self) -> Result<Self> {
        if self.depth == DEPTH_MAX {
            return Err(Refused::new(format!("it is nested deeper than {DEPTH_MAX}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }

    fn list(self, variant: Option<&'static str>) -> Result<List> {
        let within = if variant.is_some() { self.deeper()?.deeper()? } else { self.deeper()? };
        Ok(List { within, values: Vec::new(), variant })
    }

    fn map(self, variant: Option<&'static str>) -> Result<Fields> {
        let within = if variant.is_some() { self.deeper()?.deeper()? } else { self.deeper()? };
        Ok(Fields { within, fields: Map::new(), key: None, variant })
    }
}

fn text(value: &str) -> Result<Value> {
    if value.contains('\0') {
        return Err(Refused::new(NUL));
    }
    Ok(Value::String(value.to_owned()))
}

fn whole<N: fmt::Display + Copy>(value: N) -> Result<Value>
where
    i64: TryFrom<N>,
{
    match i64::try_from(value) {
        Ok(value) => Ok(value.into()),
        Err(_) => Err(Refused::new(format!("{value} is not from {} to {}", i64::MIN, i64::MAX))),
    }
}

fn field(name: &str) -> String {
    format!(".{name}")
}

/// A value inside a map of one entry, as `serde` writes a variant with contents.
fn tagged(variant: Option<&'static str>, value: Value) -> Value {
    let Some(name) = variant else { return value };
    let mut map = Map::new();
    map.insert(name.to_owned(), value);
    Value::Object(map)
}

impl ser::Serializer for Checked {
    type Ok = Value;
    type Error = Refused;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    fn serialize_bool(self, value: bool) -> Result<Value> {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Value> {
        whole(value)
    }

    fn serialize_i16(self, value: i16) -> Result<Value> {
        whole(value)
    }

    fn serialize_i32(self, value: i32) -> Result<Value> {
        whole(value)
    }

    fn serialize_i64(self, value: i64) -> Result<Value> {
        whole(value)
    }

    fn serialize_i128(self, value: i128) -> Result<Value> {
        whole(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Value> {
        whole(value)
    }

    fn serialize_u16(self, value: u16) -> Result<Value> {
        whole(value)
    }

    fn serialize_u32(self, value: u32) -> Result<Value> {
        whole(value)
    }

    fn serialize_u64(self, value: u64) -> Result<Value> {
        whole(value)
    }

    fn serialize_u128(self, value: u128) -> Result<Value> {
        whole(value)
    }

    fn serialize_f32(self, value: f32) -> Result<Value> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<Value> {
        // Adding 0 turns −0 into 0 and leaves every other number.
        Number::from_f64(value + 0.0)
            .map(Value::Number)
            .ok_or_else(|| Refused::new(format!("{value} is not a finite number")))
    }

    fn serialize_char(self, value: char) -> Result<Value> {
        text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Value> {
        text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value> {
        self.deeper()?;
        Ok(value.iter().copied().map(Value::from).collect())
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _place: u32,
        variant: &'static str,
    ) -> Result<Value> {
        text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _place: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        let value = value.serialize(self.deeper()?).map_err(|refused| refused.under(|| field(variant)))?;
        Ok(tagged(Some(variant), value))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<List> {
        self.list(None)
    }

    fn serialize_tuple(self, _len: usize) -> Result<List> {
        self.list(None)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<List> {
        self.list(None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _place: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<List> {
        self.list(Some(variant))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Fields> {
        self.map(None)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Fields> {
        self.map(None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _place: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Fields> {
        self.map(Some(variant))
    }
}

/// A list in the making.
pub(super) struct List {
    within: Checked,
    values: Vec<Value>,
    variant: Option<&'static str>,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.take(value.serialize(self.within))
    }

    /// What does not depend on the value's type is compiled once.
    fn take(&mut self, value: Result<Value>) -> Result<()> {
        let value = value.map_err(|refused| {
            let refused = refused.under(|| format!("[{}]", self.values.len()));
            self.variant.into_iter().fold(refused, |refused, variant| refused.under(|| field(variant)))
        })?;
        self.values.push(value);
        Ok(())
    }

    fn finish(self) -> Value {
        tagged(self.variant, Value::Array(self.values))
    }
}

/// A map in the making.
pub(super) struct Fields {
    within: Checked,
    fields: Map<String, Value>,
    key: Option<String>,
    variant: Option<&'static str>,
}

impl Fields {
    /// What does not depend on the value's type is compiled once.
    fn take(&mut self, name: String, value: Result<Value>) -> Result<()> {
        if name.starts_with(RESERVED) {
            return Err(Refused::new(format!("the name of a field must not begin with {RESERVED}")));
        }
        let value = value.map_err(|refused| self.named(refused, &name))?;
        self.fields.insert(name, value);
        Ok(())
    }

    fn take_field(&mut self, name: &str, value: Result<Value>) -> Result<()> {
        if name.contains('\0') {
            return Err(Refused::new(NUL));
        }
        self.take(name.to_owned(), value)
    }

    fn named(&self, refused: Refused, name: &str) -> Refused {
        let refused = refused.under(|| field(name));
        self.variant.into_iter().fold(refused, |refused, variant| refused.under(|| field(variant)))
    }

    fn finish(self) -> Value {
        tagged(self.variant, Value::Object(self.fields))
    }
}

/// The text that a map's key is written as.
fn key_text<T: Serialize + ?Sized>(key: &T) -> Result<String> {
    match key.serialize(Checked { depth: DEPTH_MAX })? {
        Value::String(text) => Ok(text),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(Refused::new("a map's key must be text")),
    }
}

impl ser::SerializeMap for Fields {
    type Ok = Value;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key_text(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let name = self.key.take().ok_or_else(|| Refused::new("a map's value has no key"))?;
        self.take(name, value.serialize(self.within))
    }

    fn end(self) -> Result<Value> {
        Ok(self.finish())
    }
}

macro_rules! list {
    ($($made:ident::$step:ident)*) => {$(
        impl ser::$made for List {
            type Ok = Value;
            type Error = Refused;

            fn $step<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.push(value)
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

macro_rules! fields {
    ($($made:ident)*) => {$(
        impl ser::$made for Fields {
            type Ok = Value;
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.take_field(name, value.serialize(self.within))
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

list! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}
fields! { SerializeStruct SerializeStructVariant }
