//! A schema that lives: older and newer builds over the same data.

use std::sync::Arc;
use std::time::Duration;

use staffa_storage::{Error, Migrate, Page, Phase, Range, Repository, Schema, Store};
use staffa_storage_postgres::{Options, Postgres, migrate, plan};

use crate::server::{Place, insert, update, url};
use crate::things::{LATER_PENCE, Later, New, OLD_NAME, Old, PENCE, new, old};

fn dynamic(store: &Arc<Postgres>) -> Arc<dyn Store> {
    store.clone()
}

async fn with_pence(place: &Place, store: &Arc<Postgres>, pence: i64) -> Result<Vec<i64>, Error> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = Page::after(cursor).limit(1_000);
        let repository = Repository::<New>::new(&dynamic(store));
        let page = repository.range(&place.ctx, &PENCE, (pence,), page).await?;
        ids.extend(page.items.iter().map(|found| found.value.id));
        cursor = page.next;
        if cursor.is_none() {
            ids.sort_unstable();
            return Ok(ids);
        }
    }
}

#[tokio::test]
async fn both_builds_serve_over_the_same_rows() {
    let place = Place::new();
    let older = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    insert(&place, &older, (0..2_000).map(old).collect()).await.unwrap();
    let newer = place.open(vec![Schema::of::<New>()]).await.unwrap();
    assert_eq!(with_pence(&place, &newer, 3).await.unwrap().len(), 286);

    // What the old build goes on writing is keyed when it is read.
    insert(&place, &older, (2_000..2_700).map(old).collect()).await.unwrap();
    update(&place, &older, 1, Old { pence: 3, ..old(0) }).await.unwrap();
    let found = with_pence(&place, &newer, 3).await.unwrap();
    let want: Vec<i64> = (0..2_700).filter(|id| *id == 0 || id % 7 == 3).collect();
    assert_eq!(found, want);
    assert!(!with_pence(&place, &newer, 0).await.unwrap().contains(&0), "a stale key served a read");

    // And the old build reads what the new one writes.
    insert(&place, &newer, vec![new(5_000)]).await.unwrap();
    let repository = Repository::<Old>::new(&dynamic(&older));
    let found = repository.first(&place.ctx, &OLD_NAME, "n5000".to_owned()).await.unwrap();
    assert_eq!(found.map(|found| found.value), Some(old(5_000)));
    place.remove().await;
}

