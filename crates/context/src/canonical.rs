//! Canonical JSON: one text for one value, whatever order a store or a caller gives its fields in.
//!
//! No spaces; the keys of a map by their UTF-8 bytes; only `"`, `\` and control characters escaped; a number that is
//! whole is written as a whole number (`1`, also when it came as `1.0`), any other with the fewest digits that read
//! back as the same.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

/// The canonical JSON of a value.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

/// SHA-256 of the canonical JSON of a value: the digest of a request, and of a stored document.
pub fn digest(value: &Value) -> [u8; 32] {
    Sha256::digest(json(value).as_bytes()).into()
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, number),
        Value::String(value) => write_text(text, value),
        Value::Array(values) => {
            separated(text, '[', ']', values, write);
        }
        Value::Object(fields) => {
            separated(text, '{', '}', sorted(fields), |text, (key, value)| {
                write_text(text, key);
                text.push(':');
                write(text, value);
            });
        }
    }
}

fn separated<T>(
    text: &mut String,
    open: char,
    close: char,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut String, T),
) {
    text.push(open);
    for (place, each) in items.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        item(text, each);
    }
    text.push(close);
}

/// A map keeps the order of insertion when some crate asks `serde_json` for it.
fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    fields
}

/// Whole numbers up to here are the same as `f64` and as `i64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

fn write_number(text: &mut String, number: &Number) {
    let whole =
        number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0 && value.abs() <= EXACT_MAX);
    match whole {
        // Within ±2^53 the cast is exact.
        #[expect(clippy::cast_possible_truncation, reason = "the value is whole and within ±2^53")]
        Some(value) => text.push_str(&(value as i64).to_string()),
        None => text.push_str(&number.to_string()),
    }
}

fn write_text(text: &mut String, value: &str) {
    // Text always serializes.
    text.push_str(&serde_json::to_string(value).unwrap_or_default());
}
