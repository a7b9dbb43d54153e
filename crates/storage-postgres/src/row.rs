//! Parts, documents and rows as PostgreSQL's columns.

use std::collections::HashMap;
use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use staffa_context::Timestamp;
use staffa_storage::{Document, Error, Part, PartType, Result, Seen};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::error::told;

type Failed = Box<dyn StdError + Sync + Send>;

/// The type of the column that holds a part, as SQL has it.
pub(crate) fn column_type(part: PartType) -> &'static str {
    match part {
        PartType::Bool => "boolean",
        PartType::Int | PartType::Time => "bigint",
        PartType::Text => "text COLLATE \"C\"",
        PartType::Uuid => "uuid",
    }
}

/// The type of a part as a parameter, and of a list of them.
pub(crate) fn parameter_type(part: PartType) -> (Type, Type) {
    match part {
        PartType::Bool => (Type::BOOL, Type::BOOL_ARRAY),
        PartType::Int | PartType::Time => (Type::INT8, Type::INT8_ARRAY),
        PartType::Text => (Type::TEXT, Type::TEXT_ARRAY),
        PartType::Uuid => (Type::UUID, Type::UUID_ARRAY),
    }
}

/// A parameter of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Param {
    Null,
    Bool(bool),
    Int(i64),
    Small(i32),
    Text(String),
    Uuid(Uuid),
    Bytes(Vec<u8>),
    Json(Json),
    Bools(Vec<Option<bool>>),
    Ints(Vec<Option<i64>>),
    Smalls(Vec<i32>),
    Texts(Vec<Option<String>>),
    Uuids(Vec<Option<Uuid>>),
    Jsons(Vec<Option<Json>>),
}

impl ToSql for Param {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Failed> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Bool(value) => value.to_sql(ty, out),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Small(value) => value.to_sql(ty, out),
            Self::Text(value) => value.to_sql(ty, out),
            Self::Uuid(value) => value.to_sql(ty, out),
            Self::Bytes(value) => value.to_sql(ty, out),
            Self::Json(value) => value.to_sql(ty, out),
            Self::Bools(values) => values.to_sql(ty, out),
            Self::Ints(values) => values.to_sql(ty, out),
            Self::Smalls(values) => values.to_sql(ty, out),
            Self::Texts(values) => values.to_sql(ty, out),
            Self::Uuids(values) => values.to_sql(ty, out),
            Self::Jsons(values) => values.to_sql(ty, out),
        }
    }

    /// Every statement names the types of its parameters, and this crate makes both.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl From<&Part> for Param {
    fn from(part: &Part) -> Self {
        match part {
            Part::None => Self::Null,
            Part::Bool(value) => Self::Bool(*value),
            Part::Int(value) => Self::Int(*value),
            Part::Text(value) => Self::Text(value.clone()),
            Part::Uuid(value) => Self::Uuid(*value),
            Part::Time(value) => Self::Int(value.as_micros()),
        }
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<Json>> for Param {
    fn from(json: Option<Json>) -> Self {
        json.map_or(Self::Null, Self::Json)
    }
}

/// Parts of one type as one parameter.
pub(crate) fn list<'a>(part: PartType, parts: impl Iterator<Item = &'a Part>) -> Param {
    match part {
        PartType::Bool => Param::Bools(parts.map(bool_of).collect()),
        PartType::Int | PartType::Time => Param::Ints(parts.map(int_of).collect()),
        PartType::Text => Param::Texts(parts.map(text_of).collect()),
        PartType::Uuid => Param::Uuids(parts.map(uuid_of).collect()),
    }
}

fn bool_of(part: &Part) -> Option<bool> {
    if let Part::Bool(value) = part { Some(*value) } else { None }
}

fn int_of(part: &Part) -> Option<i64> {
    match part {
        Part::Int(value) => Some(*value),
        Part::Time(value) => Some(value.as_micros()),
        _ => None,
    }
}

fn text_of(part: &Part) -> Option<String> {
    if let Part::Text(value) = part { Some(value.clone()) } else { None }
}

fn uuid_of(part: &Part) -> Option<Uuid> {
    if let Part::Uuid(value) = part { Some(*value) } else { None }
}