#[tokio::test]
async fn many_rows_of_an_older_build_are_keyed_in_the_background() {
    let place = Place::new();
    let older = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    let newer = place.open(vec![Schema::of::<New>()]).await.unwrap();
    insert(&place, &older, (0..3_000).map(old).collect()).await.unwrap();
    let refused = with_pence(&place, &newer, 3).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Unavailable(words) if words.contains("product.pence is being built")),
        "{refused:?}"
    );
    let found = loop {
        match with_pence(&place, &newer, 3).await {
            Ok(found) => break found,
            Err(Error::Unavailable(_)) => place.ctx.sleep(Duration::from_millis(20)).await.unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(found.len(), 429);
    place.remove().await;
}

#[tokio::test]
async fn an_index_that_a_killed_builder_left_over_is_made_again() {
    let place = Place::new();
    let schema = place.schema().to_owned();
    let older = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    insert(&place, &older, (0..100).map(old).collect()).await.unwrap();
    let newer = place.open(vec![Schema::of::<New>()]).await.unwrap();
    newer.close(&place.ctx).await.unwrap();
    place
        .run(&format!(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN \
             ('\"{schema}\".\"product.1.pence\"'::regclass, '\"{schema}\".\"product.stale.3\"'::regclass)"
        ))
        .await;
    let steps = plan(&place.ctx, &url(), &place.options, &[Schema::of::<New>()], false).await.unwrap();
    let told: Vec<&str> = steps.iter().map(|step| &step.statement[..10]).collect();
    assert_eq!(told, ["DROP INDEX", "CREATE IND", "DROP INDEX", "CREATE IND"]);
    let newer = place.open(vec![Schema::of::<New>()]).await.unwrap();
    assert_eq!(with_pence(&place, &newer, 3).await.unwrap().len(), 14);
    let invalid = format!(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indrelid = '\"{schema}\".product'::regclass"
    );
    assert_eq!(place.texts(&invalid).await, Vec::<String>::new());
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_may_open_at_once() {
    let place = Place::new();
    let opened = (0..6).map(|_| place.open(vec![Schema::of::<Old>()]));
    let opened = futures_util::future::join_all(opened).await;
    let stores: Vec<Arc<Postgres>> = opened.into_iter().map(Result::unwrap).collect();
    insert(&place, &stores[0], (0..1_500).map(old).collect()).await.unwrap();
    let opened = (0..6).map(|_| place.open(vec![Schema::of::<New>()]));
    for newer in futures_util::future::join_all(opened).await {
        assert_eq!(with_pence(&place, &newer.unwrap(), 3).await.unwrap().len(), 214);
    }
    place.remove().await;
}

#[tokio::test]
async fn a_plan_changes_nothing_and_check_says_what_is_missing() {
    let place = Place::new();
    let schemas = [Schema::of::<Old>()];
    let steps = plan(&place.ctx, &url(), &place.options, &schemas, true).await.unwrap();
    assert!(steps.iter().all(|step| step.phase == Phase::Expand), "{steps:?}");
    assert!(steps[0].statement.starts_with("CREATE SCHEMA"), "{steps:?}");
    let schema = place.schema();
    let there = format!("SELECT nspname::text FROM pg_namespace WHERE nspname = '{schema}'");
    assert_eq!(place.texts(&there).await, Vec::<String>::new());

    let check = Options { migrate: Migrate::Check, ..place.options.clone() };
    let checked = async |schemas| Postgres::open(&place.ctx, &url(), check.clone(), schemas).await;
    let missing = |opened: Result<Arc<Postgres>, Error>, what: &str| match opened {
        Err(Error::Unusable(words)) => assert!(words.contains(what), "{words}"),
        other => panic!("{other:?}"),
    };
    missing(checked(vec![Schema::of::<Old>()]).await, "CREATE TABLE");
    assert_eq!(place.texts(&there).await, Vec::<String>::new());

    let older = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    insert(&place, &older, (0..10).map(old).collect()).await.unwrap();
    checked(vec![Schema::of::<Old>()]).await.unwrap();
    missing(checked(vec![Schema::of::<New>()]).await, "ADD COLUMN \"pence\"");
    place.remove().await;
}

#[tokio::test]
async fn a_migration_keys_all_rows_and_contracts_when_it_is_asked() {
    let place = Place::new();
    let (ctx, options) = (&place.ctx, &place.options);
    let older = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    insert(&place, &older, (0..1_200).map(old).collect()).await.unwrap();
    older.close(ctx).await.unwrap();

    let schemas = [Schema::of::<New>()];
    let mut said = Vec::new();
    migrate(ctx, &url(), options, &schemas, false, |step| said.push(step.statement.clone())).await.unwrap();
    assert!(said.iter().any(|step| step.contains("CREATE INDEX CONCURRENTLY")), "{said:?}");
    assert!(said.contains(&"-- product: 1200 rows keyed".to_owned()), "{said:?}");
    assert_eq!(plan(ctx, &url(), options, &schemas, false).await.unwrap(), vec![]);

    // Another type under the same name has a column of its own, so that both builds serve.
    let schemas = [Schema::of::<Later>()];
    let steps = plan(ctx, &url(), options, &schemas, true).await.unwrap();
    let phases: Vec<Phase> = steps.iter().map(|step| step.phase).collect();
    assert!(phases.is_sorted() && phases.contains(&Phase::Contract), "{steps:?}");
    migrate(ctx, &url(), options, &schemas, true, |_| {}).await.unwrap();
    assert_eq!(plan(ctx, &url(), options, &schemas, true).await.unwrap(), vec![]);
    let columns = format!(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = '\"{}\".product'::regclass AND attnum > 0 \
         AND NOT attisdropped ORDER BY attnum",
        place.schema()
    );
    let want = ["id", "version", "shape", "indexes", "document", "pence:2", "only_name"];
    assert_eq!(place.texts(&columns).await, want);
    let later = place.open(schemas.to_vec()).await.unwrap();
    let repository = Repository::<Later>::new(&dynamic(&later));
    let page = repository.range(ctx, &LATER_PENCE, Range::of(("3".to_owned(),)), Page::first()).await;
    assert_eq!(page.unwrap().items.len(), 50);
    place.remove().await;
}

#[tokio::test]
async fn a_read_by_index_neither_sorts_nor_scans_the_table() {
    let place = Place::new();
    let store = place.open(vec![Schema::of::<New>()]).await.unwrap();
    insert(&place, &store, (0..5_000).map(new).collect()).await.unwrap();
    let schema = place.schema();
    place.run(&format!("VACUUM ANALYZE \"{schema}\".product")).await;
    let reads = format!(
        "SELECT sum(seq_tup_read)::text FROM pg_stat_user_tables WHERE schemaname = '{schema}' AND relname = 'product'"
    );
    store.close(&place.ctx).await.unwrap();
    place.run("SELECT pg_stat_force_next_flush()").await;
    let before = place.texts(&reads).await;
    let store = place.open(vec![Schema::of::<New>()]).await.unwrap();
    for pence in 0..20 {
        let page = Repository::<New>::new(&dynamic(&store));
        page.range(&place.ctx, &PENCE, Range::of(()).from(pence % 7), Page::first()).await.unwrap();
        page.range(&place.ctx, &PENCE, (pence % 7,), Page::first()).await.unwrap();
        page.range(&place.ctx, &PENCE, Range::of(()).to(3).descending(), Page::first()).await.unwrap();
    }
    // The counters of a session are told when it ends.
    store.close(&place.ctx).await.unwrap();
    place.ctx.sleep(Duration::from_millis(200)).await.unwrap();
    assert_eq!(place.texts(&reads).await, before);
    place.remove().await;
}
