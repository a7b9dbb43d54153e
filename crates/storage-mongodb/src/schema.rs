//! The database's own structure: made, and brought to what the schemas say, when the store is opened.
//!
//! What is the store's is recorded in `staffa_meta`: the format, and of each kind its id's type and the index sets that its rows
//! may have. Invariants:
//! 1. A collection is entered there before it is made, so that one which is there and not entered is somebody else's.
//! 2. Everything may be done by several processes at once, stopped anywhere, and done again.

use std::collections::BTreeSet;

use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use staffa_storage::{Error, Migrate, Phase, Result, Step};

use crate::backfill::{self, Rows};
use crate::call::Call;
use crate::error::{is_not_there, is_there, told};
use crate::freezing::{self, Noted};
use crate::outbox::{self, GATES};
use crate::registry::entry;
use crate::shared::Shared;
use crate::table::{Table, part_name};
use crate::{kept, transaction};

/// The format of the database: collections of the adapter's own, and how kinds are laid out.
const FORMAT: i64 = 1;
pub(crate) const META: &str = "staffa_meta";
/// The index over the index sets of rows.
pub(crate) const STALE: &str = "staffa.indexes";

pub(crate) fn kind_key(kind: &str) -> String {
    format!("kind.{kind}")
}

/// Brings the database to what the schemas say, as far as the options allow.
pub(crate) async fn open(store: &Shared, call: &Call) -> Result<()> {
    let mut lacking = lacking(store, call).await?;
    // Few rows that lack keys are served all the same.
    lacking.retain(|lack| !matches!(lack, Lack::Keys(_, rows) if rows.are_few()));
    match (store.options.migrate, lacking.first()) {
        (Migrate::Check, Some(_)) => {
            let told: Vec<String> = lacking.iter().map(|lack| lack.step().statement).collect();
            Err(Error::Unusable(format!(
                "the database {} is not as this binary needs it; missing: {}",
                store.database.name(),
                told.join("; ")
            )))
        }
        (Migrate::Check, None) => Ok(()),
        (Migrate::Apply, _) => apply(store, call, &lacking).await,
    }
}

/// Makes what is missing but for the keys of rows.
pub(crate) async fn apply(store: &Shared, call: &Call, lacking: &[Lack]) -> Result<()> {
    for lack in lacking.iter().filter(|lack| !matches!(lack, Lack::Keys(..))) {
        call.check()?;
        lack.make(store, call).await?;
    }
    Ok(())
}

/// Something that the schemas ask for and the database has not.
pub(crate) enum Lack {
    /// The mark of a store, with its format.
    Format,
    /// A collection.
    Collection(String),
    /// The record of a kind.
    Kind(std::sync::Arc<Table>),
    /// An index of a collection.
    Index(String, Document),
    /// The gates.
    Gates,
    /// The index set of this binary in a kind's record.
    Set(std::sync::Arc<Table>),
    /// The keys of this many rows of a kind.
    Keys(std::sync::Arc<Table>, Rows),
}

impl Lack {
    /// What a person would type into `mongosh`.
    pub(crate) fn step(&self) -> Step {
        let phase = if matches!(self, Self::Keys(..)) { Phase::Backfill } else { Phase::Expand };
        let statement = match self {
            Self::Format => {
                format!(
                    "db.{META}.insertOne({{ _id: \"format\", format: {FORMAT}, frozen: false, turn: 0 }})"
                )
            }
            Self::Collection(name) => format!("db.createCollection(\"{name}\")"),
            Self::Kind(table) => format!("db.{META}.insertOne({})", shell(&record(table))),
            Self::Index(collection, index) => created(collection, index),
            Self::Gates => format!("db.{}.insertMany(/* {GATES} gates */)", outbox::COLLECTION),
            Self::Set(table) => format!(
                "db.{META}.updateOne({{ _id: \"{}\" }}, {{ $set: {{ \"sets.{}\": {} }} }})",
                kind_key(table.kind),
                table.digest,
                shell(&entry(&table.set)),
            ),
            Self::Keys(table, rows) => format!("// make the keys of {rows} documents of db.{}", table.name),
        };
        Step { phase, statement }
    }

