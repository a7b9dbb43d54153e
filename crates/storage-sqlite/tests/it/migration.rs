use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use staffa_context::Context;
use staffa_storage::{
    Bound, By, Commit, Error, Expect, IndexSchema, Migrate, Part, PartType, Phase, Result, Scan, Schema,
    Seen, Step, Store, Write,
};
use staffa_storage_sqlite::{Access, Options, Sqlite, migrate, plan, rusqlite};

use crate::folder::{Folder, quick};

const ROWS: i64 = 200_000;

/// How many keys this process made of stored documents.
static MADE: AtomicUsize = AtomicUsize::new(0);

fn index(name: &'static str, unique: bool, part: PartType) -> IndexSchema {
    IndexSchema { name, unique, parts: vec![part] }
}

/// The first build: items by rank.
fn older() -> Schema {
    let keys = |_, document: Value| Ok(vec![rank(&document)]);
    Schema {
        kind: "item",
        shape: 1,
        id: PartType::Int,
        indexes: vec![index("rank", false, PartType::Int)],
        keys,
    }
}

/// The second build: a field `name` in a new shape, and items by rank and by name.
fn newer() -> Schema {
    let keys = |shape, document: Value| Ok(vec![rank(&document), name(shape, &document)]);
    let indexes = vec![index("rank", false, PartType::Int), index("name", true, PartType::Text)];
    Schema { kind: "item", shape: 2, id: PartType::Int, indexes, keys }
}

/// The second build, which counts the keys that it makes of stored documents.
fn counting() -> Schema {
    let keys = |shape, document: Value| {
        MADE.fetch_add(1, Ordering::SeqCst);
        (newer().keys)(shape, document)
    };
    Schema { keys, ..newer() }
}

fn rank(document: &Value) -> Vec<Part> {
    vec![document["rank"].as_i64().map_or(Part::None, Part::Int)]
}

/// Older documents have no name: it is made of their rank.
fn name(shape: u32, document: &Value) -> Vec<Part> {
    let name = match shape {
        1 => document["rank"].as_i64().map(|rank| format!("item {rank}")),
        _ => document["name"].as_str().map(str::to_owned),
    };
    vec![name.map_or(Part::None, Part::Text)]
}

fn put(schema: &Schema, id: i64, expect: Expect, version: i64, document: Value) -> Write {
    let keys = (schema.keys)(schema.shape, document.clone()).unwrap();
    Write { kind: "item", id: Part::Int(id), expect, version, put: Some((document, keys)) }
}

async fn open(path: PathBuf, schema: Schema, build_wait: Duration) -> Result<Arc<Sqlite>> {
    let options = Options { build_wait, busy_wait: Duration::from_secs(5), ..quick() };
    Sqlite::open(&Context::background(), path, options, vec![schema]).await
}

async fn write(store: &Sqlite, writes: Vec<Write>) -> Result<()> {
    store.commit(&Context::background(), Commit { writes, ..Commit::default() }).await
}

async fn close(store: Arc<Sqlite>) {
    store.close(&Context::background()).await.unwrap();
}

/// A page of the index at this place, and its keys.
async fn page(
    store: &Sqlite,
    place: usize,
    after: Option<(Vec<Part>, Part)>,
) -> Result<Vec<(Vec<Part>, Part)>> {
    let (equal, bound) = (vec![], Bound::All);
    let scan =
        Scan { kind: "item", by: By::Index(place), equal, bound, descending: false, after, limit: 1_000 };
    let found = store.scan(&Context::background(), scan).await?;
    Ok(found.into_iter().map(|found| (found.key, found.row.id)).collect())
}

async fn all(store: &Sqlite, place: usize) -> Vec<(Vec<Part>, Part)> {
    let mut all = Vec::new();
    loop {
        let found = page(store, place, all.last().cloned()).await.unwrap();
        if found.is_empty() {
            return all;
        }
        all.extend(found);
    }
}

