//! Kept answers and the inbox: one record for both.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, Document, doc};
use serde_json::json;
use staffa_context::Timestamp;
use staffa_storage::{Kept, Result};

use crate::row::{field, int, missing, text};
use crate::transaction::raw;
use crate::value;

pub(crate) const COLLECTION: &str = "staffa_kept";

/// The record of a scope and key. Its id is both as one text, and no document: every server of the protocol finds a text by its
/// index.
pub(crate) fn named(scope: &str, key: &str) -> Document {
    doc! { "_id": json!([scope, key]).to_string() }
}

pub(crate) fn document(kept: &Kept) -> Result<RawDocumentBuf> {
    let mut document = named(&kept.scope, &kept.key);
    document.insert("scope", &kept.scope);
    document.insert("key", &kept.key);
    document.insert("digest", Binary { subtype: BinarySubtype::Generic, bytes: kept.digest.to_vec() });
    let mut document = raw(&document)?;
    document.append(cstr!("answer"), value::bson(&kept.answer)?);
    document.append(cstr!("at"), kept.at.as_micros());
    document.append(cstr!("at_date"), date(kept.at));
    Ok(document)
}

/// The same time to the millisecond, for people and their tools.
pub(crate) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_micros().div_euclid(1_000))
}

pub(crate) fn read(document: &RawDocument) -> Result<Kept> {
    let RawBsonRef::Binary(digest) = field(document, "digest")? else { return Err(missing("digest")) };
    Ok(Kept {
        scope: text(document, "scope")?.to_owned(),
        key: text(document, "key")?.to_owned(),
        digest: digest.bytes.try_into().map_err(|_| missing("digest"))?,
        answer: value::json(field(document, "answer")?)?,
        at: Timestamp::from_micros(int(document, "at")?),
    })
}

/// The index of the collection.
pub(crate) fn index() -> Document {
    doc! { "name": "at", "key": { "at": 1 } }
}
