use staffa_context::Context;
use staffa_storage::{Error, Store};
use staffa_storage_sqlite::rusqlite;

use crate::folder::{Folder, insert, product, quick};

#[tokio::test]
async fn a_port_of_ones_own_reads_and_writes_with_sql() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    insert(&store, &ctx, (1..=3).map(product)).await.unwrap();
    store.write(&ctx, |tx| tx.execute_batch("CREATE TABLE note (text)")).await.unwrap();
    let written = store.write(&ctx, |tx| tx.execute("INSERT INTO note VALUES ('one')", [])).await;
    assert_eq!(written, Ok(1));
    let failed = store.write(&ctx, |tx| {
        tx.execute("INSERT INTO note VALUES ('two')", [])?;
        tx.execute("INSERT INTO nowhere VALUES (1)", [])
    });
    assert!(matches!(failed.await, Err(Error::Unusable(_))));
    let sum = "SELECT sum(pence_1) FROM product WHERE document IS NOT NULL";
    let read = store.read(&ctx, move |connection| {
        let sum: i64 = connection.query_row(sum, [], |row| row.get(0))?;
        let notes: i64 = connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0))?;
        Ok((sum, notes))
    });
    assert_eq!(read.await, Ok((600, 1)));
}

#[tokio::test]
async fn a_read_cannot_write_and_leaves_no_transaction_behind() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let write = store.read(&ctx, |connection| connection.execute("DELETE FROM staffa_meta", []));
    assert!(write.await.is_err());
    store.read(&ctx, |connection| connection.execute_batch("BEGIN")).await.unwrap();
    let open = store.read(&ctx, |connection| rusqlite::Result::Ok(!connection.is_autocommit())).await;
    assert_eq!(open, Ok(false));
    store.ping(&ctx).await.unwrap();
}
