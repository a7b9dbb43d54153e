//! Rows as IndexedDB's records: plain objects, which a person can read in the browser's tools.

use js_sys::{BigInt, Object, Reflect};
use staffa_storage::{Document, Error, Part, Result, Row};
use wasm_bindgen::{JsCast, JsValue};

use crate::key;
use crate::table::Table;

/// What one entity becomes.
pub(crate) struct Put {
    /// Its id.
    pub(crate) id: Part,
    /// The version that it gets.
    pub(crate) version: i64,
    /// Its document as JSON, or none for the trace of one that is deleted.
    pub(crate) document: Option<String>,
    /// Its key in each index; empty for such a trace.
    pub(crate) keys: Vec<Vec<Part>>,
}

impl Put {
    pub(crate) fn record(&self, table: &Table) -> JsValue {
        let record = object();
        let id = key::id(&self.id);
        set(&record, "id", &id);
        set(&record, "version", self.version);
        set(&record, "shape", table.shape);
        if let Some(document) = &self.document {
            set(&record, "document", document);
            set_keys(&record, table, &id, &self.keys);
        }
        record
    }
}

/// Makes a record's keys those of this binary. Without keys it is in no index.
pub(crate) fn set_keys(record: &JsValue, table: &Table, id: &str, keys: &[Vec<Part>]) {
    let of = object();
    set(&of, "id", id);
    for (index, key) in table.indexes.iter().zip(keys) {
        set(&of, index.name, key::parts(key) + id);
    }
    set(record, "keys", of);
    set(record, "writer", &table.writer);
}

/// The entity of a record that is not a trace.
pub(crate) fn entity(record: &JsValue, table: &Table) -> Result<Row> {
    Ok(Row {
        id: key::read_bare(table.id, &text(record, "id")?)?,
        version: whole(record, "version")?,
        shape: shape(record)?,
        document: Document::Text(text(record, "document")?),
    })
}

/// Whether the record is the trace of an entity that was deleted.
pub(crate) fn is_trace(record: &JsValue) -> bool {
    get(record, "document").is_undefined()
}

pub(crate) fn shape(record: &JsValue) -> Result<u32> {
    let shape = get(record, "shape").as_f64().ok_or_else(|| damaged("shape"))?;
    // What was written is a `u32`.
    Ok(shape as u32)
}

pub(crate) fn object() -> JsValue {
    Object::new().into()
}

pub(crate) fn set(record: &JsValue, name: &str, value: impl Into<JsValue>) {
    // A plain object takes any property.
    let _ = Reflect::set(record, &JsValue::from_str(name), &value.into());
}

pub(crate) fn get(record: &JsValue, name: &str) -> JsValue {
    Reflect::get(record, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

pub(crate) fn text(record: &JsValue, name: &str) -> Result<String> {
    get(record, name).as_string().ok_or_else(|| damaged(name))
}

/// A whole number of 64 bits: JavaScript's own numbers end at 2^53.
pub(crate) fn whole(record: &JsValue, name: &str) -> Result<i64> {
    let number = get(record, name).dyn_into::<BigInt>().ok().and_then(|number| i64::try_from(number).ok());
    number.ok_or_else(|| damaged(name))
}

pub(crate) fn damaged(name: &str) -> Error {
    Error::Unusable(["a stored record is damaged in ", name].concat())
}
