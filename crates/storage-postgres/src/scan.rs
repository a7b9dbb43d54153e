//! Reads by index: a page is read in segments, each an equality and one range on the columns in their order, so
//! that PostgreSQL seeks in the index and never sorts. All segments of a page are one statement.
//!
//! What comes after a key `(a, b)` with id `i` is, ascending: `a, b` with a greater id; then `a` with a greater
//! second part; then a greater first part. None parts come first, and SQL compares nothing with NULL, so a range
//! that has them beside others is two segments.

use std::fmt::Write as _;

use staffa_context::Timestamp;
use staffa_storage::{Bound, By, Error, Found, Part, PartType, Result, Scan};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::row::{Param, column_type, entity, parameter_type, part};
use crate::session::Sql;
use crate::table::{Index, Table};

/// The statement of a page with its parameters, and how its rows are read.
pub(crate) struct Page<'a> {
    pub(crate) sql: Sql,
    pub(crate) params: Vec<Param>,
    order: Order<'a>,
}

impl<'a> Page<'a> {
    /// The page of a scan. By an index its first row says whether a row is there that is not in the index yet.
    pub(crate) fn new(table: &'a Table, scan: &Scan) -> Result<Self> {
        let order = Order::of(table, scan)?;
        let mut text = String::new();
        if order.index.is_some() {
            let _written = write!(text, "({}) UNION ALL ", order.stale_sql());
        }
        let segments = segments(&order, scan);
        let mut typed = Vec::new();
        for (place, segment) in segments.iter().enumerate() {
            if place > 0 {
                text += " UNION ALL ";
            }
            let _written = write!(text, "({})", order.sql(segment, scan, &mut typed));
        }
        if segments.is_empty() {
            let _written = write!(text, "({} WHERE false)", order.select());
        } else if segments.len() > 1 {
            let _written = write!(text, " LIMIT {}", scan.limit);
        }
        let (params, types): (Vec<Param>, Vec<Type>) = typed.into_iter().unzip();
        Ok(Self { sql: Sql::new(text, types), params, order })
    }

    /// What the rows hold; `None` when a stale row is there.
    pub(crate) fn found(&self, rows: &[Row]) -> Result<Option<Vec<Found>>> {
        if let Some(first) = rows.first()
            && part(first, 0, self.order.table.schema.id)? == Part::None
        {
            return Ok(None);
        }
        rows.iter().map(|row| self.order.found(row)).collect::<Result<Vec<Found>>>().map(Some)
    }
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
        columns.push(("id", table.schema.id));
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

    /// The columns of the key.
    fn key(&self) -> &[(&'a str, PartType)] {
        &self.columns[..self.columns.len() - 1]
    }

    fn select(&self) -> String {
        let mut sql = String::from("SELECT id, version, shape, document");
        for (column, _) in self.key() {
            let _written = write!(sql, ", {column}");
        }
        let _written = write!(sql, " FROM {}", self.table.name);
        sql
    }

    /// A row without an id, if there is a stale row: in the same snapshot as the page.
    fn stale_sql(&self) -> String {
        let mut sql = format!(
            "SELECT NULL::{} AS id, 0::bigint, 0, NULL::jsonb",
            column_type(self.table.schema.id).replace(" COLLATE \"C\"", ""),
        );
        for (_, part) in self.key() {
            let _written = write!(sql, ", NULL::{}", column_type(*part).replace(" COLLATE \"C\"", ""));
        }
        let _written = write!(sql, " WHERE ({}) IS NOT NULL", self.table.stale.text);
        sql
    }

    /// The statement of a segment, whose parameters come after those that are there.
    fn sql(&self, segment: &Segment, scan: &Scan, typed: &mut Vec<(Param, Type)>) -> String {
        let mut sql = self.select();
        match self.index {
            Some(index) => {
                let _written = write!(sql, " WHERE (indexes & {}) <> 0", index.bit);
            }
            None => sql += " WHERE document IS NOT NULL",
        }
        for (part, column) in segment.equal.iter().zip(&self.columns) {
            compare(&mut sql, typed, column, "=", part);
        }
        let level = segment.equal.len();
        let column = &self.columns[level];
        match &segment.range {
            Range::All => {}
            Range::IsNone => compare(&mut sql, typed, column, "=", &Part::None),
            Range::Between(from, to) => {
                for (edge, open, closed) in [(from, ">", ">="), (to, "<", "<=")] {
                    match edge {
                        Edge::Open => {}
                        Edge::Included(part) => compare(&mut sql, typed, column, closed, part),
                        Edge::Excluded(part) => compare(&mut sql, typed, column, open, part),
                    }
                }
            }
        }
        let direction = if scan.descending { " DESC NULLS LAST" } else { " NULLS FIRST" };
        let order: Vec<String> = self.columns[level..]
            .iter()
            // The id is never none, and its own index is in the usual order.
            .map(|(column, _)| match (*column, scan.descending) {
                ("id", true) => "id DESC".to_owned(),
                ("id", false) => "id".to_owned(),
                _ => format!("{column}{direction}"),
            })
            .collect();
        let _written = write!(sql, " ORDER BY {} LIMIT {}", order.join(", "), scan.limit);
        sql
    }

    fn found(&self, row: &Row) -> Result<Found> {
        let key = self.key().iter().zip(4..).map(|((_, kind), column)| part(row, column, *kind));
        Ok(Found { row: entity(row, self.table.schema.id)?, key: key.collect::<Result<Vec<Part>>>()? })
    }
}

fn compare(
    sql: &mut String,
    typed: &mut Vec<(Param, Type)>,
    (column, kind): &(&str, PartType),
    operator: &str,
    part: &Part,
) {
    if *part == Part::None {
        let _written = write!(sql, " AND {column} IS NULL");
        return;
    }
    typed.push((part.into(), parameter_type(*kind).0));
    let _written = write!(sql, " AND {column} {operator} ${}", typed.len());
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
    Error::Unusable(format!("a read of {} does not fit the index that it names", table.kind()))
}
