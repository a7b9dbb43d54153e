//! What PostgreSQL calls things: the names and statements of one kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use staffa_storage::{Error, IndexSchema, Part, PartType, Result, Schema};
use tokio_postgres::types::Type;

use crate::build::Progress;
use crate::row::{column_type, parameter_type};
use crate::session::Sql;

/// The bits that a row has for index lines: the sign stays free.
pub(crate) const LINES_MAX: usize = 63;

/// What is laid down for an index line of a kind: see [`staffa_storage::IndexSchema::line`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its bit in a row's `indexes`, from 0.
    pub(crate) bit: usize,
    /// The columns of its parts.
    pub(crate) columns: Vec<String>,
}

/// The lines of a kind.
pub(crate) type Lines = BTreeMap<String, Line>;

/// The tables of a store, by kind.
pub(crate) struct Tables(BTreeMap<&'static str, Arc<Table>>);

impl Tables {
    pub(crate) fn new(tables: impl IntoIterator<Item = Arc<Table>>) -> Self {
        Self(tables.into_iter().map(|table| (table.schema.kind, table)).collect())
    }

    pub(crate) fn of(&self, kind: &str) -> Result<&Arc<Table>> {
        self.0
            .get(kind)
            .ok_or_else(|| Error::Unusable(format!("the store was opened without the kind {kind}")))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.0.values()
    }
}

/// One kind's table. Names are ready to stand in SQL.
pub(crate) struct Table {
    pub(crate) schema: Schema,
    /// With the schema before it.
    pub(crate) name: String,
    /// The bits of its own indexes.
    pub(crate) mask: i64,
    pub(crate) indexes: Vec<Index>,
    pub(crate) progress: Progress,
    /// For each index that was there when the store was opened: the mask of an index over stale rows that was there, too, and
    /// finds those without a key in it. They may serve while others of the kind are built.
    pub(crate) before: Vec<Option<i64>>,
    /// Reads version, shape and document by id.
    pub(crate) get: Sql,
    /// Reads id, version, shape and document by a list of ids.
    pub(crate) get_many: Sql,
    /// Writes a new row: id, version, document, keys.
    pub(crate) insert: Sql,
    /// The same for lists of each.
    pub(crate) insert_many: Sql,
    /// Writes over a row in an expected version: id, version, document, keys, expected version.
    pub(crate) update: Sql,
    /// Leaves the trace of a row in an expected version: id, version, expected version.
    pub(crate) delete: Sql,
    /// Makes sure of a row in an expected version: id, version.
    pub(crate) guard: Sql,
    pub(crate) careful: Careful,
    /// Writes a row as another store had it: id, version, document, keys, shape, indexes.
    pub(crate) import: Sql,
    /// Reads rows and the traces of those that are gone, by id: all, and those after one.
    pub(crate) export: [Sql; 2],
    /// Makes the keys of a stale row: id, version, indexes as read, keys.
    pub(crate) rekey: Sql,
}

/// The statements of a unit that looks at everything before it writes.
pub(crate) struct Careful {
    /// Locks a row that is to be written, and reads version, shape and whether there is a document.
    pub(crate) lock: Sql,
    /// The same for one that is only read.
    pub(crate) share: Sql,
    /// Takes an id that nothing has, until the unit ends.
    pub(crate) claim: Sql,
    /// Gives an id back that was taken so.
    pub(crate) unclaim: Sql,
    /// Takes a row out of all unique indexes.
    pub(crate) unkey: Sql,
    /// Writes over a row: id, version, document, keys.
    pub(crate) put: Sql,
    /// Leaves the trace of a row: id, version.
    pub(crate) remove: Sql,
}

/// One index of a table.
pub(crate) struct Index {
    pub(crate) schema: IndexSchema,
    /// What a row's `indexes` has when it has a key for this index.
    pub(crate) bit: i64,
    pub(crate) columns: Vec<String>,
    /// The name in the database, not quoted.
    pub(crate) name: String,
    /// That of the index which keeps keys apart.
    pub(crate) unique: Option<String>,
    /// Reads whether a row with none of these ids has a key.
    pub(crate) clash: Sql,
}

impl Table {
    pub(crate) fn new(space: &str, schema: &Schema, lines: &Lines) -> Result<Self> {
        let bare = bare_name(schema.kind);
        let name = format!("{space}.{}", quoted(&bare));
        let indexes = schema
            .indexes
            .iter()
            .map(|index| match lines.get(&index.line()) {
                Some(line) => Ok(Index::new(&bare, &name, schema.id, index, line)),
                None => {
                    Err(Error::Unusable(format!("the store has no index {}.{}", schema.kind, index.name)))
                }
            })
            .collect::<Result<Vec<Index>>>()?;
        let mask = indexes.iter().fold(0, |mask, index| mask | index.bit);
        let words = Words { space, name: &name, schema, mask, indexes: &indexes };
        Ok(Self {
            get: words.by_id("SELECT version, shape, document"),
            get_many: words.by_ids("SELECT id, version, shape, document"),
            insert: words.insert(),
            insert_many: words.insert_many(),
            update: words.update(),
            delete: words.delete(),
            guard: words.guard(),
            careful: words.careful(),
            import: words.import(),
            export: [words.export(""), words.export("WHERE id > $2 ")],
            rekey: words.rekey(),
            progress: Progress::default(),
            before: Vec::new(),
            schema: schema.clone(),
            mask,
            name,
            indexes,
        })
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.schema.kind
    }

    /// What is true of a row that this binary has not keyed.
    pub(crate) fn is_stale(&self) -> String {
        is_stale(self.mask)
    }

    /// What shows, now, that every row has its key in this index; `None` while that cannot be shown.
    pub(crate) fn look(&self, index: usize) -> Option<Look> {
        match self.progress.is_whole() {
            true => Some(Look::Any),
            false => self.before.get(index).copied().flatten().map(Look::Own),
        }
    }

    /// What is true when a row lacks its key in this index, as far as the look says.
    ///
    /// It reads a partial index over stale rows alone: a planner that guesses how many there are must not think that a scan of
    /// the table meets one at once, so there is an order that only this index gives.
    pub(crate) fn lacks(&self, index: &Index, look: Look) -> String {
        let first = |mask: i64, more: &str| {
            let (name, stale) = (&self.name, is_stale(mask));
            format!("SELECT indexes FROM {name} WHERE {stale}{more} ORDER BY indexes LIMIT 1")
        };
        match look {
            Look::Any => format!("({}) IS NOT NULL", first(self.mask, "")),
            // The different sets of indexes that stale rows have are few, and each costs one step.
            Look::Own(mask) => format!(
                "EXISTS (WITH RECURSIVE sets (seen) AS (({}) UNION ALL SELECT ({}) FROM sets WHERE seen IS NOT NULL) \
                 SELECT 1 FROM sets WHERE (seen & {}) = 0)",
                first(mask, ""),
                first(mask, " AND indexes > seen"),
                index.bit,
            ),
        }
    }

    /// The index that has this name in the database.
    pub(crate) fn index_named(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.names().any(|own| own == name))
    }

    /// The keys of a row that is deleted.
    pub(crate) fn no_keys(&self) -> Vec<Vec<Part>> {
        self.indexes.iter().map(|index| vec![Part::None; index.columns.len()]).collect()
    }
}

