use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use staffa_context::Timestamp;
use uuid::Uuid;

use crate::{Bound, Error, Part, PartType, Result};

/// A place in one read, as opaque text that is safe in a URL.
///
/// It holds the read that it belongs to (kind, index, range, direction) as a fingerprint, and the key and id of the
/// last entity that was given, so it is valid on any store with the same data. A cursor of another read or an altered
/// one is [`Error::Invalid`] at `cursor`. It is checked against accidents, not signed: whoever forges one reads
/// nothing that the same read would not give.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Cursor(String);

const VERSION: u8 = 1;
const FINGERPRINT_LEN: usize = 16;
const CHECKSUM_LEN: usize = 6;

impl Cursor {
    /// A cursor from its text. It is checked when a read uses it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text: letters, digits, `-` and `_`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place after this key and id in the read of that fingerprint.
    pub(crate) fn new(read: &Fingerprint, key: &[Part], id: &Part) -> Self {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&read.0);
        for part in key.iter().chain([id]) {
            put(&mut bytes, part);
        }
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum[..CHECKSUM_LEN]);
        Self(encode(&bytes))
    }

    /// The key and id to go on after.
    pub(crate) fn open(&self, read: &Fingerprint) -> Result<(Vec<Part>, Part)> {
        let bytes = decode(&self.0).filter(|bytes| encode(bytes) == self.0).ok_or_else(altered)?;
        let body_len = bytes.len().checked_sub(CHECKSUM_LEN).ok_or_else(altered)?;
        let (body, checksum) = bytes.split_at(body_len);
        if Sha256::digest(body)[..CHECKSUM_LEN] != *checksum {
            return Err(altered());
        }
        let (head, mut rest) = body.split_at_checked(1 + FINGERPRINT_LEN).ok_or_else(altered)?;
        if head[0] != VERSION || head[1..] != read.0 {
            return Err(Error::invalid("cursor", "it belongs to another read"));
        }
        let mut parts = Vec::new();
        while !rest.is_empty() {
            parts.push(take(&mut rest).ok_or_else(altered)?);
        }
        let id = parts.pop().ok_or_else(altered)?;
        Ok((parts, id))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({})", self.0)
    }
}

fn altered() -> Error {
    Error::invalid("cursor", "it is not one that was given, or it was altered")
}

/// What a read is, but for its place: two reads with the same fingerprint are the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; FINGERPRINT_LEN]);

impl Fingerprint {
    pub(crate) fn new(
        kind: &str,
        index: &str,
        types: &[PartType],
        equal: &[Part],
        bound: &Bound,
        descending: bool,
    ) -> Self {
        let mut bytes = Vec::new();
        put(&mut bytes, &Part::Text(kind.into()));
        put(&mut bytes, &Part::Text(index.into()));
        bytes.extend(types.iter().map(|part| part_type_tag(*part)));
        bytes.push(u8::from(descending));
        equal.iter().for_each(|part| put(&mut bytes, part));
        put_bound(&mut bytes, bound);
        let mut fingerprint = [0; FINGERPRINT_LEN];
        fingerprint.copy_from_slice(&Sha256::digest(&bytes)[..FINGERPRINT_LEN]);
        Self(fingerprint)
    }
}

fn part_type_tag(part: PartType) -> u8 {
    match part {
        PartType::Bool => b'b',
        PartType::Int => b'i',
        PartType::Text => b't',
        PartType::Uuid => b'u',
        PartType::Time => b'm',
    }
}

fn put_bound(bytes: &mut Vec<u8>, bound: &Bound) {
    match bound {
        Bound::All => bytes.push(b'*'),
        Bound::Prefix(prefix) => {
            bytes.push(b'^');
            put(bytes, &Part::Text(prefix.clone()));
        }
        Bound::Range { from, to } => {
            for (tag, end) in [(b'[', from), (b')', to)] {
                bytes.push(tag);
                bytes.push(u8::from(end.is_some()));
                end.iter().for_each(|part| put(bytes, part));
            }
        }
    }
}

/// A tag, then the bytes of the part; text has its length before it.
fn put(bytes: &mut Vec<u8>, part: &Part) {
    match part {
        Part::None => bytes.push(0),
        Part::Bool(value) => bytes.extend([1, u8::from(*value)]),
        Part::Int(value) => {
            bytes.push(2);
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        Part::Text(value) => {
            bytes.push(3);
            bytes.extend_from_slice(&(value.len() as u64).to_be_bytes()[4..]);
            bytes.extend_from_slice(value.as_bytes());
        }
        Part::Uuid(value) => {
            bytes.push(4);
            bytes.extend_from_slice(value.as_bytes());
        }
        Part::Time(value) => {
            bytes.push(5);
            bytes.extend_from_slice(&value.as_micros().to_be_bytes());
        }
    }
}

fn take(bytes: &mut &[u8]) -> Option<Part> {
    let (tag, rest) = bytes.split_first()?;
    *bytes = rest;
    let part = match tag {
        0 => Part::None,
        1 => match take_array::<1>(bytes)? {
            [0] => Part::Bool(false),
            [1] => Part::Bool(true),
            _ => return None,
        },
        2 => Part::Int(i64::from_be_bytes(take_array(bytes)?)),
        3 => {
            let len = u32::from_be_bytes(take_array(bytes)?);
            let (text, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
            *bytes = rest;
            Part::Text(String::from_utf8(text.to_vec()).ok()?)
        }
        4 => Part::Uuid(Uuid::from_bytes(take_array(bytes)?)),
        5 => Part::Time(Timestamp::from_micros(i64::from_be_bytes(take_array(bytes)?))),
        _ => return None,
    };
    Some(part)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*array)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs without padding (RFC 4648, section 5).
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let six = (word >> (18 - 6 * place)) & 0x3f;
            text.push(char::from(ALPHABET[six as usize]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for letter in chunk {
            let six = ALPHABET.iter().position(|known| known == letter)?;
            word = word << 6 | u32::try_from(six).ok()?;
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
