//! What databases that compare nothing with NULL read of an index: a page in segments, each an equality and one range on
//! the columns in their order, so that each is one seek and nothing is sorted.
//!
//! What comes after a key `(a, b)` with id `i` is, ascending: `a, b` with a greater id; then `a` with a greater
//! second part; then a greater first part. None parts come first, and a comparison with a value is never true of none, so
//! a range that has none beside others is two segments.

use staffa_context::Timestamp;
use uuid::Uuid;

use crate::{Bound, Error, Part, PartType, Result, Scan};

/// A part of a page: equality on the first columns, and a range on the one after them.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// What the first columns are equal to. A none part equals none.
    pub equal: Vec<Part>,
    /// What the column after them must satisfy.
    pub range: Range,
}

/// A range of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// Whatever it holds, none included.
    All,
    /// None.
    IsNone,
    /// From one end to the other, without none.
    Between(Edge, Edge),
}

/// An end of a range, in the port's order.
#[derive(Clone, Debug, PartialEq)]
pub enum Edge {
    /// There is no end.
    Open,
    /// The range goes to this part, which is in it.
    Included(Part),
    /// The range goes to this part, which is not in it.
    Excluded(Part),
}

/// The segments of a page, in the scan's direction. `columns` are the types of the index's parts, then that of the id.
///
/// # Errors
///
/// [`Error::Unusable`] for a scan whose key does not fit the columns.
pub fn segments(scan: &Scan, columns: &[PartType]) -> Result<Vec<Segment>> {
    let whole_key = scan.after.as_ref().is_none_or(|(key, _)| key.len() + 1 == columns.len());
    if scan.equal.len() >= columns.len() || !whole_key {
        return Err(misfit(scan));
    }
    let (from, to) = edges(&scan.bound);
    let Some((key, id)) = &scan.after else {
        return Ok(one_range(columns, scan.equal.clone(), from, to, scan.descending));
    };
    let fixed = scan.equal.len();
    let after: Vec<&Part> = key.iter().chain([id]).collect();
    let equal = |level: usize| after[..level].iter().map(|part| (*part).clone()).collect();
    let mut segments = Vec::new();
    for level in (fixed..after.len()).rev() {
        let beyond = Edge::Excluded(after[level].clone());
        let (from, to) = match (level == fixed, scan.descending) {
            (true, false) => (beyond, to.clone()),
            (true, true) => (from.clone(), beyond),
            (false, false) => (beyond, Edge::Open),
            (false, true) => (Edge::Open, beyond),
        };
        segments.extend(one_range(columns, equal(level), from, to, scan.descending));
    }
    Ok(segments)
}

/// The error for a scan that does not fit the index that it names.
pub fn misfit(scan: &Scan) -> Error {
    Error::Unusable(format!("a read of {} does not fit the index that it names", scan.kind))
}

/// The segments, in the scan's direction, of one range in the port's order.
fn one_range(columns: &[PartType], equal: Vec<Part>, from: Edge, to: Edge, descending: bool) -> Vec<Segment> {
    let least = || Edge::Included(least(columns[equal.len()]));
    let none_is_in =
        matches!(from, Edge::Open | Edge::Included(Part::None)) && !matches!(to, Edge::Excluded(Part::None));
    let ranges = match (none_is_in, to) {
        (_, Edge::Excluded(Part::None)) => vec![],
        (true, Edge::Open) => vec![Range::All],
        (true, to) => vec![Range::IsNone, Range::Between(Edge::Open, to)],
        (false, to) => match from {
            Edge::Excluded(Part::None) => vec![Range::Between(least(), to)],
            from => vec![Range::Between(from, to)],
        },
    };
    let segment = |range| Segment { equal: equal.clone(), range };
    if descending {
        ranges.into_iter().rev().map(segment).collect()
    } else {
        ranges.into_iter().map(segment).collect()
    }
}

fn edges(bound: &Bound) -> (Edge, Edge) {
    match bound {
        Bound::All => (Edge::Open, Edge::Open),
        Bound::Range { from, to } => {
            (from.clone().map_or(Edge::Open, Edge::Included), to.clone().map_or(Edge::Open, Edge::Excluded))
        }
        Bound::Prefix(prefix) => (
            Edge::Included(Part::Text(prefix.clone())),
            after_prefix(prefix).map_or(Edge::Open, |end| Edge::Excluded(Part::Text(end))),
        ),
    }
}

/// The least text that is greater than all that begin with `prefix`; `None` when there is none. The order of
/// UTF-8 bytes is that of code points, so it is the last character that can be raised, raised by one.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // A range of characters steps over the surrogates, which no text has.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

/// The least part of a type but for none.
fn least(part: PartType) -> Part {
    match part {
        PartType::Bool => Part::Bool(false),
        PartType::Int => Part::Int(i64::MIN),
        PartType::Text => Part::Text(String::new()),
        PartType::Uuid => Part::Uuid(Uuid::nil()),
        PartType::Time => Part::Time(Timestamp::MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_text_that_does_not_begin_with_it() {
        let check =
            |prefix: &str, end: Option<&str>| assert_eq!(after_prefix(prefix).as_deref(), end, "{prefix:?}");
        check("", None);
        check("a", Some("b"));
        check("az", Some("a{"));
        check("\u{D7FF}", Some("\u{E000}"));
        check("a\u{10FFFF}", Some("b"));
        check("a\u{10FFFF}\u{10FFFF}", Some("b"));
        check("\u{10FFFF}", None);
    }
}
