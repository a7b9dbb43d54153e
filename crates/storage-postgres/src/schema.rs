//! The structure of the store: what is there, and what takes it to the schemas of this binary.
//!
//! `staffa_meta` marks a PostgreSQL schema as a store's, and `staffa_indexes` lays down which bit of a row's `indexes` stands for
//! which index line. Invariants:
//! 1. What is there is only added to; `contract` alone takes something away, and only when it is asked for.
//! 2. A bit stands for its line for good, also once the line is gone.
//! 3. A schema with tables of somebody else and without the mark is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use staffa_storage::{Error, Phase, Result, Schema, Step};
use tokio_postgres::types::Type;

use crate::error::told;
use crate::outbox;
use crate::row::{Param, get};
use crate::session::{Session, Sql};
use crate::table::{
    Index, LINES_MAX, Line, Lines, Table, Tables, bare_name, columns, definition, is_stale, quoted,
    stale_name,
};

/// The format of the adapter's own tables, and of how kinds are laid out.
const FORMAT: u32 = 1;

/// What is in the PostgreSQL schema.
#[derive(Debug, Default)]
pub(crate) struct Present {
    exists: bool,
    tables: BTreeSet<String>,
    columns: BTreeSet<(String, String)>,
    /// Whether they are whole, by name.
    indexes: BTreeMap<String, bool>,
    format: Option<u32>,
    /// The type of the ids, by kind.
    kinds: BTreeMap<String, String>,
    lines: BTreeMap<String, Lines>,
    /// Bits that were given away, lines that are gone included, by kind.
    bits: BTreeMap<String, usize>,
}

/// What is missing, in order.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In one transaction.
    pub(crate) expand: Vec<String>,
    /// Each on its own, beside writers.
    pub(crate) makes: Vec<Make>,
    /// Each on its own, once no older binary runs.
    pub(crate) contract: Vec<String>,
    /// The lines of each kind, once all of it is done.
    pub(crate) lines: BTreeMap<&'static str, Lines>,
    /// What shows that no row lacks its key, for each index of each kind that is there already: see [`Table::before`].
    before: BTreeMap<&'static str, Vec<Option<i64>>>,
}

/// An index to make.
#[derive(Clone, Debug)]
pub(crate) struct Make {
    pub(crate) kind: &'static str,
    /// The index of the schema that it serves, but for the one over stale rows.
    pub(crate) index: Option<&'static str>,
    pub(crate) name: String,
    /// Whether it is there and broken: left over by somebody who was stopped.
    pub(crate) left_over: bool,
    pub(crate) statement: String,
}

impl Present {
    /// Whether the kind's table is there.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.kinds.contains_key(kind)
    }

    fn is_whole(&self, index: &str) -> bool {
        self.indexes.get(index) == Some(&true)
    }

    /// The masks of a kind's indexes over stale rows that are whole: this binary's, and those of others.
    fn stale_masks(&self, kind: &str) -> impl Iterator<Item = i64> {
        let prefix = stale_name(kind, 0);
        let prefix = prefix.trim_end_matches('0').to_owned();
        let whole = self.indexes.iter().filter(|(_, whole)| **whole);
        whole.filter_map(move |(name, _)| name.strip_prefix(&prefix)?.parse().ok())
    }

    /// See [`Table::before`].
    fn before(&self, table: &Table) -> Vec<Option<i64>> {
        let before = |index: &Index| {
            let whole = index.names().all(|name| self.is_whole(name));
            let fit = self.stale_masks(table.kind()).filter(|mask| mask & index.bit != 0);
            // That of fewest indexes has fewest rows.
            fit.min_by_key(|mask| mask.count_ones()).filter(|_| whole)
        };
        table.indexes.iter().map(before).collect()
    }
}

impl Plan {
    /// The tables of these schemas, once all of it is done.
    pub(crate) fn tables(&self, space: &str, schemas: &[Schema]) -> Result<Tables> {
        let none = Lines::new();
        let table = |schema: &Schema| {
            let lines = self.lines.get(schema.kind).unwrap_or(&none);
            let before = self.before.get(schema.kind).cloned().unwrap_or_default();
            Ok(Arc::new(Table { before, ..Table::new(space, schema, lines)? }))
        };
        Ok(Tables::new(schemas.iter().map(table).collect::<Result<Vec<_>>>()?))
    }

