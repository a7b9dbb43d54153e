//! Text of a path or query read as the type that asks for it.
use serde::de::value::SeqDeserializer;
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

/// What a path or query gives for one name: a text, or several under a repeated name.
#[derive(Debug)]
pub(crate) struct Text {
    first: String,
    more: Vec<String>,
}

impl Text {
    pub(crate) fn new(first: String) -> Self {
        Self { first, more: Vec::new() }
    }

    pub(crate) fn push(&mut self, text: String) {
        self.more.push(text);
    }

    pub(crate) fn has_nul(&self) -> bool {
        self.first.contains('\0') || self.more.iter().any(|text| text.contains('\0'))
    }

    fn one(self) -> Result<String, Error> {
        if self.more.is_empty() { Ok(self.first) } else { Err(Error::custom("it is given more than once")) }
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.one()?;
        let number: i128 =
            text.parse().map_err(|_| Error::custom(format!("`{text}` is not a whole number in range")))?;
        // The visitor itself checks the range of its type.
        match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => visitor.visit_i64(number),
            (_, Ok(number)) => visitor.visit_u64(number),
            _ => Err(Error::custom(format!("`{text}` is out of range"))),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.one()?;
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
        visitor.visit_f64(number.ok_or_else(|| Error::custom(format!("`{text}` is not a finite number")))?)
    }
}

impl IntoDeserializer<'_, Error> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! as_number {
    ($read:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$read(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Text {
    type Error = Error;

    as_number! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }
    as_number! { float: deserialize_f32 deserialize_f64 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.one()?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.one()?.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            text => Err(Error::custom(format!("`{text}` is neither `true` nor `false`"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let texts = std::iter::once(self.first).chain(self.more);
        visitor.visit_seq(SeqDeserializer::new(texts.map(Text::new)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.one()?.into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { char str string bytes byte_buf unit unit_struct map struct identifier }
}