/// How a read makes sure that every row has its key in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// No row lacks a key in any index of this binary.
    Any,
    /// No row lacks one in this index, of those that lack a bit of this mask.
    Own(i64),
}

/// What is true of rows that lack a bit of this mask. It is the predicate of a partial index, which the planner knows again.
pub(crate) fn is_stale(mask: i64) -> String {
    format!("document IS NOT NULL AND (indexes & {mask}) <> {mask}")
}

/// The name of the partial index over stale rows, not quoted.
pub(crate) fn stale_name(kind: &str, mask: i64) -> String {
    format!("{}.stale.{mask}", bare_name(kind))
}

/// What the statements of a table are made of.
struct Words<'a> {
    space: &'a str,
    name: &'a str,
    schema: &'a Schema,
    mask: i64,
    indexes: &'a [Index],
}

impl Words<'_> {
    fn columns(&self) -> impl Iterator<Item = (&str, PartType)> {
        self.indexes.iter().flat_map(|index| {
            index.columns.iter().map(String::as_str).zip(index.schema.parts.iter().copied())
        })
    }

    fn key_types(&self) -> impl Iterator<Item = Type> {
        self.columns().map(|(_, part)| parameter_type(part).0)
    }

    fn id_type(&self) -> Type {
        parameter_type(self.schema.id).0
    }

    fn by_id(&self, select: &str) -> Sql {
        Sql::new(format!("{select} FROM {} WHERE id = $1", self.name), [self.id_type()])
    }

    fn by_ids(&self, select: &str) -> Sql {
        let text = format!("{select} FROM {} WHERE id = ANY($1)", self.name);
        Sql::new(text, [parameter_type(self.schema.id).1])
    }

    fn insert(&self) -> Sql {
        let (columns, places) = self.names_and_places(4);
        let (Self { name, mask, .. }, shape) = (self, self.schema.shape);
        let text = format!(
            "INSERT INTO {name} (id, version, shape, indexes, document{columns}) VALUES ($1, $2, {shape}, {mask}, $3{places})"
        );
        Sql::new(text, [self.id_type(), Type::INT8, Type::JSONB].into_iter().chain(self.key_types()))
    }

    fn insert_many(&self) -> Sql {
        let (columns, places) = self.names_and_places(4);
        let (Self { name, mask, .. }, shape) = (self, self.schema.shape);
        let made: String = (1..=self.columns().count()).map(|place| format!(", c{place}")).collect();
        let text = format!(
            "INSERT INTO {name} (id, version, shape, indexes, document{columns}) \
             SELECT id, version, {shape}, {mask}, document{made} \
             FROM unnest($1, $2, $3{places}) AS made (id, version, document{made})"
        );
        let keys = self.columns().map(|(_, part)| parameter_type(part).1);
        let id = parameter_type(self.schema.id).1;
        Sql::new(text, [id, Type::INT8_ARRAY, Type::JSONB_ARRAY].into_iter().chain(keys))
    }

    fn update(&self) -> Sql {
        let (Self { space, name, mask, .. }, shape) = (self, self.schema.shape);
        let (sets, expected) = (self.sets(4), 4 + self.columns().count());
        let text = format!(
            "WITH written AS (UPDATE {name} SET version = $2, shape = {shape}, indexes = {mask}, document = $3{sets} \
             WHERE id = $1 AND version = ${expected} AND document IS NOT NULL AND shape <= {shape} RETURNING 1) \
             SELECT {space}.staffa_expect(count(*) = 1) FROM written"
        );
        let types = [self.id_type(), Type::INT8, Type::JSONB].into_iter().chain(self.key_types());
        Sql::new(text, types.chain([Type::INT8]))
    }

    fn delete(&self) -> Sql {
        let (Self { space, name, .. }, shape) = (self, self.schema.shape);
        let text = format!(
            "WITH written AS (UPDATE {name} SET version = $2, indexes = 0, document = NULL{} \
             WHERE id = $1 AND version = $3 AND document IS NOT NULL AND shape <= {shape} RETURNING 1) \
             SELECT {space}.staffa_expect(count(*) = 1) FROM written",
            self.nulls(),
        );
        Sql::new(text, [self.id_type(), Type::INT8, Type::INT8])
    }

    fn guard(&self) -> Sql {
        let Self { space, name, .. } = self;
        let text = format!(
            "SELECT {space}.staffa_expect(count(*) = 1) FROM \
             (SELECT 1 FROM {name} WHERE id = $1 AND version = $2 AND document IS NOT NULL FOR SHARE) AS guarded"
        );
        Sql::new(text, [self.id_type(), Type::INT8])
    }

    fn careful(&self) -> Careful {
        let (Self { name, mask, .. }, shape) = (self, self.schema.shape);
        let seen = format!("SELECT version, shape, document IS NOT NULL FROM {name} WHERE id = $1");
        let (id, sets, nulls) = (|| self.id_type(), self.sets(4), self.nulls());
        let put = format!(
            "UPDATE {name} SET version = $2, shape = {shape}, indexes = {mask}, document = $3{sets} WHERE id = $1"
        );
        let put_types = [id(), Type::INT8, Type::JSONB].into_iter().chain(self.key_types());
        Careful {
            lock: Sql::new(format!("{seen} FOR UPDATE"), [id()]),
            share: Sql::new(format!("{seen} FOR SHARE"), [id()]),
            claim: Sql::new(
                format!(
                    "INSERT INTO {name} (id, version, shape, indexes) VALUES ($1, 0, 0, 0) ON CONFLICT (id) DO NOTHING"
                ),
                [id()],
            ),
            unclaim: Sql::new(format!("DELETE FROM {name} WHERE id = $1 AND version = 0"), [id()]),
            unkey: Sql::new(format!("UPDATE {name} SET indexes = 0 WHERE id = $1"), [id()]),
            put: Sql::new(put, put_types),
            remove: Sql::new(
                format!("UPDATE {name} SET version = $2, indexes = 0, document = NULL{nulls} WHERE id = $1"),
                [id(), Type::INT8],
            ),
        }
    }

    fn import(&self) -> Sql {
        let (name, (columns, places)) = (self.name, self.names_and_places(4));
        let keys = self.columns().count();
        let (shape, indexes) = (keys + 4, keys + 5);
        let again: String =
            self.columns().map(|(column, _)| format!(", {column} = excluded.{column}")).collect();
        let text = format!(
            "INSERT INTO {name} (id, version, document{columns}, shape, indexes) VALUES ($1, $2, $3{places}, ${shape}, ${indexes}) \
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, document = excluded.document, shape = excluded.shape, \
             indexes = excluded.indexes{again}"
        );
        let types = [self.id_type(), Type::INT8, Type::JSONB].into_iter().chain(self.key_types());
        Sql::new(text, types.chain([Type::INT4, Type::INT8]))
    }

    fn export(&self, after: &str) -> Sql {
        let text =
            format!("SELECT id, version, shape, document FROM {} {after}ORDER BY id LIMIT $1", self.name);
        let id = (!after.is_empty()).then(|| self.id_type());
        Sql::new(text, [Type::INT8].into_iter().chain(id))
    }

    fn rekey(&self) -> Sql {
        let Self { name, mask, .. } = self;
        let text = format!(
            "UPDATE {name} SET indexes = indexes | {mask}{} WHERE id = $1 AND version = $2 AND indexes = $3",
            self.sets(4),
        );
        Sql::new(text, [self.id_type(), Type::INT8, Type::INT8].into_iter().chain(self.key_types()))
    }

    /// `, a, b` and `, $4, $5`.
    fn names_and_places(&self, first: usize) -> (String, String) {
        let names = self.columns().map(|(column, _)| format!(", {column}")).collect();
        let places = self.columns().zip(first..).map(|(_, place)| format!(", ${place}")).collect();
        (names, places)
    }

    /// `, a = $4, b = $5`.
    fn sets(&self, first: usize) -> String {
        self.columns().zip(first..).map(|((column, _), place)| format!(", {column} = ${place}")).collect()
    }

    /// `, a = NULL, b = NULL`.
    fn nulls(&self) -> String {
        self.columns().map(|(column, _)| format!(", {column} = NULL")).collect()
    }
}