    /// The steps of the structure, without those of the rows.
    pub(crate) fn steps(&self, space: &str, contract: bool) -> Vec<Step> {
        let step = |phase, statement: &String| Step { phase, statement: statement.clone() };
        let mut steps: Vec<Step> =
            self.expand.iter().map(|statement| step(Phase::Expand, statement)).collect();
        for make in &self.makes {
            steps.extend(make.left_over.then(|| step(Phase::Expand, &make.drop(space))));
            steps.push(step(Phase::Expand, &make.statement));
        }
        if contract {
            steps.extend(self.contract.iter().map(|statement| step(Phase::Contract, statement)));
        }
        steps
    }
}

impl Make {
    /// What takes a broken one away.
    pub(crate) fn drop(&self, space: &str) -> String {
        format!("DROP INDEX CONCURRENTLY IF EXISTS {space}.{}", quoted(&self.name))
    }
}

/// Looks at what is there.
pub(crate) async fn inspect(session: &Session, schema: &str) -> Result<Present> {
    let of = |select: &str| Sql::new(select, [Type::TEXT]);
    let name = [Param::from(schema)];
    let sql = of("SELECT 1 FROM pg_namespace WHERE nspname = $1");
    let exists = !query(session, &sql, &name).await?.is_empty();
    let mut present = Present { exists, ..Present::default() };
    if !exists {
        return Ok(present);
    }
    let sql = of("SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')");
    for row in query(session, &sql, &name).await? {
        present.tables.insert(get(&row, 0)?);
    }
    let sql = of(
        "SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped",
    );
    for row in query(session, &sql, &name).await? {
        present.columns.insert((get(&row, 0)?, get(&row, 1)?));
    }
    let sql =
        of("SELECT c.relname::text, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1");
    for row in query(session, &sql, &name).await? {
        present.indexes.insert(get(&row, 0)?, get(&row, 1)?);
    }
    if present.tables.contains("staffa_meta") && present.tables.contains("staffa_indexes") {
        read_records(session, &quoted(schema), &mut present).await?;
    }
    Ok(present)
}

async fn read_records(session: &Session, space: &str, present: &mut Present) -> Result<()> {
    let sql = Sql::new(format!("SELECT key, value FROM {space}.staffa_meta"), []);
    for row in query(session, &sql, &[]).await? {
        let (key, value): (String, String) = (get(&row, 0)?, get(&row, 1)?);
        if key == "format" {
            present.format = value.parse().ok();
        } else if let Some(kind) = key.strip_prefix("kind.") {
            present.kinds.insert(kind.to_owned(), value);
        }
    }
    let sql = Sql::new(format!("SELECT kind, line, bit, columns FROM {space}.staffa_indexes"), []);
    for row in query(session, &sql, &[]).await? {
        let (kind, line, bit): (String, String, i32) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
        let (bit, columns) = (usize::try_from(bit).unwrap_or(LINES_MAX), get::<Vec<String>>(&row, 3)?);
        let bits = present.bits.entry(kind.clone()).or_default();
        *bits = (bit + 1).max(*bits);
        if !columns.is_empty() {
            present.lines.entry(kind).or_default().insert(line, Line { bit, columns });
        }
    }
    Ok(())
}

async fn query(session: &Session, sql: &Sql, params: &[Param]) -> Result<Vec<tokio_postgres::Row>> {
    session.query(sql, params).await.map_err(|error| told(&error))
}

/// What takes what is there to these schemas.
pub(crate) fn plan(present: &Present, schema: &str, schemas: &[Schema]) -> Result<Plan> {
    check_owner(present, schema)?;
    let space = quoted(schema);
    let mut plan = Plan::default();
    if present.format.is_none() {
        if !present.exists {
            plan.expand.push(format!("CREATE SCHEMA {space}"));
        }
        plan.expand.extend(own_tables(&space, schema));
    }
    for schema in schemas {
        plan_kind(&mut plan, present, &space, schema)?;
    }
    Ok(plan)
}

