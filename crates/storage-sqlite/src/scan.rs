//! Reads by index: a page is read in segments, each an equality and one range on the columns in their order, so
//! that SQLite seeks in the index and never sorts.
//!
//! What comes after a key `(a, b)` with id `i` is, ascending: `a, b` with a greater id; then `a` with a greater
//! second part; then a greater first part. None parts come first, and SQL compares nothing with NULL, so a range
//! that has them beside others is two segments.

use rusqlite::{Connection, params_from_iter};
use staffa_context::Timestamp;
use staffa_storage::{Bound, By, Error, Found, Part, PartType, Result, Scan};
use uuid::Uuid;

use crate::call::Call;
use crate::error::told;
use crate::row::{Column, entity, part};
use crate::table::{Index, Table};

/// Reads one page.
pub(crate) fn page(connection: &Connection, table: &Table, scan: &Scan, call: &Call) -> Result<Vec<Found>> {
    let order = Order::of(table, scan)?;
    if let Some(index) = order.index {
        table.check_whole(index)?;
    }
    let segments = segments(&order, scan);
    // A page of several segments sees one state. Dropping the transaction ends it.
    let _state =
        (segments.len() > 1).then(|| connection.unchecked_transaction()).transpose().map_err(told)?;
    let mut found = Vec::new();
    for segment in segments {
        call.check()?;
        if found.len() >= scan.limit {
            break;
        }
        order.read(connection, &segment, scan, &mut found)?;
    }
    Ok(found)
}

/// The columns that order a scan, the id last.
struct Order<'a> {
    table: &'a Table,
    index: Option<&'a Index>,
    columns: Vec<(&'a str, PartType)>,
}

/// A part of a page: equality on the first columns, and a range on the one after them.
#[derive(Debug, PartialEq)]
struct Segment {
    equal: Vec<Part>,
    range: Range,
}

/// A range of one column, as SQL compares it.
#[derive(Debug, PartialEq)]
enum Range {
    All,
    IsNone,
    Between(Edge, Edge),
}

/// An end of a range, in the port's order.
#[derive(Clone, Debug, PartialEq)]
enum Edge {
    Open,
    Included(Part),
    Excluded(Part),
}

fn segments(order: &Order<'_>, scan: &Scan) -> Vec<Segment> {
    let fixed = scan.equal.len();
    let (from, to) = edges(&scan.bound);
    let Some((key, id)) = &scan.after else {
        return order.segments(scan.equal.clone(), from, to, scan.descending);
    };
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
        segments.extend(order.segments(equal(level), from, to, scan.descending));
    }
    segments
}

impl<'a> Order<'a> {
    fn of(table: &'a Table, scan: &Scan) -> Result<Self> {
        let index = match scan.by {
            By::Id => None,
            By::Index(place) => Some(table.indexes.get(place).ok_or_else(|| misfit(table))?),
        };
        let mut columns: Vec<(&str, PartType)> = index.map_or_else(Vec::new, |index| {
            index.columns.iter().map(String::as_str).zip(index.schema.parts.iter().copied()).collect()
        });
        columns.push(("id", table.id));
        let whole_key = scan.after.as_ref().is_none_or(|(key, _)| key.len() + 1 == columns.len());
        if scan.equal.len() >= columns.len() || !whole_key {
            return Err(misfit(table));
        }
        Ok(Self { table, index, columns })
    }

    /// The segments, in the scan's direction, of one range in the port's order.
    fn segments(&self, equal: Vec<Part>, from: Edge, to: Edge, descending: bool) -> Vec<Segment> {
        let least = || Edge::Included(least(self.columns[equal.len()].1));
        let none_is_in = matches!(from, Edge::Open | Edge::Included(Part::None))
            && !matches!(to, Edge::Excluded(Part::None));
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

    fn read(
        &self,
        connection: &Connection,
        segment: &Segment,
        scan: &Scan,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        let (sql, parts) = self.sql(segment, scan, scan.limit - found.len());
        let mut statement = connection.prepare_cached(&sql).map_err(told)?;
        let mut rows = statement.query(params_from_iter(parts.iter().map(Column))).map_err(told)?;
        while let Some(row) = rows.next().map_err(told)? {
            found.push(Found { row: entity(row, self.table)?, key: self.key(row).map_err(told)? });
        }
        Ok(())
    }

    fn key(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<Vec<Part>> {
        let parts = &self.columns[..self.columns.len() - 1];
        parts.iter().enumerate().map(|(place, (_, kind))| part(row, 4 + place, *kind)).collect()
    }

    /// The statement of a segment, and its parameters.
    fn sql(&self, segment: &Segment, scan: &Scan, limit: usize) -> (String, Vec<Part>) {
        let mut sql = String::from("SELECT id, version, shape, document");
        for (column, _) in &self.columns[..self.columns.len() - 1] {
            sql += &format!(", {column}");
        }
        sql += &format!(" FROM {}", self.table.name);
        if let Some(index) = self.index {
            sql += &format!(" INDEXED BY {}", index.name);
        }
        sql += " WHERE document IS NOT NULL";
        let mut parts = Vec::new();
        for (part, (column, _)) in segment.equal.iter().zip(&self.columns) {
            compare(&mut sql, &mut parts, column, "IS", part);
        }
        let level = segment.equal.len();
        let (column, _) = self.columns[level];
        match &segment.range {
            Range::All => {}
            Range::IsNone => compare(&mut sql, &mut parts, column, "IS", &Part::None),
            Range::Between(from, to) => {
                match from {
                    Edge::Open => {}
                    Edge::Included(part) => compare(&mut sql, &mut parts, column, ">=", part),
                    Edge::Excluded(part) => compare(&mut sql, &mut parts, column, ">", part),
                }
                match to {
                    Edge::Open => {}
                    Edge::Included(part) => compare(&mut sql, &mut parts, column, "<=", part),
                    Edge::Excluded(part) => compare(&mut sql, &mut parts, column, "<", part),
                }
            }
        }
        let direction = if scan.descending { " DESC" } else { "" };
        let order: Vec<String> =
            self.columns[level..].iter().map(|(column, _)| format!("{column}{direction}")).collect();
        parts.push(Part::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
        sql += &format!(" ORDER BY {} LIMIT ?{}", order.join(", "), parts.len());
        (sql, parts)
    }
}

fn compare(sql: &mut String, parts: &mut Vec<Part>, column: &str, operator: &str, part: &Part) {
    parts.push(part.clone());
    *sql += &format!(" AND {column} {operator} ?{}", parts.len());
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

fn misfit(table: &Table) -> Error {
    Error::Unusable(format!("a read of {} does not fit the index that it names", table.kind))
}

#[cfg(test)]
mod tests;
