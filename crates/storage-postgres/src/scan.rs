//! Reads by index: a page is read in segments ([`staffa_storage::segment`]), each an equality and one range on the columns in their order, so
//! that PostgreSQL seeks in the index and never sorts. All segments of a page are one statement.

use std::fmt::Write as _;

use staffa_storage::segment::{Edge, Range, Segment, misfit, segments};
use staffa_storage::{By, Found, Part, PartType, Result, Scan};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::told;
use crate::row::{Param, column_type, entity, parameter_type, part};
use crate::session::{Session, Sql};
use crate::table::{Index, Look, Table};

/// The statement of a page with its parameters, and how its rows are read.
pub(crate) struct Page<'a> {
    pub(crate) sql: Sql,
    pub(crate) params: Vec<Param>,
    order: Order<'a>,
}

impl<'a> Page<'a> {
    /// The page of a scan. By an index its first row says whether a row is there that is not in the index yet, as far as the
    /// look says.
    pub(crate) fn new(table: &'a Table, scan: &Scan, look: Look) -> Result<Self> {
        let order = Order::of(table, scan)?;
        let mut text = String::new();
        if let Some(index) = order.index {
            let _written = write!(text, "({}) UNION ALL ", order.stale_sql(index, look));
        }
        let segments = order.segments(scan)?;
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

    /// What is there; `None` when a row lacks its key.
    pub(crate) async fn read(&self, session: &Session) -> Result<Option<Vec<Found>>> {
        let rows = session.query(&self.sql, &self.params).await.map_err(|error| told(&error))?;
        self.found(&rows)
    }

    fn found(&self, rows: &[Row]) -> Result<Option<Vec<Found>>> {
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

impl<'a> Order<'a> {
    fn of(table: &'a Table, scan: &Scan) -> Result<Self> {
        let index = match scan.by {
            By::Id => None,
            By::Index(place) => Some(table.indexes.get(place).ok_or_else(|| misfit(scan))?),
        };
        let mut columns: Vec<(&str, PartType)> = index.map_or_else(Vec::new, |index| {
            index.columns.iter().map(String::as_str).zip(index.schema.parts.iter().copied()).collect()
        });
        columns.push(("id", table.schema.id));
        Ok(Self { table, index, columns })
    }

    fn segments(&self, scan: &Scan) -> Result<Vec<Segment>> {
        let types: Vec<PartType> = self.columns.iter().map(|(_, part)| *part).collect();
        segments(scan, &types)
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

    /// A row without an id, if a row lacks its key: in the same snapshot as the page.
    fn stale_sql(&self, index: &Index, look: Look) -> String {
        let mut sql = format!(
            "SELECT NULL::{} AS id, 0::bigint, 0, NULL::jsonb",
            column_type(self.table.schema.id).replace(" COLLATE \"C\"", ""),
        );
        for (_, part) in self.key() {
            let _written = write!(sql, ", NULL::{}", column_type(*part).replace(" COLLATE \"C\"", ""));
        }
        let _written = write!(sql, " WHERE {}", self.table.lacks(index, look));
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
