//! An index, a field and a shape come to 200,000 rows, while the old build and the new one both serve.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use staffa_context::Context;
use staffa_storage::{
    Entity, Error, Index, Indexes, Page, PageOf, Range, Repository, Result, Schema, Store, Versioned,
};
use staffa_storage_postgres::{Options, Postgres, plan};
use tokio::task::JoinSet;

use crate::server::{Place, insert, url};
use crate::things::{OLD_NAME, Old};

const ROWS: i64 = 200_000;
/// Who writes to a row of the first ones, by its id's remainder by 100; nobody writes to the other rows.
const GROUPS: i64 = 100;
/// The old build changes its price, and with it the key in the new index.
const PRICED: i64 = 1;
/// The old build changes its name: it becomes stale, and its key in the new index stays.
const NAMED: i64 = 2;
/// The new build writes it, in the new shape.
const LIFTED: i64 = 3;
/// Both builds add to its price, until the new one has written it.
const SHARED: i64 = 4;
/// How long a writer or a reader rests between its rounds: the index is built meanwhile.
const REST: Duration = Duration::from_millis(2);
/// How long all of it may take on a busy machine.
const LONGEST: Duration = Duration::from_secs(600);

/// A product as the next build knows it: in another shape, with a field more, by which it is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Next {
    id: i64,
    name: String,
    pence: i64,
    gross: i64,
}

const NEXT_NAME: Index<Next, String> = Index::new("name", |next| next.name.clone());
const GROSS: Index<Next, i64> = Index::new("gross", |next| next.gross);

impl Entity for Next {
    type Id = i64;
    const KIND: &'static str = "product";
    const SHAPE: u32 = 2;
    const INDEXES: Indexes<Self> = &[&NEXT_NAME, &GROSS];
    fn id(&self) -> &i64 {
        &self.id
    }
    fn upgrade(_: u32, mut document: Value) -> Result<Value> {
        document["gross"] = json!(document["pence"].as_i64().map(|pence| pence * 2));
        Ok(document)
    }
}

fn first(id: i64) -> Old {
    Old { id, name: format!("n{id}"), pence: id % 10_000 }
}

fn next(old: Old) -> Next {
    Next { id: old.id, name: old.name, pence: old.pence, gross: old.pence * 2 }
}

/// Both builds at work, and what their writers were told is written.
struct Builds {
    ctx: Context,
    older: Arc<dyn Store>,
    newer: OnceLock<Arc<dyn Store>>,
    written: Mutex<BTreeMap<i64, Next>>,
    /// Whether the new index has served a read: it must serve all from there on.
    is_whole: AtomicBool,
    is_over: AtomicBool,
}

