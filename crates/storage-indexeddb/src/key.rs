//! Keys as text whose order in IndexedDB, which is that of its UTF-16 units, is the port's order.
//!
//! A key is its parts, each ended by U+0000, and then the id without an end: `"Leeds␀00000000000000001275␀84879`. A
//! none part is empty, so it is first. A number or a time has 20 digits; a negative one has a `-` and 19 digits, which
//! count up from the least. A text part begins with a `"`, so that the empty one is not none. A character from
//! U+E000 on, whose units do not sort as its UTF-8 bytes do, has a mark before it: U+E000, or U+E001 when it has two
//! units. Nothing else sorts beside the marks, so that Rust and JavaScript compare such text alike.

use staffa_context::Timestamp;
use staffa_storage::{Error, Part, PartType, Result};
use uuid::Uuid;

/// After every text that goes on from the same beginning.
pub(crate) const TOP: char = '\u{FFFF}';

const END: char = '\0';
const HIGH: char = '\u{E000}';
const PAIR: char = '\u{E001}';

/// The text of an id.
pub(crate) fn id(id: &Part) -> String {
    let mut text = String::new();
    put_bare(&mut text, id);
    text
}

/// The text of a key's parts, to which an id is added.
pub(crate) fn parts(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        put_part(&mut text, part);
        text.push(END);
    }
    text
}

/// Adds a part without its end: the beginning of its text and of the texts that it is a prefix of.
pub(crate) fn put_part(text: &mut String, part: &Part) {
    if matches!(part, Part::Text(_)) {
        text.push('"');
    }
    put_bare(text, part);
}

/// Adds a part as an id has it.
pub(crate) fn put_bare(text: &mut String, part: &Part) {
    match part {
        Part::None => {}
        Part::Bool(value) => text.push(if *value { '1' } else { '0' }),
        Part::Int(value) => put_number(text, *value),
        Part::Time(value) => put_number(text, value.as_micros()),
        Part::Uuid(value) => text.push_str(value.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        Part::Text(value) => value.chars().for_each(|letter| put_letter(text, letter)),
    }
}

fn put_letter(text: &mut String, letter: char) {
    match letter {
        '\u{10000}'.. => text.push(PAIR),
        HIGH.. => text.push(HIGH),
        _ => {}
    }
    text.push(letter);
}

fn put_number(text: &mut String, value: i64) {
    let (sign, above) = if value < 0 { ('-', value.wrapping_sub(i64::MIN)) } else { ('0', value) };
    text.push(sign);
    let digits = above.to_string();
    (digits.len()..19).for_each(|_| text.push('0'));
    text.push_str(&digits);
}

/// The parts of a key of these types.
pub(crate) fn read(types: &[PartType], text: &str) -> Result<Vec<Part>> {
    let mut rest = text;
    let mut parts = Vec::with_capacity(types.len());
    for part in types {
        let (read, after) = rest.split_once(END).ok_or_else(|| damaged(text))?;
        parts.push(match (part, read) {
            (_, "") => Part::None,
            (PartType::Text, read) => read_bare(*part, read.strip_prefix('"').ok_or_else(|| damaged(text))?)?,
            (_, read) => read_bare(*part, read)?,
        });
        rest = after;
    }
    Ok(parts)
}

/// The part of an id's text.
pub(crate) fn read_bare(part: PartType, text: &str) -> Result<Part> {
    let read = match part {
        PartType::Bool => Some(Part::Bool(text == "1")),
        PartType::Int => read_number(text).map(Part::Int),
        PartType::Time => read_number(text).map(Timestamp::from_micros).map(Part::Time),
        PartType::Uuid => Uuid::try_parse(text).ok().map(Part::Uuid),
        PartType::Text => Some(Part::Text(read_text(text))),
    };
    read.ok_or_else(|| damaged(text))
}

fn read_text(text: &str) -> String {
    let mut letters = text.chars();
    let mut read = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        match letter {
            HIGH | PAIR => read.extend(letters.next()),
            letter => read.push(letter),
        }
    }
    read
}

