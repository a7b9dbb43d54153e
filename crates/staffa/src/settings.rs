//! Settings: one value from defaults, a TOML file, the environment and flags, each over the one before.
//!
//! A service's settings are a struct that derives `Serialize`, `Deserialize` and `JsonSchema` and implements
//! `Default`; its doc comments are the operator's manual. They live in a section named after the service,
//! beside the sections of [`Common`].
//!
//! | source | form |
//! |---|---|
//! | defaults | the struct's `Default` |
//! | file | `--config FILE`, else `<process>.toml` in the working directory when there is one |
//! | environment | `STAFFA__SECTION__FIELD=value`; lists as `a,b` or `["a", "b"]` |
//! | flags | `--set section.field=value`, and the short ones of [`Flags`] |
//!
//! Any field can come from a file, as secrets do: `field_file = "path"` (relative to the settings file) or
//! `STAFFA__SECTION__FIELD_FILE=path`; one line end at its end is cut off. What is wrong is refused as a whole:
//! every problem is listed with its place, and nothing starts.

mod common;
mod document;
mod flags;
mod nearest;
mod period;
mod print;
mod secret;
mod shape;
mod source;
mod url;

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use common::{Admin, Bus, Common, Http, Log, LogFormat, SchemaWork, Stop, Storage, Synchronous, Trace};
pub(crate) use document::{Section, is_common, read};
pub use flags::Flags;
pub use period::Period;
pub use secret::Secret;
pub use url::Url;

use document::Document;

/// What a service can be set with. Nobody implements it by hand; `()` is a service without settings.
pub trait Settings: Serialize + DeserializeOwned + JsonSchema + Default + Send + Sync + 'static {}

impl<S: Serialize + DeserializeOwned + JsonSchema + Default + Send + Sync + 'static> Settings for S {}

/// Everything that is wrong with the settings, each with its place and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the settings are wrong: {one}"),
            many => {
                write!(f, "the settings are wrong in {} places:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

/// The settings of a process, read and accepted. It holds secrets, and so is never printed by `Debug`.
pub(crate) struct Loaded {
    document: Document,
    values: Value,
}

impl Loaded {
    /// Reads every source.
    pub(crate) fn read(
        services: Vec<Section>,
        file: Option<&Path>,
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let document = Document::new(services);
        let mut values = document.defaults();
        let mut problems = Vec::new();
        if let Some(file) = file {
            document.apply(source::file(&document, file), &mut values, &mut problems);
        }
        document.apply(source::environment(&document, environment), &mut values, &mut problems);
        let found = source::flags(&document, flags, &values);
        document.apply(found, &mut values, &mut problems);

        if problems.is_empty() { Ok(Self { document, values }) } else { Err(Problems(problems)) }
    }

    /// The sections that every process has.
    pub(crate) fn common(&self) -> Common {
        // `Document::apply` keeps only values that `Common` reads.
        serde_json::from_value(self.values.clone()).unwrap_or_default()
    }

    /// The section of one service.
    pub(crate) fn section(&self, service: &str) -> Value {
        self.values[service].clone()
    }

    /// A commented settings file that says the same.
    pub(crate) fn print(&self) -> String {
        print::toml(self.document.fields(), &self.values)
    }
}

#[cfg(test)]
mod tests;