impl Builds {
    /// With the rows that are there at first.
    fn new(ctx: &Context, older: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            ctx: ctx.with_timeout(LONGEST),
            older,
            newer: OnceLock::new(),
            written: Mutex::new((0..ROWS).map(|id| (id, next(first(id)))).collect()),
            is_whole: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        })
    }

    fn newer(&self) -> &Arc<dyn Store> {
        self.newer.get().unwrap()
    }

    fn wrote(&self, row: Next) {
        self.written.lock().unwrap().insert(row.id, row);
    }

    /// What a loop counts through until the test is over.
    fn rounds(&self) -> impl Iterator<Item = i64> {
        (0..).take_while(|_| !self.is_over.load(Ordering::Acquire))
    }

    /// The rows of a group, one after the other, and from the beginning again.
    fn group(&self, group: i64) -> impl Iterator<Item = i64> {
        self.rounds().map(move |round| round * GROUPS % ROWS + group)
    }

    /// The rows that nobody writes to, here and there.
    fn quiet(&self) -> impl Iterator<Item = i64> {
        self.rounds().map(|round| round * 7_919 % ROWS).filter(|id| id % GROUPS > SHARED)
    }

    async fn old(&self, id: i64) -> Result<Versioned<Old>> {
        Ok(Repository::new(&self.older).find(&self.ctx, &id).await?.unwrap())
    }

    async fn new_of(&self, id: i64) -> Versioned<Next> {
        Repository::new(self.newer()).find(&self.ctx, &id).await.unwrap().unwrap()
    }

    async fn insert<E: Entity>(&self, store: &Arc<dyn Store>, entity: E) {
        let mut unit = store.unit();
        unit.insert(entity);
        unit.commit(&self.ctx).await.unwrap();
    }

    async fn update<E: Entity>(&self, store: &Arc<dyn Store>, entity: Versioned<E>) -> Result<()> {
        let mut unit = store.unit();
        unit.update(entity);
        unit.commit(&self.ctx).await
    }

    async fn page(&self, range: impl Into<Range<i64>>, page: Page) -> Result<PageOf<Next>> {
        Repository::new(self.newer()).range(&self.ctx, &GROSS, range, page.limit(Page::LIMIT_MAX)).await
    }

    /// Once the new index is whole, it finds at once what the old build wrote, and at this key alone.
    async fn is_found(&self, row: &Next, stale: i64) {
        if !self.is_whole.load(Ordering::Acquire) {
            return;
        }
        let at = async |gross: i64| self.page((gross,), Page::first()).await.unwrap().items;
        assert!(at(row.gross).await.iter().any(|found| found.value == *row), "{row:?} is missed");
        assert!(
            stale == row.gross || at(stale).await.iter().all(|found| found.value.id != row.id),
            "{row:?} is found at {stale}"
        );
    }

    async fn old_build_inserts(&self) {
        for round in self.rounds() {
            self.ctx.sleep(REST).await.unwrap();
            let row = Old { id: ROWS + 2 * round, ..first(round) };
            self.insert(&self.older, row.clone()).await;
            self.wrote(next(row));
        }
    }

    async fn old_build_prices(&self) {
        for id in self.group(PRICED) {
            self.ctx.sleep(REST).await.unwrap();
            let mut row = self.old(id).await.unwrap();
            let before = row.value.pence * 2;
            row.value.pence += 7;
            self.update(&self.older, row.clone()).await.unwrap();
            self.wrote(next(row.value.clone()));
            self.is_found(&next(row.value), before).await;
        }
    }

    async fn old_build_names(&self) {
        for id in self.group(NAMED) {
            self.ctx.sleep(REST).await.unwrap();
            let mut row = self.old(id).await.unwrap();
            row.value.name.push('+');
            self.update(&self.older, row.clone()).await.unwrap();
            self.wrote(next(row.value.clone()));
            let found =
                Repository::new(&self.older).first(&self.ctx, &OLD_NAME, &row.value.name).await.unwrap();
            assert_eq!(found.map(|found| found.value).as_ref(), Some(&row.value));
            let row = next(row.value);
            self.is_found(&row, row.gross).await;
        }
    }

    async fn old_build_reads(&self) {
        let repository = Repository::new(&self.older);
        for id in self.quiet() {
            self.ctx.sleep(REST).await.unwrap();
            let want = first(id);
            let found = repository.first(&self.ctx, &OLD_NAME, &want.name).await.unwrap();
            assert_eq!(found.map(|found| found.value), Some(want));
        }
    }

    async fn new_build_inserts(&self) {
        for round in self.rounds() {
            self.ctx.sleep(REST).await.unwrap();
            let row = Next { id: ROWS + 2 * round + 1, gross: 2 * round + 1, ..next(first(round)) };
            self.insert(self.newer(), row.clone()).await;
            self.wrote(row);
        }
    }

    /// What the new build wrote is neither read nor overwritten by the old one.
    async fn new_build_lifts(&self) {
        for id in self.group(LIFTED) {
            self.ctx.sleep(REST).await.unwrap();
            let mut row = self.new_of(id).await;
            row.value.gross += 1;
            self.update(self.newer(), row.clone()).await.unwrap();
            self.wrote(row.value);
            let version = self.new_of(id).await.version;
            let refused = self.update(&self.older, Versioned { version, value: first(id) }).await;
            assert!(matches!(refused, Err(Error::NewerShape { shape: 2, .. })), "{refused:?}");
            let refused = self.old(id).await;
            assert!(matches!(refused, Err(Error::NewerShape { shape: 2, .. })), "{refused:?}");
        }
    }

    /// The index that both builds know serves while the other one is built.
    async fn new_build_reads(&self) {
        let repository = Repository::new(self.newer());
        for id in self.quiet() {
            self.ctx.sleep(REST).await.unwrap();
            let want = next(first(id));
            assert_eq!(self.new_of(id).await.value, want);
            let found = repository.first(&self.ctx, &NEXT_NAME, &want.name).await.unwrap();
            assert_eq!(found.map(|found| found.value), Some(want));
        }
    }

    /// Both add to the same row, until the new build has lifted it.
    async fn both_builds_add(&self) {
        for id in self.group(SHARED).take(usize::try_from(ROWS / GROUPS).unwrap()) {
            self.ctx.sleep(REST).await.unwrap();
            assert!(self.old_build_adds(id).await.unwrap());
            let (old, new) = tokio::join!(
                async {
                    let mut added = 1;
                    loop {
                        match self.old_build_adds(id).await {
                            Ok(was_added) => added += i64::from(was_added),
                            Err(Error::NewerShape { .. }) => return added,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                },
                self.new_build_adds(id)
            );
            let row = first(id);
            self.wrote(next(Old { pence: row.pence + old + new, ..row }));
        }
    }

    /// Whether it was added: not when the other build was faster.
    async fn old_build_adds(&self, id: i64) -> Result<bool> {
        let mut row = self.old(id).await?;
        row.value.pence += 1;
        was_written(self.update(&self.older, row).await)
    }

    /// Adds once.
    async fn new_build_adds(&self, id: i64) -> i64 {
        loop {
            let mut row = self.new_of(id).await;
            row.value.pence += 1;
            row.value.gross += 2;
            if was_written(self.update(self.newer(), row).await).unwrap() {
                return 1;
            }
        }
    }

    /// Waits until the new index serves; gives how often it said that it does not.
    async fn until_whole(&self) -> usize {
        let mut refused = 0;
        loop {
            match self.page(Range::of(()), Page::first()).await {
                Ok(_) => break,
                Err(Error::Unavailable(words)) => {
                    assert!(words.contains("the index product.gross is being built"), "{words}");
                    refused += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
            self.ctx.sleep(Duration::from_millis(100)).await.unwrap();
        }
        self.is_whole.store(true, Ordering::Release);
        refused
    }

    /// All pages by the new index.
    async fn walk(&self) -> Vec<Next> {
        let (mut all, mut page) = (Vec::new(), Page::first());
        loop {
            let found = self.page(Range::of(()), page).await.unwrap();
            all.extend(found.items.into_iter().map(|found| found.value));
            match found.next {
                Some(next) => page = Page::after(next),
                None => return all,
            }
        }
    }

    /// A walk while everybody writes: each row that was there at its begin and keeps its key is there once.
    async fn walk_misses_nothing(&self) {
        let stays = |id: &i64| *id >= ROWS || ![PRICED, LIFTED, SHARED].contains(&(id % GROUPS));
        let mut missed: BTreeSet<i64> = self.written.lock().unwrap().keys().copied().filter(stays).collect();
        let mut seen = BTreeSet::new();
        for id in self.walk().await.into_iter().map(|row| row.id).filter(stays) {
            assert!(seen.insert(id), "{id} comes twice");
            missed.remove(&id);
        }
        assert!(missed.is_empty(), "{} rows are missed: {:?} …", missed.len(), missed.first());
    }
}

fn was_written(outcome: Result<()>) -> Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(Error::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The first rows: one by the port, and the others as it wrote that one.
async fn fill(place: &Place, older: &Arc<Postgres>) {
    insert(place, older, vec![first(0)]).await.unwrap();
    let table = format!("\"{}\".product", place.schema());
    place
        .run(&format!(
            "INSERT INTO {table} (id, version, shape, indexes, document, name) \
             SELECT n, version, shape, indexes, \
             document || jsonb_build_object('id', n, 'name', 'n' || n, 'pence', n % 10000), 'n' || n \
             FROM {table}, generate_series(1, {}) AS n WHERE id = 0",
            ROWS - 1
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_builds_serve_while_an_index_a_field_and_a_shape_come_to_200_000_rows() {
    let place = Place::new();
    let older = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    fill(&place, &older).await;
    let builds = Builds::new(&place.ctx, older);
    let mut at_work = JoinSet::new();
    macro_rules! begin {
        ($($work:ident),*) => {$(
            let its = Arc::clone(&builds);
            at_work.spawn(async move { its.$work().await });
        )*};
    }
    begin!(old_build_inserts, old_build_prices, old_build_names, old_build_reads);
    let schemas = vec![Schema::of::<Next>()];
    let options = Options { build_wait: Duration::from_millis(1), ..place.options.clone() };
    let newer = Postgres::open(&builds.ctx, &url(), options, schemas.clone()).await.unwrap();
    assert!(builds.newer.set(newer).is_ok());
    begin!(new_build_inserts, new_build_lifts, new_build_reads, both_builds_add);

    let before = builds.written.lock().unwrap().len();
    assert!(builds.until_whole().await > 0, "the index was whole before anybody could look");
    let meanwhile = builds.written.lock().unwrap().len() - before;
    assert!(meanwhile > 0, "nobody wrote while the index was built");
    builds.walk_misses_nothing().await;
    builds.is_over.store(true, Ordering::Release);
    at_work.join_all().await;

    let mut found = builds.walk().await;
    found.sort_unstable_by_key(|row| row.id);
    let written: Vec<Next> = builds.written.lock().unwrap().values().cloned().collect();
    assert_eq!(found.len(), written.len());
    for (found, written) in found.iter().zip(&written) {
        assert_eq!(found, written);
    }
    let count = format!("SELECT count(*)::text FROM \"{}\".product", place.schema());
    assert_eq!(place.texts(&count).await, [written.len().to_string()]);
    assert_eq!(plan(&place.ctx, &url(), &place.options, &schemas, false).await.unwrap(), vec![]);
    place.remove().await;
}