impl Index {
    fn new(bare: &str, table: &str, id: PartType, schema: &IndexSchema, line: &Line) -> Self {
        let columns: Vec<String> = line.columns.iter().map(|column| quoted(column)).collect();
        let bit = bit(line.bit);
        let equal: Vec<String> =
            columns.iter().zip(1..).map(|(column, place)| format!("{column} = ${place}")).collect();
        let clash = format!(
            "SELECT 1 FROM {table} WHERE {} AND (indexes & {bit}) <> 0 AND NOT (id = ANY(${})) LIMIT 1",
            equal.join(" AND "),
            columns.len() + 1,
        );
        let types = schema.parts.iter().map(|part| parameter_type(*part).0).chain([parameter_type(id).1]);
        Self {
            name: index_name(bare, line.bit, schema.name, ""),
            unique: schema.unique.then(|| index_name(bare, line.bit, schema.name, ".unique")),
            clash: Sql::new(clash, types),
            schema: schema.clone(),
            bit,
            columns,
        }
    }

    /// Its names in the database.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.unique.as_deref())
    }

    /// The statements that make it, each with the name of its index.
    pub(crate) fn create(&self, table: &str, how: &str) -> Vec<(String, String)> {
        let ordered: Vec<String> =
            self.columns.iter().map(|column| format!("{column} NULLS FIRST")).collect();
        let rows = format!("WHERE (indexes & {}) <> 0", self.bit);
        let name = quoted(&self.name);
        let read =
            format!("CREATE INDEX {how}IF NOT EXISTS {name} ON {table} ({}, id) {rows}", ordered.join(", "));
        let mut made = vec![(self.name.clone(), read)];
        if let Some(unique) = &self.unique {
            let (name, columns) = (quoted(unique), self.columns.join(", "));
            let text = format!("CREATE UNIQUE INDEX {how}IF NOT EXISTS {name} ON {table} ({columns}) {rows}");
            made.push((unique.clone(), text));
        }
        made
    }
}

