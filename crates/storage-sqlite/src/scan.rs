//! Reads by index: a page is read in segments ([`staffa_storage::segment`]), each an equality and one range on the columns in their order, so
//! that SQLite seeks in the index and never sorts.

use rusqlite::{Connection, params_from_iter};
use staffa_storage::segment::{Edge, Range, Segment, misfit, segments};
use staffa_storage::{By, Found, Part, PartType, Result, Scan};

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
    let segments = order.segments(scan)?;
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

impl<'a> Order<'a> {
    fn of(table: &'a Table, scan: &Scan) -> Result<Self> {
        let index = match scan.by {
            By::Id => None,
            By::Index(place) => Some(table.indexes.get(place).ok_or_else(|| misfit(scan))?),
        };
        let mut columns: Vec<(&str, PartType)> = index.map_or_else(Vec::new, |index| {
            index.columns.iter().map(String::as_str).zip(index.schema.parts.iter().copied()).collect()
        });
        columns.push(("id", table.id));
        Ok(Self { table, index, columns })
    }

    fn segments(&self, scan: &Scan) -> Result<Vec<Segment>> {
        let types: Vec<PartType> = self.columns.iter().map(|(_, part)| *part).collect();
        segments(scan, &types)
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

#[cfg(test)]
mod tests;
