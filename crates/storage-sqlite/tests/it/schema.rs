use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use staffa_context::Context;
use staffa_storage::{
    Bound, By, Commit, Error, Expect, IndexSchema, Part, PartType, Result, Scan, Schema, Store, Write,
};
use staffa_storage_sqlite::Sqlite;

use crate::folder::{Folder, quick};

fn index(name: &'static str, unique: bool) -> IndexSchema {
    IndexSchema { name, unique, parts: vec![PartType::Int] }
}

/// A kind `item` in a shape, with these indexes, all of the field `rank`.
fn schema(
    shape: u32,
    indexes: &[(&'static str, bool)],
    keys: fn(u32, Value) -> Result<Vec<Vec<Part>>>,
) -> Schema {
    let indexes = indexes.iter().map(|(name, unique)| index(name, *unique)).collect();
    Schema { kind: "item", shape, id: PartType::Int, indexes, keys }
}

fn no_keys(_: u32, _: Value) -> Result<Vec<Vec<Part>>> {
    Ok(vec![])
}

fn rank(_: u32, document: Value) -> Result<Vec<Vec<Part>>> {
    Ok(vec![vec![document["rank"].as_i64().map_or(Part::None, Part::Int)]])
}

fn put(id: i64, expect: Expect, version: i64, rank: i64, indexes: usize) -> Write {
    let keys = vec![vec![Part::Int(rank)]; indexes];
    Write { kind: "item", id: Part::Int(id), expect, version, put: Some((json!({ "rank": rank }), keys)) }
}

async fn open(path: PathBuf, schema: Schema) -> Result<Arc<Sqlite>> {
    Sqlite::open(&Context::background(), path, quick(), vec![schema]).await
}

async fn write(store: &Sqlite, writes: Vec<Write>) -> Result<()> {
    store.commit(&Context::background(), Commit { writes, ..Commit::default() }).await
}

async fn close(store: Arc<Sqlite>) {
    store.close(&Context::background()).await.unwrap();
}

/// The ids by the first index, in its order.
async fn by_index(store: &Sqlite) -> Vec<i64> {
    let scan = Scan {
        kind: "item",
        by: By::Index(0),
        equal: vec![],
        bound: Bound::All,
        descending: false,
        after: None,
        limit: 10_000,
    };
    let found = store.scan(&Context::background(), scan).await.unwrap();
    let id = |part| if let Part::Int(id) = part { id } else { panic!("{part:?}") };
    found.into_iter().map(|found| id(found.row.id)).collect()
}

#[tokio::test]
async fn a_new_index_is_filled_before_it_serves() {
    let folder = Folder::new();
    let store = open(folder.file(), schema(1, &[], no_keys)).await.unwrap();
    for ids in [0..800, 800..1600] {
        write(&store, ids.map(|id| put(id, Expect::New, 1, -id, 0)).collect()).await.unwrap();
    }
    close(store).await;
    let store = open(folder.file(), schema(1, &[("rank", false)], rank)).await.unwrap();
    assert_eq!(by_index(&store).await, (0..1600).rev().collect::<Vec<_>>());
}

static MADE: AtomicUsize = AtomicUsize::new(0);

fn failing(shape: u32, document: Value) -> Result<Vec<Vec<Part>>> {
    match MADE.fetch_add(1, Ordering::SeqCst) {
        1300 => Err(Error::Unavailable("the process was stopped".into())),
        _ => rank(shape, document),
    }
}

fn counting(shape: u32, document: Value) -> Result<Vec<Vec<Part>>> {
    MADE.fetch_add(1, Ordering::SeqCst);
    rank(shape, document)
}

#[tokio::test]
async fn a_backfill_that_was_stopped_goes_on_where_it_was() {
    let folder = Folder::new();
    let store = open(folder.file(), schema(1, &[], no_keys)).await.unwrap();
    for ids in [0..800, 800..1600] {
        write(&store, ids.map(|id| put(id, Expect::New, 1, -id, 0)).collect()).await.unwrap();
    }
    close(store).await;
    assert!(open(folder.file(), schema(1, &[("rank", false)], failing)).await.is_err());
    MADE.store(0, Ordering::SeqCst);
    let store = open(folder.file(), schema(1, &[("rank", false)], counting)).await.unwrap();
    assert_eq!(MADE.load(Ordering::SeqCst), 600);
    assert_eq!(by_index(&store).await.len(), 1600);
}

#[tokio::test]
async fn an_index_that_an_older_binary_did_not_write_is_filled_again() {
    let folder = Folder::new();
    let newer = || schema(1, &[("rank", false)], rank);
    let store = open(folder.file(), newer()).await.unwrap();
    write(&store, vec![put(1, Expect::New, 1, 10, 1), put(2, Expect::New, 1, 20, 1)]).await.unwrap();
    close(store).await;
    let older = open(folder.file(), schema(1, &[], no_keys)).await.unwrap();
    write(&older, vec![put(1, Expect::Version(1), 2, 30, 0), put(3, Expect::New, 1, 5, 0)]).await.unwrap();
    close(older).await;
    let store = open(folder.file(), newer()).await.unwrap();
    assert_eq!(by_index(&store).await, [3, 2, 1]);
}

#[tokio::test]
async fn an_older_binary_refuses_to_overwrite_a_newer_shape() {
    let folder = Folder::new();
    let store = open(folder.file(), schema(2, &[], no_keys)).await.unwrap();
    write(&store, vec![put(1, Expect::New, 1, 10, 0)]).await.unwrap();
    close(store).await;
    let older = open(folder.file(), schema(1, &[], no_keys)).await.unwrap();
    let newer = Error::NewerShape { kind: "item".into(), id: "1".into(), shape: 2 };
    assert_eq!(write(&older, vec![put(1, Expect::Version(1), 2, 11, 0)]).await, Err(newer));
    let stale = Error::Conflict { kind: "item".into(), id: "1".into() };
    assert_eq!(write(&older, vec![put(1, Expect::Version(9), 10, 11, 0)]).await, Err(stale));
    write(&older, vec![put(2, Expect::New, 1, 10, 0)]).await.unwrap();
}

fn never(_: u32, _: Value) -> Result<Vec<Vec<Part>>> {
    Err(Error::Unavailable("no key is to be made".into()))
}

#[tokio::test]
async fn a_binary_with_the_same_indexes_or_fewer_makes_no_keys_again() {
    let folder = Folder::new();
    let store = open(folder.file(), schema(1, &[("rank", false)], rank)).await.unwrap();
    write(&store, vec![put(1, Expect::New, 1, 10, 1), put(2, Expect::New, 1, 9, 1)]).await.unwrap();
    close(store).await;
    let fewer = open(folder.file(), schema(1, &[], never)).await.unwrap();
    close(fewer).await;
    let store = open(folder.file(), schema(2, &[("rank", false)], never)).await.unwrap();
    assert_eq!(by_index(&store).await, [2, 1]);
}

#[tokio::test]
async fn an_index_whose_parts_changed_needs_another_name() {
    let folder = Folder::new();
    let store = open(folder.file(), schema(1, &[("rank", false)], rank)).await.unwrap();
    write(&store, vec![put(1, Expect::New, 1, 10, 1), put(2, Expect::New, 1, 9, 1)]).await.unwrap();
    close(store).await;
    fn text(_: u32, document: Value) -> Result<Vec<Vec<Part>>> {
        Ok(vec![vec![Part::Text(document["rank"].to_string())]])
    }
    let changed = |name| {
        let mut changed = schema(1, &[(name, false)], text);
        changed.indexes[0].parts = vec![PartType::Text];
        changed
    };
    let error = open(folder.file(), changed("rank")).await.unwrap_err();
    assert!(error.to_string().contains("give the new one another name"), "{error}");
    let store = open(folder.file(), changed("rank_text")).await.unwrap();
    assert_eq!(by_index(&store).await, [1, 2]);
}

#[tokio::test]
async fn an_index_that_becomes_unique_is_refused_while_keys_are_double() {
    let folder = Folder::new();
    let store = open(folder.file(), schema(1, &[("rank", false)], rank)).await.unwrap();
    write(&store, vec![put(1, Expect::New, 1, 10, 1), put(2, Expect::New, 1, 10, 1)]).await.unwrap();
    close(store).await;
    let double = Error::Duplicate { kind: "item".into(), index: "rank".into() };
    assert_eq!(open(folder.file(), schema(1, &[("rank", true)], rank)).await.unwrap_err(), double);
    let store = open(folder.file(), schema(1, &[("rank", false)], rank)).await.unwrap();
    write(&store, vec![put(2, Expect::Version(1), 2, 11, 1)]).await.unwrap();
    close(store).await;
    open(folder.file(), schema(1, &[("rank", true)], rank)).await.unwrap();
}

#[tokio::test]
async fn a_persons_tool_writes_no_unique_key_twice() {
    let folder = Folder::new();
    let unique = || schema(1, &[("rank", true)], rank);
    let store = open(folder.file(), unique()).await.unwrap();
    write(&store, vec![put(1, Expect::New, 1, 10, 1), put(2, Expect::New, 1, 20, 1)]).await.unwrap();
    close(store).await;
    let tool = staffa_storage_sqlite::rusqlite::Connection::open(folder.file()).unwrap();
    let error = tool.execute("UPDATE item SET rank = 10 WHERE id = 2", []).unwrap_err();
    assert!(error.to_string().contains("UNIQUE constraint failed: item.rank"), "{error}");
    drop(tool);
    let store = open(folder.file(), unique()).await.unwrap();
    let swap = vec![put(1, Expect::Version(1), 2, 20, 1), put(2, Expect::Version(1), 2, 10, 1)];
    write(&store, swap).await.unwrap();
    assert_eq!(by_index(&store).await, [2, 1]);
    let double = Error::Duplicate { kind: "item".into(), index: "rank".into() };
    let both = vec![put(2, Expect::Version(2), 3, 30, 1), put(3, Expect::New, 1, 20, 1)];
    assert_eq!(write(&store, both).await, Err(double));
    assert_eq!(by_index(&store).await, [2, 1]);
}

#[tokio::test]
async fn a_key_that_an_older_binary_gave_up_is_free_for_a_newer_one() {
    let folder = Folder::new();
    let newer = || schema(1, &[("rank", true)], rank);
    let store = open(folder.file(), newer()).await.unwrap();
    write(&store, vec![put(1, Expect::New, 1, 10, 1), put(2, Expect::New, 1, 20, 1)]).await.unwrap();
    close(store).await;
    let older = open(folder.file(), schema(1, &[], no_keys)).await.unwrap();
    let swap = vec![put(1, Expect::Version(1), 2, 20, 0), put(2, Expect::Version(1), 2, 10, 0)];
    write(&older, swap).await.unwrap();
    close(older).await;
    let store = open(folder.file(), newer()).await.unwrap();
    assert_eq!(by_index(&store).await, [2, 1]);
}

#[tokio::test]
async fn names_that_sqlite_or_the_table_has_already_still_work() {
    let folder = Folder::new();
    let names = [
        ("document", true),
        ("a", false),
        ("a_1", false),
        ("version", false),
        ("order", false),
        ("index_set", false),
    ];
    let mut odd = schema(1, &names, no_keys);
    odd.kind = "sqlite_order";
    odd.indexes[1].parts = vec![PartType::Int, PartType::Int];
    let store = open(folder.file(), odd).await.unwrap();
    let key = |rank| vec![Part::Int(rank)];
    let keys = vec![key(1), vec![Part::Int(1), Part::Int(2)], key(3), key(4), key(5), key(6)];
    let write_it = Write {
        kind: "sqlite_order",
        id: Part::Int(1),
        expect: Expect::New,
        version: 1,
        put: Some((json!({}), keys)),
    };
    write(&store, vec![write_it]).await.unwrap();
}

#[tokio::test]
async fn the_type_of_an_id_never_changes() {
    let folder = Folder::new();
    close(open(folder.file(), schema(1, &[], no_keys)).await.unwrap()).await;
    let mut other = schema(1, &[], no_keys);
    other.id = PartType::Text;
    assert!(matches!(open(folder.file(), other).await, Err(Error::Unusable(_))));
}