/// The value of a bit of `indexes`.
pub(crate) fn bit(place: usize) -> i64 {
    1 << place.min(LINES_MAX - 1)
}

/// The kind's own name, but for the prefix that the adapter keeps for itself. A kind begins with a letter, so no two meet.
pub(crate) fn bare_name(kind: &str) -> String {
    if kind.starts_with("staffa_") || kind.starts_with("pg_") { format!("_{kind}") } else { kind.into() }
}

/// `kind.0.index`: the number keeps names apart that PostgreSQL, which knows 63 bytes, would cut.
fn index_name(bare: &str, bit: usize, index: &str, end: &str) -> String {
    let mut name = format!("{bare}.{bit}.{index}");
    name.truncate(63 - end.len());
    name + end
}

/// `index` for one part, `index_1`, `index_2`, … for several. One part's name that another index's or the table's
/// own could have gets a `_` before it.
pub(crate) fn columns(index: &str, parts: usize) -> Vec<String> {
    if parts > 1 {
        return (1..=parts).map(|part| format!("{index}_{part}")).collect();
    }
    let numbered = index.rsplit_once('_').is_some_and(|(_, end)| matches!(end, "1" | "2" | "3" | "4"));
    let own = matches!(index, "version" | "shape" | "document" | "indexes") || SYSTEM.contains(&index);
    vec![if numbered || own { format!("_{index}") } else { index.into() }]
}

/// Columns that every table of PostgreSQL has.
const SYSTEM: [&str; 7] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid"];

/// A name as SQL quotes it. Names are of `a-z`, `0-9`, `_`, `.` and `:`.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The definition of a column.
pub(crate) fn definition(column: &str, part: PartType) -> String {
    format!("{} {}", quoted(column), column_type(part))
}