/// A file that the older build wrote: ids from 1, the rank of each its id.
async fn filled(folder: &Folder, rows: i64) {
    let store = open(folder.file(), older(), Duration::ZERO).await.unwrap();
    write(&store, vec![put(&older(), 1, Expect::New, 1, json!({ "rank": 1 }))]).await.unwrap();
    close(store).await;
    let tool = rusqlite::Connection::open(folder.file()).unwrap();
    let sql = "WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
               INSERT INTO item (id, version, shape, index_set, document, rank)
               SELECT n, 1, 1, (SELECT index_set FROM item WHERE id = 1), json_object('rank', n), n FROM n";
    tool.execute(sql, [rows]).unwrap();
}

const CHILD: &str = "STAFFA_TEST_CHILD";

/// As a process of its own: opens the file with the newer build, writes a row, and is killed while it fills the index.
async fn be_killed(file: PathBuf) {
    let store = open(file, newer(), Duration::ZERO).await.unwrap();
    let document = json!({ "rank": 0, "name": "first" });
    write(&store, vec![put(&newer(), 0, Expect::New, 1, document)]).await.unwrap();
    loop {
        let words = page(&store, 1, None).await.unwrap_err().to_string();
        std::io::stdout().write_all(format!("{words}\n").as_bytes()).unwrap();
        tokio::task::yield_now().await;
    }
}

/// Runs this test as a process of its own, and kills it as soon as it has seen a good part of the rows.
fn kill_in_mid_backfill(file: &std::path::Path, test: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let done = |line: &String| {
        let rows = line.split("being built: ").nth(1).and_then(|rest| rest.split(' ').next());
        rows.is_some_and(|rows| rows.parse::<i64>().unwrap() > ROWS / 10)
    };
    let seen = lines.map_while(std::result::Result::ok).find(done);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen.is_some(), "the index was whole before the kill");
}