/// The part in a column.
pub(crate) fn part(row: &Row, column: usize, part: PartType) -> Result<Part> {
    let part = match part {
        PartType::Bool => row.try_get::<_, Option<bool>>(column).map(|value| value.map(Part::Bool)),
        PartType::Int => row.try_get::<_, Option<i64>>(column).map(|value| value.map(Part::Int)),
        PartType::Text => row.try_get::<_, Option<String>>(column).map(|value| value.map(Part::Text)),
        PartType::Uuid => row.try_get::<_, Option<Uuid>>(column).map(|value| value.map(Part::Uuid)),
        PartType::Time => row
            .try_get::<_, Option<i64>>(column)
            .map(|value| value.map(|micros| Part::Time(Timestamp::from_micros(micros)))),
    };
    part.map(|part| part.unwrap_or(Part::None)).map_err(|error| told(&error))
}

/// The column's value.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(|error| told(&error))
}

/// The column's text of JSON.
pub(crate) fn document(row: &Row, column: usize) -> Result<Document> {
    get::<Json>(row, column).map(|json| Document::Text(json.0))
}

/// The column's JSON value.
pub(crate) fn value(row: &Row, column: usize) -> Result<Value> {
    document(row, column)?.value()
}

/// The entity in a row whose first columns are id, version, shape and document.
pub(crate) fn entity(row: &Row, id: PartType) -> Result<staffa_storage::Row> {
    Ok(staffa_storage::Row {
        id: part(row, 0, id)?,
        version: get(row, 1)?,
        shape: shape(row, 2)?,
        document: document(row, 3)?,
    })
}

/// What is in a row whose columns from `first` on are version, shape and document.
pub(crate) fn seen(row: &Row, first: usize, id: Part) -> Result<Seen> {
    let version: i64 = get(row, first)?;
    Ok(match get::<Option<Json>>(row, first + 2)? {
        None => Seen::Absent { last: version },
        Some(Json(text)) => {
            let (shape, document) = (shape(row, first + 1)?, Document::Text(text));
            Seen::Row(staffa_storage::Row { id, version, shape, document })
        }
    })
}

/// What is in rows that have the id as well, first and in any order, as it was asked for.
pub(crate) fn in_order(rows: &[Row], id: PartType, ids: &[Part]) -> Result<Vec<Seen>> {
    let found = rows.iter().map(|row| {
        let id = part(row, 0, id)?;
        Ok((id.clone(), seen(row, 1, id)?))
    });
    let mut found = found.collect::<Result<HashMap<Part, Seen>>>()?;
    Ok(ids.iter().map(|id| found.remove(id).unwrap_or(Seen::Absent { last: 0 })).collect())
}

/// The shape in a column.
pub(crate) fn shape(row: &Row, column: usize) -> Result<u32> {
    let shape: i32 = get(row, column)?;
    u32::try_from(shape).map_err(|_| Error::Unusable(format!("a stored row has the shape {shape}")))
}

/// The text of a JSON value, for a column of `jsonb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json(pub(crate) String);

impl Json {
    pub(crate) fn of(value: &Value) -> Self {
        let mut text = Vec::with_capacity(128);
        // Writing to memory does not fail, and a value has no keys but text.
        let written = value.serialize(&mut Serializer::with_formatter(&mut text, Floats));
        debug_assert!(written.is_ok(), "a JSON value is written");
        Self(String::from_utf8(text).unwrap_or_default())
    }
}

/// Writes floats so that `jsonb`, which keeps decimals and no exponents, gives a float back and no whole number: `1e16`
/// would come back as 10000000000000000, and `10000000000000000.0` does not. Above that range no reader takes it for an integer.
struct Floats;

const WHOLE_MAX: f64 = 2e19;

impl Formatter for Floats {
    fn write_f64<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, value: f64) -> std::io::Result<()> {
        if value.abs() >= 1e15 && value.abs() < WHOLE_MAX && value.fract() == 0.0 {
            return write!(writer, "{value:.1}");
        }
        CompactFormatter.write_f64(writer, value)
    }
}

const JSONB_VERSION: u8 = 1;

impl ToSql for Json {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Failed> {
        out.put_u8(JSONB_VERSION);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Json {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, Failed> {
        match raw.split_first() {
            Some((&JSONB_VERSION, text)) => Ok(Self(std::str::from_utf8(text)?.to_owned())),
            _ => Err("an unknown version of jsonb".into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }
}