/// Refuses a schema that somebody else made, and one that a newer binary made.
fn check_owner(present: &Present, schema: &str) -> Result<()> {
    match present.format {
        Some(FORMAT) => Ok(()),
        Some(format) => Err(Error::Unusable(format!(
            "the store in the schema {schema} has format {format}, and this binary knows {FORMAT}: update the binary"
        ))),
        None if present.tables.is_empty() => Ok(()),
        None => {
            let some: Vec<&str> = present.tables.iter().take(3).map(String::as_str).collect();
            Err(Error::Unusable(format!(
                "the schema {schema} has tables of somebody else ({}, …): name another schema or database; nothing was changed",
                some.join(", "),
            )))
        }
    }
}

/// The adapter's own tables, and the words by which a unit begins and makes sure.
fn own_tables(space: &str, schema: &str) -> Vec<String> {
    let mut made = vec![
        format!("CREATE TABLE {space}.staffa_meta (key text PRIMARY KEY, value text NOT NULL)"),
        format!(
            "CREATE TABLE {space}.staffa_indexes (kind text NOT NULL, bit integer NOT NULL, line text NOT NULL, \
             columns text[] NOT NULL, PRIMARY KEY (kind, bit))"
        ),
        format!(
            "CREATE FUNCTION {space}.staffa_enter() RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM pg_advisory_xact_lock_shared({}); \
             IF EXISTS (SELECT FROM {space}.staffa_meta WHERE key = 'frozen') THEN \
             RAISE EXCEPTION 'the store is frozen' USING ERRCODE = 'SF001'; END IF; END $$",
            lock_key("freeze", schema),
        ),
        format!(
            "CREATE FUNCTION {space}.staffa_expect(held boolean) RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
             IF NOT held THEN RAISE EXCEPTION 'it has changed' USING ERRCODE = 'SF002'; END IF; END $$"
        ),
    ];
    made.extend(outbox::create(space));
    made.push(format!("INSERT INTO {space}.staffa_meta VALUES ('format', '{FORMAT}')"));
    made
}

/// The number of an advisory lock of this store: the database has one space of them for everybody.
pub(crate) fn lock_key(what: &str, schema: &str) -> i64 {
    // FNV-1a with 64 bits.
    let name = format!("staffa.{what}.{schema}");
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        .cast_signed()
}

fn plan_kind(plan: &mut Plan, present: &Present, space: &str, schema: &Schema) -> Result<()> {
    let bare = bare_name(schema.kind);
    let table = format!("{space}.{}", quoted(&bare));
    let known = present.kinds.get(schema.kind);
    match known {
        Some(id) if id == schema.id.name() => {}
        Some(id) => {
            return Err(Error::Unusable(format!(
                "the ids of {} are stored as {id}, and this binary says {}: an id's type never changes",
                schema.kind,
                schema.id.name(),
            )));
        }
        None if present.tables.contains(&bare) => {
            return Err(Error::Unusable(format!(
                "there is a table {table} that is not this store's: name another schema; nothing was changed"
            )));
        }
        None => plan.expand.push(format!(
            "CREATE TABLE {table} ({} PRIMARY KEY, version bigint NOT NULL, shape integer NOT NULL, indexes bigint NOT NULL, document jsonb)",
            definition("id", schema.id),
        )),
    }
    let lines = plan_lines(plan, present, space, schema)?;
    plan_indexes(plan, present, space, schema, &lines)?;
    if known.is_none() {
        let (kind, id) = (schema.kind, schema.id.name());
        plan.expand.push(format!("INSERT INTO {space}.staffa_meta VALUES ('kind.{kind}', '{id}')"));
    }
    plan_contract(plan, present, space, schema, &lines);
    plan.lines.insert(schema.kind, lines);
    Ok(())
}

