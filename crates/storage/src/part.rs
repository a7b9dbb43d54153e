use std::fmt;

use staffa_context::Timestamp;
use uuid::Uuid;

/// One part of a key, or a whole id.
///
/// The order is the port's order on every store: none first, numbers by value, text by its UTF-8 bytes. Parts
/// of two types are never compared: a schema fixes the type of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// An absent optional part.
    None,
    /// False before true.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text without U+0000.
    Text(String),
    /// By its 16 bytes.
    Uuid(Uuid),
    /// To the microsecond.
    Time(Timestamp),
}

/// The type of a key part. Every part but an id may also be [`Part::None`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartType {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Text without U+0000.
    Text,
    /// A UUID.
    Uuid,
    /// A time to the microsecond.
    Time,
}

impl PartType {
    /// Its name at rest: `bool`, `int`, `text`, `uuid` or `time`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Text => "text",
            Self::Uuid => "uuid",
            Self::Time => "time",
        }
    }
}

impl Part {
    /// Whether it is of this type. None is of every type.
    pub fn is(&self, part: PartType) -> bool {
        match self {
            Self::None => true,
            Self::Bool(_) => part == PartType::Bool,
            Self::Int(_) => part == PartType::Int,
            Self::Text(_) => part == PartType::Text,
            Self::Uuid(_) => part == PartType::Uuid,
            Self::Time(_) => part == PartType::Time,
        }
    }
}

/// The canonical text of a part, as events and messages name an id. None is the empty text.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::Uuid(value) => write!(f, "{value}"),
            Self::Time(value) => write!(f, "{value}"),
        }
    }
}
