use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use staffa_context::{Context, canonical};
use staffa_storage::{Moving, Record, Section};

use super::{PAGE_MAX, name};
use crate::Result;

/// What a store holds, section by section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contents(pub Vec<Held>);

/// What one section holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its name, as [`super::name`] gives it.
    pub section: String,
    /// How many records, the traces of deleted entities among them.
    pub records: u64,
    /// What they are.
    pub digest: Digest,
}

/// The sum of the SHA-256 digests of records in canonical JSON, each as a number of 256 bits: the same in whatever order
/// they come. It tells two stores apart; it is no protection against somebody who means to deceive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Contents {
    /// How many records there are in all.
    pub fn records(&self) -> u64 {
        self.0.iter().map(|held| held.records).sum()
    }

    /// What differs, one line for a section.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let pairs = self.0.iter().zip(&other.0).filter(|(here, there)| here != there);
        pairs
            .map(|(here, there)| match (here.records, there.records) {
                (from, to) if from != to => format!("{}: {from} records here, {to} there", here.section),
                (records, _) => {
                    format!("{}: {records} records on both sides, with other contents", here.section)
                }
            })
            .collect()
    }
}

impl Digest {
    /// The digest with one more record.
    fn add(&mut self, record: &Record) {
        let mut carry = 0;
        for (sum, byte) in self.0.iter_mut().zip(canonical::digest(&canonical_record(record))) {
            let added = u16::from(*sum) + u16::from(byte) + carry;
            // The lower eight bits are this byte, the upper ones go on to the next.
            [*sum, _] = added.to_le_bytes();
            carry = added >> 8;
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let damaged = || serde::de::Error::custom("it is not 64 hexadecimal digits");
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * place..2 * place + 2).ok_or_else(damaged)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| damaged())?;
        }
        Ok(Self(bytes))
    }
}

/// About how many bytes a record has as JSON.
pub(super) fn bytes(record: &Record) -> usize {
    canonical::json(&canonical_record(record)).len()
}

fn canonical_record(record: &Record) -> Value {
    match record {
        Record::Row { id, version, shape, document } => {
            json!({ "id": id.to_string(), "version": version, "shape": shape, "document": document })
        }
        Record::Event { event, sent } => json!({ "event": event, "sent": sent }),
        Record::Kept(kept) => json!({
            "scope": kept.scope,
            "key": kept.key,
            "digest": Digest(kept.digest).to_string(),
            "answer": kept.answer,
            "at": kept.at,
        }),
    }
}

/// Reads everything that a store holds, at most [`PAGE_MAX`] records at once, and tells `observe` of each page. Of a store
/// that is written to meanwhile, it is of no one moment.
///
/// # Errors
/// Those of the store.
pub async fn survey(
    ctx: &Context,
    store: &dyn Moving,
    sections: &[Section],
    observe: &mut (dyn FnMut(usize) + Send),
) -> Result<Contents> {
    let mut contents = Vec::with_capacity(sections.len());
    for section in sections {
        let mut held = Held { section: name(*section).to_owned(), records: 0, digest: Digest::default() };
        let mut mark = None;
        loop {
            let page = store.export(ctx, *section, mark.as_ref(), PAGE_MAX).await?;
            page.records.iter().for_each(|record| held.digest.add(record));
            held.records += u64::try_from(page.records.len()).unwrap_or(u64::MAX);
            observe(page.records.len());
            mark = page.next;
            if mark.is_none() {
                break;
            }
        }
        contents.push(held);
    }
    Ok(Contents(contents))
}

#[cfg(test)]
mod tests {
    use staffa_storage::Part;

    use super::*;

    fn row(n: i64, document: Option<Value>) -> Record {
        Record::Row { id: Part::Int(n), version: 3, shape: 1, document }
    }

    fn digest(records: &[Record]) -> Digest {
        let mut digest = Digest::default();
        records.iter().for_each(|record| digest.add(record));
        digest
    }

    #[test]
    fn a_digest_knows_no_order_and_tells_every_difference() {
        let a = row(1, Some(json!({ "a": 1.0, "b": [1, null] })));
        let same = row(1, Some(json!({ "b": [1, null], "a": 1 })));
        let b = row(2, None);
        assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[b.clone(), same]));
        let others = [
            digest(std::slice::from_ref(&a)),
            digest(&[a.clone(), a]),
            digest(&[row(1, Some(json!({ "a": 1, "b": [null, 1] }))), b.clone()]),
            digest(&[row(2, Some(json!({}))), b]),
        ];
        for (place, other) in others.iter().enumerate() {
            assert!(!others[..place].contains(other), "{place}");
        }
    }

    #[test]
    fn a_digest_is_read_as_it_was_written() {
        let digest = digest(&[row(1, None)]);
        let text = json!(digest);
        assert_eq!(serde_json::from_value::<Digest>(text.clone()).ok(), Some(digest));
        assert_eq!(text.as_str().map(str::len), Some(64));
        assert!(serde_json::from_value::<Digest>(json!("ab")).is_err());
    }
}
