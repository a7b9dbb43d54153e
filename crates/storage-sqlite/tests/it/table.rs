use staffa_context::{Context, Timestamp};
use staffa_storage::{Commit, Event, Kept, Store, Unsent};
use staffa_storage_sqlite::Sqlite;
use uuid::Uuid;

use crate::folder::{Folder, Product, insert, product, quick};

async fn lines(store: &Sqlite, sql: &'static str) -> String {
    let ctx = Context::background();
    let read = store.read(&ctx, move |connection| {
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut lines = String::new();
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let value: staffa_storage_sqlite::rusqlite::types::Value = row.get(column)?;
                lines += &match value {
                    staffa_storage_sqlite::rusqlite::types::Value::Text(text) => text,
                    staffa_storage_sqlite::rusqlite::types::Value::Integer(number) => number.to_string(),
                    staffa_storage_sqlite::rusqlite::types::Value::Null => "-".into(),
                    other => format!("{other:?}"),
                };
                lines.push(if column + 1 == columns { '\n' } else { '|' });
            }
        }
        Ok(lines)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn a_person_reads_the_table_and_its_definition() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    insert(&store, &ctx, [product(1), Product { pence: None, ..product(2) }]).await.unwrap();
    let mut unit = (&*store as &dyn Store).unit();
    let gone = unit.get::<Product>(&ctx, product(1).code).await.unwrap().unwrap();
    unit.delete(gone);
    unit.commit(&ctx).await.unwrap();
    assert_eq!(
        lines(&store, "SELECT * FROM product ORDER BY id").await,
        "code 1|2|1|b3eb512a8a8ab9ca|-|-|-|-\n\
         code 2|1|1|b3eb512a8a8ab9ca|{\"code\":\"code 2\",\"number\":2,\"pence\":null}|2|-|code 2\n",
    );
    assert_eq!(
        lines(&store, "SELECT sql FROM sqlite_schema WHERE tbl_name = 'product' AND sql IS NOT NULL").await,
        r#"CREATE TABLE "product" (
  id TEXT PRIMARY KEY NOT NULL,
  version INTEGER NOT NULL,
  shape INTEGER NOT NULL,
  index_set TEXT NOT NULL,
  document TEXT,
  "number" INTEGER,
  "pence_1" INTEGER,
  "pence_2" TEXT
) STRICT
CREATE INDEX "product.number" ON "product" ("number", id) WHERE document IS NOT NULL
CREATE UNIQUE INDEX "product.number.unique" ON "product" ("number") WHERE document IS NOT NULL
CREATE INDEX "product.pence" ON "product" ("pence_1", "pence_2", id) WHERE document IS NOT NULL
"#,
    );
    assert_eq!(
        lines(&store, "SELECT * FROM staffa_meta ORDER BY key").await,
        "format|2\n\
         index.product.number|{\"parts\":[\"int\"],\"unique\":true}\n\
         index.product.pence|{\"parts\":[\"int\",\"text\"],\"unique\":false}\n\
         kind.product|{\"id\":\"text\",\"set\":\"b3eb512a8a8ab9ca\",\
         \"sets\":{\"b3eb512a8a8ab9ca\":\"number int\\npence int,text\"},\"filled\":null,\"contracted\":0}\n",
    );
}

#[tokio::test]
async fn events_and_kept_answers_come_back_as_they_were_committed() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let event = |n: u32| Event {
        id: Uuid::from_u128(u128::from(n) + 1),
        name: "product_priced".into(),
        kind: "product".into(),
        entity: "code 1".into(),
        version: 1,
        n,
        at: Timestamp::from_micros(5),
        trace: (n == 0).then(|| "00-1-2-01".into()),
        payload: serde_json::json!({ "pence": 1.1, "n": n }),
    };
    let kept = Kept {
        scope: "place".into(),
        key: "k".into(),
        digest: [7; 32],
        answer: serde_json::Value::Null,
        at: Timestamp::from_micros(5),
    };
    let events = vec![event(0), event(1)];
    let commit = Commit { events: events.clone(), kept: Some(kept.clone()), ..Commit::default() };
    store.commit(&ctx, commit).await.unwrap();
    assert_eq!(store.unsent(&ctx, Unsent::all(10)).await.unwrap(), events);
    assert_eq!(store.unsent(&ctx, Unsent::all(1)).await.unwrap(), [event(0)]);
    assert_eq!(
        store
            .unsent(&ctx, Unsent { held: &[("product".into(), "code 1".into())], ..Unsent::all(10) })
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.kept(&ctx, "place", "k").await.unwrap(), Some(kept));
    store.mark_sent(&ctx, &[event(0).id]).await.unwrap();
    assert_eq!(store.unsent(&ctx, Unsent::all(10)).await.unwrap(), [event(1)]);
    assert_eq!(store.sweep(&ctx, Timestamp::from_micros(5), 10).await.unwrap(), 0);
    assert_eq!(store.sweep(&ctx, Timestamp::from_micros(6), 10).await.unwrap(), 2);
    assert_eq!(store.kept(&ctx, "place", "k").await.unwrap(), None);
    assert_eq!(store.unsent(&ctx, Unsent::all(10)).await.unwrap(), [event(1)]);
}
