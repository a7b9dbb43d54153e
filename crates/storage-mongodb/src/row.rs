//! Parts and rows as BSON.

use bson::raw::{RawBsonRef, RawDocument};
use bson::spec::BinarySubtype;
use bson::{Binary, Bson};
use staffa_context::Timestamp;
use staffa_storage::{Document, Error, Part, PartType, Result, Row, Seen};
use uuid::Uuid;

use crate::table::Table;
use crate::value::json_map;

/// A part as a field holds it: a UUID as binary of subtype 4, a time as its microseconds since 1970 (a BSON date would
/// hold milliseconds).
pub(crate) fn bson(part: &Part) -> Bson {
    match part {
        Part::None => Bson::Null,
        Part::Bool(value) => Bson::Boolean(*value),
        Part::Int(value) => Bson::Int64(*value),
        Part::Text(value) => Bson::String(value.clone()),
        Part::Uuid(value) => uuid(*value),
        Part::Time(value) => Bson::Int64(value.as_micros()),
    }
}

pub(crate) fn uuid(value: Uuid) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: value.as_bytes().to_vec() })
}

/// The part in a field of this type. A person's tool may have left an `Int32`.
pub(crate) fn part(value: RawBsonRef<'_>, part: PartType) -> Result<Part> {
    let whole = match value {
        RawBsonRef::Int64(value) => Some(value),
        RawBsonRef::Int32(value) => Some(value.into()),
        _ => None,
    };
    let read = match (part, value) {
        (_, RawBsonRef::Null) => Some(Part::None),
        (PartType::Bool, RawBsonRef::Boolean(value)) => Some(Part::Bool(value)),
        (PartType::Int, _) => whole.map(Part::Int),
        (PartType::Text, RawBsonRef::String(value)) => Some(Part::Text(value.to_owned())),
        (PartType::Uuid, RawBsonRef::Binary(value)) => Uuid::from_slice(value.bytes).ok().map(Part::Uuid),
        (PartType::Time, _) => whole.map(|micros| Part::Time(Timestamp::from_micros(micros))),
        _ => None,
    };
    read.ok_or_else(|| {
        Error::Unusable(format!("a key holds {:?}, which is no {part:?}", value.element_type()))
    })
}

/// What a stored document is: an entity, or what is left of one.
pub(crate) struct Stored<'a> {
    pub(crate) id: Part,
    pub(crate) version: i64,
    /// The shape and document; `None` once it was deleted, and for a place that a unit looked at and found empty.
    pub(crate) live: Option<(u32, &'a RawDocument)>,
}

impl<'a> Stored<'a> {
    pub(crate) fn of(document: &'a RawDocument, table: &Table) -> Result<Self> {
        let id = part(field(document, "_id")?, table.id)?;
        let version = int(document, "version")?;
        let live = match (shape(document)?, optional(document, "document")?) {
            (None, _) => None,
            (Some(shape), Some(RawBsonRef::Document(body))) => Some((shape, body)),
            (Some(_), _) => return Err(missing("document")),
        };
        Ok(Self { id, version, live })
    }

    pub(crate) fn seen(self) -> Result<Seen> {
        let last = self.version;
        Ok(self.row()?.map_or(Seen::Absent { last }, Seen::Row))
    }

    pub(crate) fn row(self) -> Result<Option<Row>> {
        let Self { id, version, live } = self;
        let Some((shape, document)) = live else { return Ok(None) };
        Ok(Some(Row { id, version, shape, document: Document::Value(json_map(document)?) }))
    }
}

/// The shape of an entity; `None` where there is none.
pub(crate) fn shape(document: &RawDocument) -> Result<Option<u32>> {
    match optional(document, "shape")? {
        None => Ok(None),
        Some(_) => u32::try_from(int(document, "shape")?).map(Some).map_err(|_| missing("shape")),
    }
}

/// A field that may be absent.
pub(crate) fn optional<'a>(document: &'a RawDocument, name: &str) -> Result<Option<RawBsonRef<'a>>> {
    document.get(name).map_err(|error| Error::Unusable(format!("a stored document is damaged: {error}")))
}

/// A field that is there.
pub(crate) fn field<'a>(document: &'a RawDocument, name: &str) -> Result<RawBsonRef<'a>> {
    optional(document, name)?.ok_or_else(|| missing(name))
}

/// A whole number that is there.
pub(crate) fn int(document: &RawDocument, name: &str) -> Result<i64> {
    match field(document, name)? {
        RawBsonRef::Int64(value) => Ok(value),
        RawBsonRef::Int32(value) => Ok(value.into()),
        _ => Err(missing(name)),
    }
}

/// A text that is there.
pub(crate) fn text<'a>(document: &'a RawDocument, name: &str) -> Result<&'a str> {
    match field(document, name)? {
        RawBsonRef::String(value) => Ok(value),
        _ => Err(missing(name)),
    }
}

pub(crate) fn missing(name: &str) -> Error {
    Error::Unusable(format!("a stored document is damaged: its field {name} is not as it was written"))
}
