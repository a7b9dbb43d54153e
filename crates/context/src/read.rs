//! Types out of JSON values, in little code.
//!
//! `serde_json` reads the same with better words, and links some kilobytes for each type: a page, which loads each of
//! them, reads what services answer and an error's details this way.
use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};

mod text;

pub use text::parse;

/// The value is not what the type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRead;

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value is not as declared")
    }
}

impl std::error::Error for NotRead {}

impl Error for NotRead {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }

    // The words that these would be given are what takes the room.
    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }

    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }

    fn missing_field(_: &'static str) -> Self {
        Self
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}

/// The value as this type. Structures are read from maps only.
///
/// # Errors
/// [`NotRead`].
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, NotRead> {
    T::deserialize(Reader(value))
}

/// The value as this enum, when it is a map that names the variant under `tag` and has the variant's fields beside it.
///
/// The enum itself is declared as serde does unless told otherwise, with its variant's name outside.
///
/// # Errors
/// [`NotRead`].
pub fn read_tagged<T: DeserializeOwned>(tag: &str, value: &Value) -> Result<T, NotRead> {
    let fields = value.as_object().ok_or(NotRead)?;
    let name = fields.get(tag).and_then(Value::as_str).ok_or(NotRead)?;
    T::deserialize(Tagged { tag, name, fields })
}

struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    fn text(self) -> Result<&'a str, NotRead> {
        self.0.as_str().ok_or(NotRead)
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        match (self.0.as_i64(), self.0.as_u64()) {
            (Some(number), _) => visitor.visit_i64(number),
            (None, Some(number)) => visitor.visit_u64(number),
            (None, None) => Err(NotRead),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        let mut list = List(self.0.as_array().ok_or(NotRead)?.iter());
        let read = visitor.visit_seq(&mut list)?;
        if list.0.len() == 0 { Ok(read) } else { Err(NotRead) }
    }

    fn map<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_map(Fields::of(self.0.as_object().ok_or(NotRead)?, None))
    }
}

macro_rules! integers {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
            self.integer(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = NotRead;

    integers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) if number.is_f64() => self.deserialize_f64(visitor),
            Value::Number(_) => self.integer(visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(_) => self.list(visitor),
            Value::Object(_) => self.map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_bool(self.0.as_bool().ok_or(NotRead)?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_f64(self.0.as_f64().ok_or(NotRead)?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        if self.0.is_null() { visitor.visit_unit() } else { Err(NotRead) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotRead> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotRead> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, NotRead> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, NotRead> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotRead> {
        self.map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotRead> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(map) if map.len() == 1 => {
                let (name, content) = map.iter().next().ok_or(NotRead)?;
                visitor.visit_enum(Variant { name, content: Some(content) })
            }
            _ => Err(NotRead),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf }
}

struct List<'a>(std::slice::Iter<'a, Value>);

impl<'de> SeqAccess<'de> for &mut List<'_> {
    type Error = NotRead;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, NotRead> {
        self.0.next().map(|value| seed.deserialize(Reader(value))).transpose()
    }
}

/// The fields of a map but for the one under its tag.
struct Fields<'a> {
    left: map::Iter<'a>,
    tag: Option<&'a str>,
    value: &'a Value,
}

impl<'a> Fields<'a> {
    fn of(map: &'a Map<String, Value>, tag: Option<&'a str>) -> Self {
        Self { left: map.iter(), tag, value: &Value::Null }
    }

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let (key, value) = self.left.next()?;
            if self.tag != Some(key) {
                self.value = value;
                return Some(key);
            }
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = NotRead;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, NotRead> {
        self.next().map(|key| seed.deserialize(key.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NotRead> {
        seed.deserialize(Reader(self.value))
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Value>,
}

impl<'a> Variant<'a> {
    fn content(self) -> Result<Reader<'a>, NotRead> {
        self.content.map(Reader).ok_or(NotRead)
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = NotRead;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), NotRead> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = NotRead;

    fn unit_variant(self) -> Result<(), NotRead> {
        if self.content.is_none_or(Value::is_null) { Ok(()) } else { Err(NotRead) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, NotRead> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, NotRead> {
        self.content()?.list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotRead> {
        self.content()?.map(visitor)
    }
}

/// A map that names its variant itself.
struct Tagged<'a> {
    tag: &'a str,
    name: &'a str,
    fields: &'a Map<String, Value>,
}

impl<'de> Deserializer<'de> for Tagged<'_> {
    type Error = NotRead;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRead> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Tagged<'_> {
    type Error = NotRead;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), NotRead> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Tagged<'_> {
    type Error = NotRead;

    fn unit_variant(self) -> Result<(), NotRead> {
        if self.fields.len() == 1 { Ok(()) } else { Err(NotRead) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, NotRead> {
        Err(NotRead)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, NotRead> {
        Err(NotRead)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotRead> {
        visitor.visit_map(Fields::of(self.fields, Some(self.tag)))
    }
}