/// Gives a bit and columns to every line that has none.
fn plan_lines(plan: &mut Plan, present: &Present, space: &str, schema: &Schema) -> Result<Lines> {
    let table = bare_name(schema.kind);
    let mut lines = present.lines.get(schema.kind).cloned().unwrap_or_default();
    let mut next = present.bits.get(schema.kind).copied().unwrap_or(0);
    for index in &schema.indexes {
        let text = index.line();
        if lines.contains_key(&text) {
            continue;
        }
        if next == LINES_MAX {
            return Err(Error::Unusable(format!(
                "{} has had {LINES_MAX} indexes, and there is no place for {}: copy the store into a new schema",
                schema.kind, index.name,
            )));
        }
        let bit = next;
        next += 1;
        let mut columns = columns(index.name, index.parts.len());
        let taken = |column: &String| present.columns.contains(&(table.clone(), column.clone()));
        if columns.iter().any(taken) {
            // Older binaries have the name for a key of other types, or a person has it.
            columns.iter_mut().for_each(|column| *column = format!("{column}:{bit}"));
        }
        let name = format!("{space}.{}", quoted(&table));
        for (column, part) in columns.iter().zip(&index.parts) {
            plan.expand.push(format!("ALTER TABLE {name} ADD COLUMN {}", definition(column, *part)));
        }
        plan.expand.push(format!(
            "INSERT INTO {space}.staffa_indexes VALUES ('{}', {bit}, '{text}', '{{{}}}')",
            schema.kind,
            columns.join(","),
        ));
        lines.insert(text, Line { bit, columns });
    }
    Ok(lines)
}

/// Makes the indexes that are missing: at once with a new table, beside writers else.
fn plan_indexes(
    plan: &mut Plan,
    present: &Present,
    space: &str,
    schema: &Schema,
    lines: &Lines,
) -> Result<()> {
    let table = Table::new(space, schema, lines)?;
    let new = !present.kinds.contains_key(schema.kind);
    let how = if new { "" } else { "CONCURRENTLY " };
    let stale = stale_name(schema.kind, table.mask);
    let statement = format!(
        "CREATE INDEX {how}IF NOT EXISTS {} ON {} (indexes) WHERE {}",
        quoted(&stale),
        table.name,
        is_stale(table.mask),
    );
    let mut makes = vec![(None, stale, statement)];
    for index in &table.indexes {
        let made = index.create(&table.name, how).into_iter();
        makes.extend(made.map(|(name, statement)| (Some(index.schema.name), name, statement)));
    }
    plan.before.insert(schema.kind, present.before(&table));
    for (index, name, statement) in makes {
        match present.indexes.get(&name) {
            Some(true) => {}
            None if new => plan.expand.push(statement),
            broken => {
                let left_over = broken.is_some();
                plan.makes.push(Make { kind: schema.kind, index, name, left_over, statement });
            }
        }
    }
    Ok(())
}

/// Takes away what only other binaries know.
fn plan_contract(plan: &mut Plan, present: &Present, space: &str, schema: &Schema, lines: &Lines) {
    let kind = schema.kind;
    let table = format!("{space}.{}", quoted(&bare_name(kind)));
    let known: BTreeSet<String> = schema.indexes.iter().map(staffa_storage::IndexSchema::line).collect();
    let Ok(own) = Table::new(space, schema, lines) else { return };
    let mut names: BTreeSet<String> =
        own.indexes.iter().flat_map(|index| index.names().map(str::to_owned)).collect();
    names.insert(stale_name(kind, own.mask));
    let prefix = format!("{}.", bare_name(kind));
    for name in present.indexes.keys().filter(|name| name.starts_with(&prefix) && !names.contains(*name)) {
        plan.contract.push(format!("DROP INDEX CONCURRENTLY IF EXISTS {space}.{}", quoted(name)));
    }
    for (_, line) in lines.iter().filter(|(text, _)| !known.contains(*text)) {
        plan.contract.push(format!(
            "UPDATE {space}.staffa_indexes SET columns = '{{}}' WHERE kind = '{kind}' AND bit = {}",
            line.bit
        ));
        for column in &line.columns {
            plan.contract.push(format!("ALTER TABLE {table} DROP COLUMN IF EXISTS {}", quoted(column)));
        }
    }
}
