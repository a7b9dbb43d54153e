//! Parts and rows as SQLite's columns.

use rusqlite::types::{ToSql, ToSqlOutput, Type, ValueRef};
use serde_json::Value;
use staffa_context::Timestamp;
use staffa_storage::{Document, Error, Part, PartType, Result, Row, Seen};
use uuid::Uuid;

use crate::error::told;
use crate::table::Table;

/// The type of the column that holds a part.
pub(crate) fn column_type(part: PartType) -> &'static str {
    match part {
        PartType::Bool | PartType::Int | PartType::Time => "INTEGER",
        PartType::Text | PartType::Uuid => "TEXT",
    }
}

/// A part as a column holds it: a UUID as its lower-case text, whose order is that of its bytes.
pub(crate) struct Column<'a>(pub(crate) &'a Part);

impl ToSql for Column<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Part::None => ToSqlOutput::Borrowed(ValueRef::Null),
            Part::Bool(value) => i64::from(*value).into(),
            Part::Int(value) => (*value).into(),
            Part::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Part::Uuid(value) => value.hyphenated().to_string().into(),
            Part::Time(value) => value.as_micros().into(),
        })
    }
}

/// The part in a column.
pub(crate) fn part(row: &rusqlite::Row<'_>, column: usize, part: PartType) -> rusqlite::Result<Part> {
    let value = row.get_ref(column)?;
    if value == ValueRef::Null {
        return Ok(Part::None);
    }
    Ok(match part {
        PartType::Bool => Part::Bool(value.as_i64()? != 0),
        PartType::Int => Part::Int(value.as_i64()?),
        PartType::Text => Part::Text(value.as_str()?.to_owned()),
        PartType::Uuid => Part::Uuid(uuid(row, column)?),
        PartType::Time => Part::Time(Timestamp::from_micros(value.as_i64()?)),
    })
}

/// The UUID in a column.
pub(crate) fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    Uuid::try_parse(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// The JSON value in a column.
pub(crate) fn json(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Value> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// The document in a column, not read yet.
fn document(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Document> {
    Ok(Document::Text(row.get_ref(column)?.as_str()?.to_owned()))
}

/// The entity in a row whose first columns are id, version, shape and document.
pub(crate) fn entity(row: &rusqlite::Row<'_>, table: &Table) -> Result<Row> {
    let id = part(row, 0, table.id).map_err(told)?;
    let read = || -> rusqlite::Result<Row> {
        Ok(Row { id: id.clone(), version: row.get(1)?, shape: row.get(2)?, document: document(row, 3)? })
    };
    read().map_err(|error| Error::Unusable(format!("the row of {} {id} is damaged: {error}", table.kind)))
}

/// What is in a row whose first columns are id, version, shape and document: its id, and the entity or its trace.
pub(crate) fn seen(row: &rusqlite::Row<'_>, table: &Table) -> Result<(Part, Seen)> {
    if row.get_ref(3).map_err(told)? != ValueRef::Null {
        let entity = entity(row, table)?;
        return Ok((entity.id.clone(), Seen::Row(entity)));
    }
    let read = || Ok((part(row, 0, table.id)?, Seen::Absent { last: row.get(1)? }));
    read().map_err(told)
}

/// An id as JSON, to go on after.
pub(crate) fn id_to_store(id: &Part) -> Value {
    match id {
        Part::Bool(value) => (*value).into(),
        Part::Int(value) => (*value).into(),
        Part::Time(value) => value.as_micros().into(),
        other => other.to_string().into(),
    }
}

/// The id of such a JSON; `None` when it is none of this type.
pub(crate) fn stored_id(of: PartType, id: &Value) -> Option<Part> {
    match of {
        PartType::Bool => id.as_bool().map(Part::Bool),
        PartType::Int => id.as_i64().map(Part::Int),
        PartType::Text => id.as_str().map(|text| Part::Text(text.to_owned())),
        PartType::Uuid => id.as_str().and_then(|text| Uuid::try_parse(text).ok()).map(Part::Uuid),
        PartType::Time => id.as_i64().map(|micros| Part::Time(Timestamp::from_micros(micros))),
    }
}
