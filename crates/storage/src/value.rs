//! What a stored document may hold, checked before any store sees it.
//!
//! | value | rule |
//! |---|---|
//! | null, bool | as they are |
//! | whole number | from `i64::MIN` to `i64::MAX` |
//! | other number | a finite `f64`; −0 is kept as 0; NaN and infinities are refused |
//! | text | any but with U+0000 |
//! | list, map | at most 64 deep; a map's keys are text without U+0000 that does not begin with `$serde_json::private::` |
//! | document | a map, at most 1 MiB as JSON without spaces |
//! | key | at most 4 parts of 1,024 bytes together, text without U+0000 |
//!
//! What is refused is [`Error::Invalid`] at the field's path: `order.lines[3].price`.

mod serializer;

#[cfg(not(target_arch = "wasm32"))]
use std::io;

use serde::Serialize;
use serde_json::Value;

use crate::{Error, Kept, Part, Result};
use serializer::Refused;

/// The largest document, event payload or answer, as JSON without spaces.
pub const BYTES_MAX: usize = 1 << 20;
/// How deep lists and maps may be nested.
pub const DEPTH_MAX: usize = 64;
/// The largest key: its text parts by their UTF-8 bytes, a number or time 8, a UUID 16, a bool 1.
pub const KEY_BYTES_MAX: usize = 1_024;

/// The value that `serde` makes of this, checked; `path` is the place of the whole.
///
/// # Errors
///
/// [`Error::Invalid`] at the path of the field that no store takes.
pub fn of(path: &str, value: &(impl Serialize + ?Sized)) -> Result<Value> {
    let value = value.serialize(serializer::Checked::new()).map_err(|refused| refused.at(path))?;
    check_len(path, &value)?;
    Ok(value)
}

/// The same for an entity, which is a map of fields.
pub(crate) fn document(kind: &str, entity: &impl Serialize) -> Result<Value> {
    let value = of(kind, entity)?;
    if value.is_object() {
        return Ok(value);
    }
    Err(Error::invalid(kind, "an entity is a map of fields"))
}

/// Refuses a key that no store takes.
pub(crate) fn check_key(path: impl Fn() -> String, parts: &[Part]) -> Result<()> {
    let len: usize = parts.iter().map(part_len).sum();
    if len > KEY_BYTES_MAX {
        return Err(Error::invalid(path(), format!("its key has {len} bytes, more than {KEY_BYTES_MAX}")));
    }
    let nul = |part: &Part| matches!(part, Part::Text(text) if text.contains('\0'));
    if parts.iter().any(nul) {
        return Err(Error::invalid(path(), serializer::NUL));
    }
    Ok(())
}

fn part_len(part: &Part) -> usize {
    match part {
        Part::None => 0,
        Part::Bool(_) => 1,
        Part::Int(_) | Part::Time(_) => 8,
        Part::Uuid(_) => 16,
        Part::Text(text) => text.len(),
    }
}

/// Refuses a scope or key that no store takes.
pub(crate) fn check_kept(kept: &Kept) -> Result<()> {
    for (path, text) in [("scope", &kept.scope), ("key", &kept.key)] {
        if text.is_empty() || text.len() > 255 || text.contains('\0') {
            return Err(Error::invalid(path, "it has not 1 to 255 bytes, or U+0000 in them"));
        }
    }
    Ok(())
}

fn check_len(path: &str, value: &Value) -> Result<()> {
    if len_at_most(value) <= BYTES_MAX {
        return Ok(());
    }
    let len = len(value);
    if len <= BYTES_MAX {
        return Ok(());
    }
    Err(Error::invalid(path, format!("it has {len} bytes, more than {BYTES_MAX}")))
}

/// How many bytes its JSON has.
#[cfg(not(target_arch = "wasm32"))]
fn len(value: &Value) -> usize {
    let mut count = Count(0);
    // Counting never fails, and a value has no map with keys other than text.
    let counted = serde_json::to_writer(&mut count, value);
    if counted.is_ok() { count.0 } else { usize::MAX }
}

/// The same by the writer that a page has already.
#[cfg(target_arch = "wasm32")]
fn len(value: &Value) -> usize {
    staffa_context::json(value).len()
}

/// More than its JSON has, or as much: to write the JSON only to count it would cost as much as to write it.
fn len_at_most(value: &Value) -> usize {
    // Every byte of a text may become six (`\u0007`); no number has more than 24; what follows is a comma or an end.
    const ESCAPED: usize = 6;
    const NUMBER: usize = 24;
    let text = |text: &str| text.len() * ESCAPED + 3;
    match value {
        Value::Null | Value::Bool(_) => 6,
        Value::Number(_) => NUMBER + 1,
        Value::String(value) => text(value),
        Value::Array(values) => 3 + values.iter().map(len_at_most).sum::<usize>(),
        Value::Object(fields) => {
            3 + fields.iter().map(|(name, value)| text(name) + len_at_most(value)).sum::<usize>()
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
struct Count(usize);

#[cfg(not(target_arch = "wasm32"))]
impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Refused {
    fn at(self, path: &str) -> Error {
        let mut full = path.to_owned();
        self.path.iter().rev().for_each(|step| full.push_str(step));
        Error::invalid(full, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|value| json!(value)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_json_is_never_longer_than_it_may_be(value in any_value()) {
            prop_assert!(value.to_string().len() <= len_at_most(&value));
        }
    }

    #[test]
    fn the_longest_of_each_kind_fits() {
        let check = |value: Value| assert!(value.to_string().len() <= len_at_most(&value), "{value}");
        check(json!(i64::MIN));
        check(json!(-f64::MAX));
        check(json!(-2.225_073_858_507_201_4e-308));
        check(json!("\u{1}".repeat(100)));
        check(json!({ "\u{1}": [false, false] }));
    }
}