#[tokio::test]
async fn no_row_is_missed_and_no_write_lost_when_builds_alternate_and_a_backfill_is_killed() {
    let this = "migration::no_row_is_missed_and_no_write_lost_when_builds_alternate_and_a_backfill_is_killed";
    if let Some(file) = std::env::var_os(CHILD) {
        return be_killed(file.into()).await;
    }
    let folder = Folder::new();
    filled(&folder, ROWS).await;
    kill_in_mid_backfill(&folder.file(), this);

    // The older build is started again: it reads all, writes, and lets the newer shape alone.
    let store = open(folder.file(), older(), Duration::ZERO).await.unwrap();
    store.ping(&Context::background()).await.unwrap();
    let ids = |found: Vec<(Vec<Part>, Part)>| found.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    let expected: Vec<Part> = (0..=ROWS).map(Part::Int).collect();
    assert_eq!(ids(all(&store, 0).await), expected);
    let over = write(&store, vec![put(&older(), 0, Expect::Version(1), 2, json!({ "rank": 7 }))]).await;
    assert_eq!(over, Err(Error::NewerShape { kind: "item".into(), id: "0".into(), shape: 2 }));
    // Rows on both sides of where the backfill was; one takes over the rank, and so the name, of another.
    let mut writes = vec![
        put(&older(), 5, Expect::Version(1), 2, json!({ "rank": ROWS + 5 })),
        put(&older(), 6, Expect::Version(1), 2, json!({ "rank": 5 })),
        put(&older(), ROWS - 5, Expect::Version(1), 2, json!({ "rank": ROWS + 6 })),
        put(&older(), ROWS + 1, Expect::New, 1, json!({ "rank": 6 })),
    ];
    writes.push(Write { kind: "item", id: Part::Int(7), expect: Expect::Version(1), version: 2, put: None });
    write(&store, writes).await.unwrap();
    let by_rank = ids(all(&store, 0).await);
    close(store).await;

    let store = open(folder.file(), counting(), Duration::from_secs(300)).await.unwrap();
    store.ping(&Context::background()).await.unwrap();
    assert_eq!(ids(all(&store, 0).await), by_rank);
    let by_name = all(&store, 1).await;
    assert_eq!(by_name.len() as i64, ROWS + 1);
    for (key, id) in by_name {
        let Seen::Row(row) = store.get(&Context::background(), "item", &id).await.unwrap() else {
            panic!("{id} is gone")
        };
        assert_eq!(key, name(row.shape, &row.document.value().unwrap()), "{id}");
    }
    let made = MADE.load(Ordering::SeqCst) as i64;
    assert!(made < ROWS * 9 / 10 + 10, "{made} keys were made again, of those before the kill too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_serves_while_an_index_is_filled() {
    let folder = Folder::new();
    filled(&folder, 40_000).await;
    let ctx = &Context::background();
    let store = open(folder.file(), newer(), Duration::ZERO).await.unwrap();
    let unready = store.ping(ctx).await.unwrap_err();
    assert!(unready.to_string().contains("the index name of item is being built"), "{unready}");
    assert_eq!(page(&store, 1, None).await.unwrap_err().to_string().split(':').count(), 3);
    let mut id = 40_000;
    while matches!(store.ping(ctx).await, Err(Error::Unavailable(_))) {
        id += 1;
        let document = json!({ "rank": id, "name": format!("name {id}") });
        write(&store, vec![put(&newer(), id, Expect::New, 1, document)]).await.unwrap();
        assert_eq!(page(&store, 0, None).await.unwrap().len(), 1_000);
    }
    assert!(id > 40_005, "{id}");
    assert_eq!(all(&store, 1).await.len() as i64, id);
}

#[tokio::test]
async fn a_store_closes_in_mid_backfill_and_goes_on_when_it_is_opened_again() {
    let folder = Folder::new();
    filled(&folder, 20_000).await;
    let store = open(folder.file(), newer(), Duration::ZERO).await.unwrap();
    assert!(store.ping(&Context::background()).await.is_err());
    close(store).await;
    assert_eq!(planned(&folder, newer(), false).await[0].phase, Phase::Backfill, "it was not whole");
    let store = open(folder.file(), newer(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(all(&store, 1).await.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_cannot_be_filled_is_unavailable_in_words_that_say_why() {
    let folder = Folder::new();
    filled(&folder, 2_000).await;
    let store = open(folder.file(), older(), Duration::ZERO).await.unwrap();
    write(&store, vec![put(&older(), 2_000, Expect::Version(1), 2, json!({ "rank": 7 }))]).await.unwrap();
    close(store).await;
    let twice = Error::Duplicate { kind: "item".into(), index: "name".into() };
    let refused = open(folder.file(), newer(), Duration::from_secs(60)).await;
    assert_eq!(refused.unwrap_err(), twice);
    let store = open(folder.file(), newer(), Duration::ZERO).await.unwrap();
    while store.ping(&Context::background()).await.unwrap_err().to_string().contains("being built") {
        tokio::task::yield_now().await;
    }
    let words = page(&store, 1, None).await.unwrap_err().to_string();
    assert!(
        words.contains("the index name of item cannot be built: another item has the same name"),
        "{words}"
    );
    write(&store, vec![put(&newer(), 9_000, Expect::New, 1, json!({ "rank": 1, "name": "n" }))])
        .await
        .unwrap();
}

async fn planned(folder: &Folder, schema: Schema, contract: bool) -> Vec<Step> {
    plan(&Context::background(), folder.file(), &quick(), &[schema], contract).await.unwrap()
}

fn said(steps: &[Step]) -> Vec<(Phase, &str)> {
    steps.iter().map(|step| (step.phase, step.statement.as_str())).collect()
}

#[tokio::test]
async fn a_plan_tells_what_is_missing_and_changes_nothing() {
    let folder = Folder::new();
    let steps = planned(&folder, older(), true).await;
    assert!(!folder.file().exists());
    assert!(steps.iter().all(|step| step.phase == Phase::Expand));
    assert_eq!(
        said(&steps)[2],
        (Phase::Expand, r#"CREATE INDEX "item.rank" ON "item" ("rank", id) WHERE document IS NOT NULL"#),
    );
    // What it tells, typed by a person, makes the same file.
    let tool = rusqlite::Connection::open(folder.path().join("by_hand.db")).unwrap();
    steps.iter().for_each(|step| tool.execute_batch(&step.statement).unwrap());
    filled(&folder, 10).await;
    let dump = |path: PathBuf| {
        let tool = rusqlite::Connection::open(path).unwrap();
        let mut statement = tool.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        rows.collect::<rusqlite::Result<Vec<_>>>().unwrap()
    };
    assert_eq!(dump(folder.path().join("by_hand.db")), dump(folder.file()));

    assert_eq!(planned(&folder, older(), true).await, []);
    let _serving = open(folder.file(), older(), Duration::ZERO).await.unwrap();
    let older_set = older().index_set();
    let newer_set = newer().index_set();
    assert_eq!(
        said(&planned(&folder, newer(), true).await),
        [
            (Phase::Expand, r#"ALTER TABLE "item" ADD COLUMN "name" TEXT"#),
            (Phase::Expand, r#"CREATE INDEX "item.name" ON "item" ("name", id) WHERE document IS NOT NULL"#),
            (
                Phase::Expand,
                r#"CREATE UNIQUE INDEX "item.name.unique" ON "item" ("name") WHERE document IS NOT NULL"#
            ),
            (
                Phase::Backfill,
                &format!(
                    r#"UPDATE "item" SET "rank" = <the key's part>, "name" = <the key's part>, index_set = '{newer_set}' WHERE index_set IN ('{older_set}') AND document IS NOT NULL"#
                )
            ),
        ]
    );
}

#[tokio::test]
async fn a_migration_does_what_was_planned_and_takes_away_only_what_it_is_told_to() {
    let folder = Folder::new();
    filled(&folder, 2_000).await;
    let ctx = &Context::background();
    let run = async |schema: Schema, contract: bool| {
        let planned = planned(&folder, schema.clone(), contract).await;
        let done = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&done);
        let observe = move |step: &Step| seen.lock().unwrap().push(step.clone());
        migrate(ctx, folder.file(), &quick(), &[schema], contract, observe).await.unwrap();
        assert_eq!(*done.lock().unwrap(), planned);
        planned.len()
    };
    assert_eq!(run(newer(), false).await, 4);
    assert_eq!(run(newer(), true).await, 0);
    assert_eq!(run(older(), false).await, 0, "an index that it does not know stays");
    assert_eq!(run(older(), true).await, 3);
    let store = open(folder.file(), older(), Duration::ZERO).await.unwrap();
    write(&store, vec![put(&older(), 1, Expect::Version(1), 2, json!({ "rank": -1 }))]).await.unwrap();
    close(store).await;
    let store = open(folder.file(), newer(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(all(&store, 1).await.len(), 2_000, "an index that comes back is filled again");
    assert_eq!(all(&store, 1).await[0], (vec![Part::Text("item -1".into())], Part::Int(1)));
}

#[tokio::test]
async fn a_file_that_may_not_be_changed_is_refused_in_words_that_say_what_is_missing() {
    let folder = Folder::new();
    let check = || Options { migrate: Migrate::Check, ..quick() };
    let ctx = &Context::background();
    let refused = async |schema: Schema, words: &str| {
        let error = Sqlite::open(ctx, folder.file(), check(), vec![schema]).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(older(), "cannot be opened").await;
    assert!(!folder.file().exists());
    filled(&folder, 10).await;
    refused(newer(), r#"lacks what this binary asks for, and may not be changed by it: ALTER TABLE "item" ADD COLUMN "name" TEXT;"#).await;
    let store = Sqlite::open(ctx, folder.file(), check(), vec![older()]).await.unwrap();
    assert_eq!(all(&store, 0).await.len(), 10);
}

#[tokio::test]
async fn a_command_beside_sees_the_kinds_that_it_knows_as_the_owner_does() {
    let folder = Folder::new();
    filled(&folder, 10).await;
    let ctx = &Context::background();
    let owner = open(folder.file(), older(), Duration::ZERO).await.unwrap();
    let beside = |schema| {
        let options = Options { access: Access::Beside, ..quick() };
        Sqlite::open(ctx, folder.file(), options, vec![schema])
    };
    let same = beside(older()).await.unwrap();
    write(&same, vec![put(&older(), 11, Expect::New, 1, json!({ "rank": -1 }))]).await.unwrap();
    assert_eq!(all(&owner, 0).await[0].1, Part::Int(11));
    let other = beside(newer()).await.unwrap();
    assert!(matches!(other.get(ctx, "item", &Part::Int(1)).await, Err(Error::Unusable(_))));
    close(owner).await;
    let owner = open(folder.file(), newer(), Duration::from_secs(60)).await.unwrap();
    let late = write(&same, vec![put(&older(), 12, Expect::New, 1, json!({ "rank": -2 }))]).await;
    assert!(matches!(late, Err(Error::Unavailable(_))), "another binary has taken the file over: {late:?}");
    assert_eq!(all(&owner, 1).await.len(), 11);
}

/// A file as format 1 laid it out.
const FORMAT_1: &str = r#"
CREATE TABLE staffa_meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE staffa_outbox (
  place INTEGER PRIMARY KEY NOT NULL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, kind TEXT NOT NULL,
  entity TEXT NOT NULL, version INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, trace TEXT,
  payload TEXT NOT NULL, sent_at INTEGER
) STRICT;
CREATE INDEX "staffa_outbox.unsent" ON staffa_outbox (place) WHERE sent_at IS NULL;
CREATE INDEX "staffa_outbox.sent" ON staffa_outbox (at) WHERE sent_at IS NOT NULL;
CREATE TABLE staffa_kept (
  scope TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX "staffa_kept.at" ON staffa_kept (at);
CREATE TABLE "item" (
  id INTEGER PRIMARY KEY NOT NULL, version INTEGER NOT NULL, shape INTEGER NOT NULL, document TEXT,
  "rank" INTEGER, "name" TEXT
) STRICT;
CREATE INDEX "item.rank" ON "item" ("rank", id) WHERE document IS NOT NULL;
CREATE INDEX "item.name" ON "item" ("name", id) WHERE document IS NOT NULL;
INSERT INTO staffa_meta VALUES ('format', '1'), ('kind.item', '{"id":"int","shape":1,"filled":null}'),
  ('index.item.rank', '{"parts":["int"],"unique":false,"whole":true}'),
  ('index.item.name', '{"parts":["text"],"unique":true,"whole":false}');
INSERT INTO item VALUES (1, 1, 1, '{"rank":20}', 20, 'item 10'), (2, 1, 1, '{"rank":10}', 10, NULL), (3, 2, 1, NULL, NULL, NULL);
"#;

#[tokio::test]
async fn a_file_of_the_first_format_is_lifted() {
    let folder = Folder::new();
    rusqlite::Connection::open(folder.file()).unwrap().execute_batch(FORMAT_1).unwrap();
    let store = open(folder.file(), older(), Duration::ZERO).await.unwrap();
    assert_eq!(all(&store, 0).await.len(), 2);
    close(store).await;
    let store = open(folder.file(), newer(), Duration::from_secs(60)).await.unwrap();
    let text = |text: &str| vec![Part::Text(text.into())];
    assert_eq!(all(&store, 1).await, [(text("item 10"), Part::Int(2)), (text("item 20"), Part::Int(1))]);
    write(&store, vec![put(&newer(), 3, Expect::Absent { last: 2 }, 3, json!({ "name": "back" }))])
        .await
        .unwrap();
    let taken = write(&store, vec![put(&newer(), 4, Expect::New, 1, json!({ "name": "back" }))]).await;
    assert_eq!(taken, Err(Error::Duplicate { kind: "item".into(), index: "name".into() }));
}
