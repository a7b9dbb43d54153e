//! Kept answers and the inbox: one record for both.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, Document, doc};
use staffa_context::Timestamp;
use staffa_storage::{Kept, Result};

use crate::row::{field, int, missing};
use crate::transaction::raw;
use crate::value;

pub(crate) const COLLECTION: &str = "staffa_kept";

/// The record of a scope and key.
pub(crate) fn named(scope: &str, key: &str) -> Document {
    doc! { "_id": { "scope": scope, "key": key } }
}

pub(crate) fn document(kept: &Kept) -> Result<RawDocumentBuf> {
    let mut document = named(&kept.scope, &kept.key);
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
    let RawBsonRef::Document(id) = field(document, "_id")? else { return Err(missing("_id")) };
    let RawBsonRef::Binary(digest) = field(document, "digest")? else { return Err(missing("digest")) };
    Ok(Kept {
        scope: crate::row::text(id, "scope")?.to_owned(),
        key: crate::row::text(id, "key")?.to_owned(),
        digest: digest.bytes.try_into().map_err(|_| missing("digest"))?,
        answer: value::json(field(document, "answer")?)?,
        at: Timestamp::from_micros(int(document, "at")?),
    })
}

/// The index of the collection.
pub(crate) fn index() -> Document {
    doc! { "name": "at", "key": { "at": 1 } }
}
