//! Reads of several statements while the server cannot serve their snapshot. Its faults are switched on and off by name, so that
//! no other test meets them; the server must take `configureFailPoint`, as the one of `cargo xtask test` does.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, doc};
use staffa_context::{Cause, Context};
use staffa_storage::{Bound, By, Error, Part, Result, Scan, Schema, Seen, Store};
use staffa_storage_mongodb::{MongoDb, driver};

use crate::place::{Place, Product, insert, product};

/// `LockTimeout`, `WriteConflict`, `SnapshotUnavailable`.
const BUSY: [i32; 3] = [24, 112, 246];

/// A store whose connections have a name, and a connection that makes it faults.
struct Faulty {
    place: Place,
    store: Arc<MongoDb>,
    name: String,
    admin: driver::Database,
}

impl Faulty {
    async fn open() -> Self {
        let place = Place::new();
        let name = place.ctx.uuid().to_string();
        let url = crate::url();
        let named = format!("{url}{}appName={name}", if url.contains('?') { '&' } else { '?' });
        let schemas = vec![Schema::of::<Product>()];
        let store = MongoDb::open(&place.ctx, named, place.options(), schemas).await.unwrap();
        insert(&place.ctx, &store, &[product("A", 1), product("B", 2)]).await.unwrap();
        let admin = driver::Client::with_uri_str(url).await.unwrap().database("admin");
        Self { place, store, name, admin }
    }

    /// From now on, so many reads fail with this code.
    async fn fail(&self, code: i32, mode: impl Into<Bson>) {
        let fault: Document = doc! {
            "configureFailPoint": "failCommand",
            "mode": mode,
            "data": { "failCommands": ["find"], "errorCode": code, "appName": &self.name },
        };
        self.admin.run_command(fault).await.unwrap();
    }

    async fn many(&self, ctx: &Context) -> Result<Vec<i64>> {
        let ids = ["A", "B"].map(|id| Part::Text(id.into()));
        let seen = self.store.get_many(ctx, "product", &ids).await?;
        let version = |seen| match seen {
            Seen::Row(row) => row.version,
            Seen::Absent { last } => -last,
        };
        Ok(seen.into_iter().map(version).collect())
    }

    /// A page that is read in several statements.
    async fn page(&self) -> Result<Vec<Part>> {
        let scan = Scan {
            kind: "product",
            by: By::Index(0),
            equal: Vec::new(),
            bound: Bound::All,
            descending: false,
            after: Some((vec![Part::Int(1)], Part::Text("A".into()))),
            limit: 10,
        };
        let found = self.store.scan(&self.place.ctx, scan).await?;
        Ok(found.into_iter().map(|found| found.row.id).collect())
    }
}

/// One test: a server has one fault at a time.
#[tokio::test]
async fn a_read_whose_snapshot_is_unavailable_is_run_again_within_its_context() {
    let faulty = Faulty::open().await;
    let ctx = faulty.place.ctx.clone();
    for code in BUSY {
        faulty.fail(code, doc! { "times": 3 }).await;
        assert_eq!(faulty.many(&ctx).await, Ok(vec![1, 1]), "{code}");
        faulty.fail(code, doc! { "times": 3 }).await;
        assert_eq!(faulty.page().await, Ok(vec![Part::Text("B".into())]), "{code}");
    }
    faulty.fail(BUSY[0], "alwaysOn").await;
    assert!(matches!(faulty.many(&ctx).await, Err(Error::Unavailable(_))));
    let short = ctx.with_timeout(Duration::from_millis(30));
    assert_eq!(faulty.many(&short).await, Err(Error::Ended(Cause::DeadlineExceeded)));
    // An error of another kind is told at once: the next read meets none.
    faulty.fail(2, doc! { "times": 1 }).await;
    assert!(matches!(faulty.many(&ctx).await, Err(Error::Unusable(_))));
    assert_eq!(faulty.many(&ctx).await, Ok(vec![1, 1]));
    faulty.fail(BUSY[0], "off").await;
    faulty.place.remove().await;
}