fn read_number(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(above) => above.parse().ok().map(|above: i64| above.wrapping_add(i64::MIN)),
        None => text.parse().ok(),
    }
}

fn damaged(text: &str) -> Error {
    Error::Unusable(["a stored key is damaged: ", text].concat())
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As JavaScript compares text.
    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn part(of: PartType) -> BoxedStrategy<Part> {
        let hostile = prop_oneof![
            Just('a'),
            Just('"'),
            Just('\u{1}'),
            Just('\u{D7FF}'),
            Just('\u{E000}'),
            Just('\u{E001}'),
            Just('\u{FFFD}'),
            Just('\u{FFFF}'),
            Just('\u{10000}'),
            Just('\u{10FFFF}'),
            any::<char>(),
        ];
        let text = proptest::collection::vec(hostile, 0..4)
            .prop_map(|letters| letters.into_iter().filter(|letter| *letter != '\0').collect::<String>());
        let some = match of {
            PartType::Bool => any::<bool>().prop_map(Part::Bool).boxed(),
            PartType::Int => prop_oneof![any::<i64>(), -2..3_i64, Just(i64::MIN), Just(i64::MAX)]
                .prop_map(Part::Int)
                .boxed(),
            PartType::Time => any::<i64>().prop_map(Timestamp::from_micros).prop_map(Part::Time).boxed(),
            PartType::Uuid => any::<u128>().prop_map(Uuid::from_u128).prop_map(Part::Uuid).boxed(),
            PartType::Text => text.prop_map(Part::Text).boxed(),
        };
        prop_oneof![1 => Just(Part::None), 9 => some].boxed()
    }

    /// Types with two keys of them, and an id for each.
    fn keys() -> impl Strategy<Value = (Vec<PartType>, [(Vec<Part>, Part); 2])> {
        let types = [PartType::Bool, PartType::Int, PartType::Time, PartType::Uuid, PartType::Text].to_vec();
        proptest::collection::vec(proptest::sample::select(types), 1..4).prop_flat_map(|types| {
            let key = || {
                let id = part(PartType::Text).prop_filter("an id is never none", |id| *id != Part::None);
                (types.iter().map(|of| part(*of)).collect::<Vec<_>>(), id)
            };
            (Just(types.clone()), [key(), key()])
        })
    }

    proptest! {
        #[test]
        fn text_sorts_as_the_parts_do_and_is_read_back((types, [a, b]) in keys()) {
            let text = |(key, of): &(Vec<Part>, Part)| parts(key) + &id(of);
            prop_assert_eq!(units(&text(&a)).cmp(&units(&text(&b))), a.cmp(&b));
            prop_assert_eq!(text(&a).cmp(&text(&b)), a.cmp(&b));
            prop_assert_eq!(read(&types, &text(&a)).unwrap_or_default(), a.0);
            prop_assert_eq!(read_bare(PartType::Text, &id(&a.1)).ok(), Some(a.1));
        }

        #[test]
        fn a_prefix_covers_the_texts_that_begin_with_it(text in part(PartType::Text), other in part(PartType::Text)) {
            let (Part::Text(text), Part::Text(other)) = (text, other) else { return Ok(()) };
            let begin = id(&Part::Text(text.clone()));
            let end = format!("{begin}{TOP}");
            let found = id(&Part::Text(other.clone()));
            let covered = units(&begin) <= units(&found) && units(&found) < units(&end);
            prop_assert_eq!(covered, other.starts_with(&text));
        }
    }

    #[test]
    fn keys_are_laid_down_for_good() {
        let key = [
            Part::Text("Leeds \u{1F6D2}".into()),
            Part::None,
            Part::Int(1_275),
            Part::Int(-1),
            Part::Bool(true),
        ];
        let text = parts(&key) + &id(&Part::Uuid(Uuid::nil()));
        let read: Vec<&str> = text.split('\0').collect();
        let zero = "00000000-0000-0000-0000-000000000000";
        let want =
            ["\"Leeds \u{E001}\u{1F6D2}", "", "00000000000000001275", "-9223372036854775807", "1", zero];
        assert_eq!(read, want);
    }
}
