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
            Self::Text(text) => serde_json::from_str(&text)
                .map_err(|error| Error::Unusable(format!("a stored document is damaged: {error}"))),
        }
    }

    /// What is made of the value.
    pub(crate) fn read<T: DeserializeOwned>(self) -> serde_json::Result<T> {
        match self {
            Self::Value(value) => serde_json::from_value(value),
            Self::Text(text) => serde_json::from_str(&text),
        }
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
