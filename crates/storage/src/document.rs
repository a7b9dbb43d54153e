use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// A stored document, as an adapter has it in hand: a JSON value, or its text.
///
/// An entity is made of the text at once; to make a value of it first would cost most of a read by id.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// The value.
    Value(Value),
    /// The value's JSON text.
    Text(String),
}

impl Document {
    /// The value.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] for a text that is no JSON.
    pub fn value(self) -> Result<Value> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Text(text) => json::parse(&text)
                .map_err(|error| Error::Unusable(format!("a stored document is damaged: {error}"))),
        }
    }

    /// What is made of the value.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, json::NotRead> {
        match self {
            Self::Value(value) => json::value(value),
            Self::Text(text) => json::text(&text),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod json {
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    pub(crate) type NotRead = serde_json::Error;

    pub(super) fn parse(text: &str) -> Result<Value, NotRead> {
        serde_json::from_str(text)
    }

    pub(super) fn value<T: DeserializeOwned>(value: Value) -> Result<T, NotRead> {
        serde_json::from_value(value)
    }

    pub(super) fn text<T: DeserializeOwned>(text: &str) -> Result<T, NotRead> {
        serde_json::from_str(text)
    }
}

/// A page loads every byte of its readers: it does without the words.
#[cfg(target_arch = "wasm32")]
mod json {
    use serde::de::DeserializeOwned;
    use serde_json::Value;
    pub(crate) use staffa_context::NotRead;

    pub(super) fn parse(text: &str) -> Result<Value, NotRead> {
        staffa_context::parse(text.as_bytes())
    }

    pub(super) fn value<T: DeserializeOwned>(value: Value) -> Result<T, NotRead> {
        staffa_context::read(&value)
    }

    pub(super) fn text<T: DeserializeOwned>(text: &str) -> Result<T, NotRead> {
        staffa_context::read(&parse(text)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_its_value() {
        assert_eq!(Document::Text(r#"{"a":[1,2.5]}"#.into()).value(), Ok(json!({ "a": [1, 2.5] })));
    }

    #[test]
    fn a_text_that_is_no_json_is_unusable() {
        assert!(matches!(Document::Text("{".into()).value(), Err(Error::Unusable(_))));
        assert!(Document::Text("{".into()).read::<Value>().is_err());
    }
}