    pub(crate) async fn make(&self, store: &Shared, call: &Call) -> Result<()> {
        match self {
            Self::Format => {
                let first = doc! { "$setOnInsert": { "format": FORMAT, "frozen": false, "turn": 0_i64 } };
                let records = store.database.collection::<Document>(META);
                records.update_one(doc! { "_id": "format" }, first).upsert(true).await.map(drop).map_err(told)
            }
            Self::Collection(name) => match store.database.create_collection(name).await {
                Err(error) if !is_there(&error) => Err(told(error)),
                _ => Ok(()),
            },
            Self::Kind(table) => {
                let mut first = record(table);
                let id = first.remove("_id");
                let records = store.database.collection::<Document>(META);
                let update = records.update_one(doc! { "_id": id }, doc! { "$setOnInsert": first });
                update.upsert(true).await.map(drop).map_err(told)
            }
            Self::Index(collection, index) => make_index(store, collection, index).await,
            Self::Gates => make_gates(store, call).await,
            Self::Set(table) => store.registry.enter(store, call, table, &table.set).await,
            Self::Keys(table, _) => backfill::all(store, call, table).await,
        }
    }
}

fn created(collection: &str, index: &Document) -> String {
    let key = index.get_document("key").cloned().unwrap_or_default();
    let options: Document = index
        .iter()
        .filter(|(name, _)| *name != "key")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    format!("db.{collection}.createIndex({}, {})", shell(&key), shell(&options))
}

/// A document as `mongosh` reads it, its fields in their order: that of an index's fields matters.
fn shell(document: &Document) -> String {
    let fields: Vec<String> =
        document.iter().map(|(name, value)| format!("{name:?}: {}", told_value(value))).collect();
    if fields.is_empty() { "{}".into() } else { format!("{{ {} }}", fields.join(", ")) }
}

fn told_value(value: &Bson) -> String {
    match value {
        Bson::Document(document) => shell(document),
        other => other.clone().into_relaxed_extjson().to_string(),
    }
}

fn record(table: &Table) -> Document {
    doc! { "_id": kind_key(table.kind), "id": part_name(table.id), "sets": {} }
}

/// MongoDB builds it beside writers. What was built for another process is as good.
async fn make_index(store: &Shared, collection: &str, index: &Document) -> Result<()> {
    let command = doc! { "createIndexes": collection, "indexes": [index.clone()] };
    store.database.run_command(command).await.map(drop).map_err(told)
}

async fn make_gates(store: &Shared, call: &Call) -> Result<()> {
    let Noted { frozen, turn } = freezing::noted(store, call).await?;
    let gates = (0..GATES).map(|gate| {
        transaction::raw(&doc! {
            "q": { "_id": gate },
            "u": { "$setOnInsert": { "frozen": frozen, "turn": turn, "units": 0_i64 } },
            "upsert": true,
        })
    });
    let made = store.update(call, outbox::COLLECTION, gates.collect::<Result<_>>()?).await?;
    match transaction::refused(&made) {
        // Another process makes the same gates.
        Some(_) => Ok(()),
        None => transaction::done(&made),
    }
}

/// What is missing, in the order in which it is to be made. It only reads.
pub(crate) async fn lacking(store: &Shared, call: &Call) -> Result<Vec<Lack>> {
    let names: BTreeSet<String> =
        store.database.list_collection_names().await.map_err(told)?.into_iter().collect();
    let mut lacking = Vec::new();
    if !is_ours(store, call, &names).await? {
        lacking.push(Lack::Format);
    }
    for name in [outbox::COLLECTION, kept::COLLECTION] {
        if !names.contains(name) {
            lacking.push(Lack::Collection(name.into()));
        }
    }
    lacking_indexes(store, &names, outbox::COLLECTION, &outbox::indexes(), &mut lacking).await?;
    lacking_indexes(store, &names, kept::COLLECTION, &[kept::index()], &mut lacking).await?;
    let gates = doc! { "_id": { "$gte": 0, "$lt": GATES } };
    if store.count(call, outbox::COLLECTION, gates, GATES as usize).await? < GATES as usize {
        lacking.push(Lack::Gates);
    }
    for table in store.tables.iter() {
        lacking_of_kind(store, call, &names, table, &mut lacking).await?;
    }
    Ok(lacking)
}

