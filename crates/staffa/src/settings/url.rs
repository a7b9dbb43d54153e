use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use crate::store::shown;

/// A URL that may have a password in it: user, password and options are not printed, not by `Debug`, not when it is
/// serialized, not by `--print-settings`. As `str` it is whole.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl Deref for Url {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Url {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

/// Without what may be secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", shown(&self.0))
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Url {
    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_whole_for_who_opens_it_and_without_its_password_for_who_prints_it() {
        let url = Url::from("postgres://shop:hunter2@db/shop?sslmode=require");
        assert!(url.contains("hunter2"));
        for printed in [url.to_string(), format!("{url:?}"), serde_json::to_string(&url).unwrap_or_default()]
        {
            assert!(printed.contains("postgres://db/shop") && !printed.contains("hunter2"), "{printed}");
        }
        assert_eq!(Url::from("sqlite:data").to_string(), "sqlite:data");
    }
}
