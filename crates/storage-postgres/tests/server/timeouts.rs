//! A role whose settings would stop what takes long, and what a stopped builder leaves.

use std::time::Duration;

use staffa_storage::{Error, Page, Repository, Schema, Store};
use staffa_storage_postgres::{Postgres, migrate};
use tokio_postgres::{Client, NoTls};

use crate::server::{Place, insert, url};
use crate::things::{New, Old, PENCE, old};

/// A user whose statements are stopped soon.
struct Hasty {
    name: String,
    url: String,
}

impl Hasty {
    async fn new(place: &Place, timeout: &str) -> Self {
        let name = format!("hasty_{}", place.ctx.uuid().simple());
        place
            .run(&format!(
                "CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'hasty'; ALTER ROLE {name} SET {timeout} = '300ms'"
            ))
            .await;
        let url = url();
        let (_, server) = url.split_once('@').unwrap();
        Self { url: format!("postgres://{name}:hasty@{server}"), name }
    }

    async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn remove(self, place: Place) {
        place.run(&format!("REASSIGN OWNED BY {0} TO CURRENT_USER; DROP ROLE {0}", self.name)).await;
        place.remove().await;
    }
}

/// Does this, which makes an index, while a transaction is there that is older: it waits for its end, which comes after longer
/// than the user's statements may take.
async fn held_up<T>(place: &Place, work: impl Future<Output = T>) -> T {
    let older = place.client().await;
    older.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
    let ends = async {
        place.ctx.sleep(Duration::from_secs(1)).await.unwrap();
        older.batch_execute("ROLLBACK").await.unwrap();
    };
    tokio::join!(work, ends).0
}

async fn invalid(place: &Place) -> Vec<String> {
    let sql = format!(
        "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE NOT i.indisvalid AND i.indrelid = '\"{}\".product'::regclass",
        place.schema()
    );
    place.texts(&sql).await
}

async fn serves(place: &Place, user: &Hasty) {
    let schemas = vec![Schema::of::<New>()];
    held_up(place, migrate(&place.ctx, &user.url, &place.options, &schemas, false, |_| {})).await.unwrap();
    let store = Postgres::open(&place.ctx, &user.url, place.options.clone(), schemas).await.unwrap();
    let dynamic: std::sync::Arc<dyn Store> = store.clone();
    let found = Repository::<New>::new(&dynamic).range(&place.ctx, &PENCE, (3,), Page::first()).await;
    assert_eq!(found.unwrap().items.len(), 14);
    assert_eq!(invalid(place).await, Vec::<String>::new());
    // Nobody else has the settings of the session that built.
    let setting = |name: &'static str| {
        store.read(&place.ctx, move |client| {
            Box::pin(async move {
                let row = client.query_one(&format!("SHOW {name}"), &[]).await?;
                row.try_get::<_, String>(0)
            })
        })
    };
    let settings = [setting("statement_timeout").await.unwrap(), setting("lock_timeout").await.unwrap()];
    assert!(settings.contains(&"300ms".to_owned()), "{settings:?}");
    store.close(&place.ctx).await.unwrap();
}

async fn filled(place: &Place) {
    let older = place.open(vec![Schema::of::<Old>()]).await.unwrap();
    insert(place, &older, (0..100).map(old).collect()).await.unwrap();
    older.close(&place.ctx).await.unwrap();
}

#[tokio::test]
async fn no_timeout_of_a_role_stops_the_making_of_an_index() {
    for timeout in ["statement_timeout", "lock_timeout"] {
        let place = Place::new();
        let user = Hasty::new(&place, timeout).await;
        filled(&place).await;
        serves(&place, &user).await;
        user.remove(place).await;
    }
}

#[tokio::test]
async fn an_index_whose_making_a_timeout_stopped_is_made_again() {
    let place = Place::new();
    let user = Hasty::new(&place, "statement_timeout").await;
    filled(&place).await;
    // What a builder without care would do: the column, and an index that is stopped while it is made.
    let table = format!("\"{}\".product", place.schema());
    place.run(&format!("ALTER TABLE {table} ADD COLUMN extra bigint")).await;
    let stopped = user.client().await;
    let making = format!("CREATE INDEX CONCURRENTLY \"product.1.pence\" ON {table} (extra)");
    let made = held_up(&place, stopped.batch_execute(&making)).await;
    assert_eq!(made.unwrap_err().code().unwrap().code(), "57014");
    assert_eq!(invalid(&place).await, ["product.1.pence"]);
    serves(&place, &user).await;
    user.remove(place).await;
}

#[tokio::test]
async fn opening_waits_for_who_uses_a_table_within_its_context_and_no_timeout_of_a_role() {
    let place = Place::new();
    let user = Hasty::new(&place, "statement_timeout").await;
    filled(&place).await;
    let mut client = place.client().await;
    let reads = client.transaction().await.unwrap();
    reads
        .batch_execute(&format!("LOCK TABLE \"{}\".product IN ACCESS SHARE MODE", place.schema()))
        .await
        .unwrap();
    let open = |ctx| {
        let schemas = vec![Schema::of::<New>()];
        let options = place.options.clone();
        let url = user.url.clone();
        async move { Postgres::open(&ctx, &url, options, schemas).await }
    };
    let opened = open(place.ctx.with_timeout(Duration::from_millis(600))).await;
    assert!(matches!(opened, Err(Error::Ended(_))), "{opened:?}");
    let release = async {
        place.ctx.sleep(Duration::from_millis(600)).await.unwrap();
        reads.rollback().await.unwrap();
    };
    let (opened, ()) = tokio::join!(open(place.ctx.clone()), release);
    opened.unwrap().close(&place.ctx).await.unwrap();
    user.remove(place).await;
}