/// Whether the database has a store's mark. One with collections and without it is refused.
async fn is_ours(store: &Shared, call: &Call, names: &BTreeSet<String>) -> Result<bool> {
    let record = store.find_one(call, META, doc! { "_id": "format" }).await?;
    if let Some(record) = record {
        return match crate::row::int(&record, "format") {
            Ok(FORMAT) => Ok(true),
            Ok(format) => Err(Error::Unusable(format!(
                "the database {} has the format {format}, and this binary knows {FORMAT}: update the binary",
                store.database.name(),
            ))),
            Err(error) => Err(error),
        };
    }
    let others: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !name.starts_with("system.")).collect();
    if others.is_empty() {
        return Ok(false);
    }
    let some: Vec<&str> = others.iter().copied().take(5).collect();
    Err(Error::Unusable(format!(
        "the database {} has collections that are not this store's ({}{}): choose another database",
        store.database.name(),
        some.join(", "),
        if others.len() > some.len() { ", …" } else { "" },
    )))
}

async fn lacking_of_kind(
    store: &Shared,
    call: &Call,
    names: &BTreeSet<String>,
    table: &std::sync::Arc<Table>,
    lacking: &mut Vec<Lack>,
) -> Result<()> {
    let record = store.find_one(call, META, doc! { "_id": kind_key(table.kind) }).await?;
    match &record {
        None if names.contains(&table.name) => {
            return Err(Error::Unusable(format!(
                "the database {} has a collection {} that is not this store's: choose another database",
                store.database.name(),
                table.name,
            )));
        }
        None => lacking.push(Lack::Kind(std::sync::Arc::clone(table))),
        Some(record) => {
            let stored = crate::row::text(record, "id")?;
            if stored != part_name(table.id) {
                return Err(Error::Unusable(format!(
                    "the ids of {} are stored as {stored}, and this binary says {}: an id's type never changes",
                    table.kind,
                    part_name(table.id),
                )));
            }
        }
    }
    if !names.contains(&table.name) {
        lacking.push(Lack::Collection(table.name.clone()));
    }
    let stale = doc! { "name": STALE, "key": { "indexes": 1 }, "partialFilterExpression": { "indexes": { "$exists": true } } };
    let indexes: Vec<Document> =
        table.indexes.iter().map(|index| index.specification()).chain([stale]).collect();
    lacking_indexes(store, names, &table.name, &indexes, lacking).await?;
    let view = store.registry.look(store, call, table).await?;
    if !view.is_entered(&table.digest) {
        lacking.push(Lack::Set(std::sync::Arc::clone(table)));
    }
    let whole = view.whole(table);
    if whole.len() < view.sets.len() {
        let rows = backfill::count(store, call, table, &whole).await?;
        if !rows.are_none() {
            lacking.push(Lack::Keys(std::sync::Arc::clone(table), rows));
        }
    }
    Ok(())
}

async fn lacking_indexes(
    store: &Shared,
    names: &BTreeSet<String>,
    collection: &str,
    wanted: &[Document],
    lacking: &mut Vec<Lack>,
) -> Result<()> {
    let there: BTreeSet<String> =
        if names.contains(collection) { index_names(store, collection).await? } else { BTreeSet::new() };
    let missing = wanted.iter().filter(|index| index.get_str("name").is_ok_and(|name| !there.contains(name)));
    lacking.extend(missing.map(|index| Lack::Index(collection.into(), index.clone())));
    Ok(())
}

pub(crate) async fn index_names(store: &Shared, collection: &str) -> Result<BTreeSet<String>> {
    let listed = match store.database.collection::<Document>(collection).list_indexes().await {
        Err(error) if is_not_there(&error) => return Ok(BTreeSet::new()),
        listed => listed.map_err(told)?,
    };
    let listed: Vec<_> = listed.try_collect().await.map_err(told)?;
    Ok(listed.into_iter().filter_map(|index| index.options?.name).collect())
}

/// Whether the primary answers, and has the store.
pub(crate) async fn ping(store: &Shared, call: &Call) -> Result<()> {
    match store.find_one(call, META, doc! { "_id": "format" }).await? {
        Some(_) => Ok(()),
        None => Err(Error::Unavailable(format!("the database {} has lost its store", store.database.name()))),
    }
}
