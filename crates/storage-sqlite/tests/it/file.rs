use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use staffa_context::{Cause, Context};
use staffa_storage::{Error, Schema, Store};
use staffa_storage_sqlite::{Options, Sqlite};

use crate::folder::{Folder, Product, insert, is_there, product, quick};

async fn refusal(path: &Path) -> Error {
    Sqlite::open(&Context::background(), path, quick(), vec![Schema::of::<Product>()]).await.unwrap_err()
}

#[track_caller]
fn says(error: &Error, words: &str) {
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_file_that_another_process_has_is_refused_in_words_that_say_so() {
    let folder = Folder::new();
    let other = File::create(folder.path().join("store.db.lock")).unwrap();
    other.lock().unwrap();
    fs::write(folder.path().join("store.db.lock"), "process 4711\n").unwrap();
    let error = refusal(&folder.file()).await;
    assert!(matches!(error, Error::Unavailable(_)));
    says(&error, "store.db is in use by another process (process 4711)");
    drop(other);
    folder.open(quick()).await;
}

#[tokio::test]
async fn a_second_opening_waits_for_the_first_to_go() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    says(&folder.try_open(quick()).await.unwrap_err(), "in use");
    let patient = Options { busy_wait: Duration::from_secs(60), ..quick() };
    let (second, ()) = tokio::join!(folder.try_open(patient.clone()), async { drop(store) });
    let _second = second.unwrap();
    let ctx = Context::background().with_timeout(Duration::from_millis(30));
    let ended = Sqlite::open(&ctx, folder.file(), patient, vec![]).await;
    assert_eq!(ended.unwrap_err(), Error::Ended(Cause::DeadlineExceeded));
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_refused_in_words_that_say_why() {
    let folder = Folder::new();
    says(&refusal(&folder.path().join("missing/store.db")).await, "its folder must exist and be writable");
    fs::write(folder.path().join("text"), "not a folder").unwrap();
    says(&refusal(&folder.path().join("text/store.db")).await, "its folder must exist and be writable");
    fs::write(folder.file(), "this is not a database, but a text that is long enough to be read").unwrap();
    says(&refusal(&folder.file()).await, "is not an SQLite database");
    fs::create_dir(folder.path().join("folder")).unwrap();
    says(&refusal(&folder.path().join("folder")).await, "cannot be opened");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_refused() {
    // Not even root makes a file there.
    let error = refusal(Path::new("/proc/store.db")).await;
    assert!(matches!(error, Error::Unusable(_)));
    says(&error, "its folder must exist and be writable");
}

#[tokio::test]
async fn a_file_of_a_newer_format_is_refused() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let newer = "UPDATE staffa_meta SET value = '99' WHERE key = 'format'";
    store.write(&ctx, move |tx| tx.execute(newer, [])).await.unwrap();
    store.close(&ctx).await.unwrap();
    says(&refusal(&folder.file()).await, "format 99");
}

#[tokio::test]
async fn a_table_that_is_not_the_stores_is_left_alone() {
    let folder = Folder::new();
    let connection = staffa_storage_sqlite::rusqlite::Connection::open(folder.file()).unwrap();
    connection.execute_batch("CREATE TABLE product (name)").unwrap();
    drop(connection);
    says(&refusal(&folder.file()).await, "not this store's");
}

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_and_loses_nothing() {
    let folder = Folder::new();
    let ctx = Context::background();
    let small = Options { file_bytes_max: Some(400 << 10), ..quick() };
    let store = folder.open(small).await;
    let long = |number: i64| Product { code: format!("{number} {}", "x".repeat(1000)), ..product(number) };
    let mut kept = 0;
    let error = loop {
        match insert(&store, &ctx, [long(kept)]).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    says(&error, "full");
    let count = |store: std::sync::Arc<Sqlite>| async move {
        let sql = "SELECT count(*) FROM product";
        store
            .read(&Context::background(), move |connection| {
                connection.query_row(sql, [], |row| row.get::<_, i64>(0))
            })
            .await
    };
    assert_eq!(count(store.clone()).await, Ok(kept));
    store.close(&ctx).await.unwrap();
    let store = folder.open(quick()).await;
    assert_eq!(count(store.clone()).await, Ok(kept));
    insert(&store, &ctx, [long(kept)]).await.unwrap();
}

#[tokio::test]
async fn what_was_committed_is_there_after_an_abrupt_end() {
    let folder = Folder::new();
    let ctx = Context::background();
    let store = folder.open(quick()).await;
    insert(&store, &ctx, [product(1)]).await.unwrap();
    // A copy of the files in use is what a process that was killed leaves behind.
    let copy = Folder::new();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let reopened = copy.open(quick()).await;
    assert!(is_there(&reopened, 1).await);
    insert(&reopened, &ctx, [product(2)]).await.unwrap();
}

#[tokio::test]
async fn a_tool_that_holds_the_file_makes_a_commit_wait_and_then_refuses_it() {
    let folder = Folder::new();
    let store = folder.open(quick()).await;
    let ctx = Context::background();
    let tool = staffa_storage_sqlite::rusqlite::Connection::open(folder.file()).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = insert(&store, &ctx, [product(1)]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(!is_there(&store, 1).await);
    tool.execute_batch("ROLLBACK").unwrap();
    insert(&store, &ctx, [product(1)]).await.unwrap();
}

#[tokio::test]
async fn a_commit_waits_for_a_tool_no_longer_than_its_deadline_and_is_then_not_made() {
    let folder = Folder::new();
    let store = folder.open(Options { busy_wait: Duration::from_secs(600), ..quick() }).await;
    let ctx = Context::background();
    let tool = staffa_storage_sqlite::rusqlite::Connection::open(folder.file()).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    let brief = ctx.with_timeout(Duration::from_millis(30));
    let ended = insert(&store, &brief, [product(1)]).await;
    assert_eq!(ended, Err(Error::Ended(Cause::DeadlineExceeded)));
    // The writer is free for the next one, which would wait for ten minutes behind it.
    let next = ctx.with_timeout(Duration::from_millis(30));
    let written = store.write(&next, |tx| tx.execute_batch("SELECT 1")).await;
    assert_eq!(written, Err(Error::Ended(Cause::DeadlineExceeded)));
    tool.execute_batch("ROLLBACK").unwrap();
    insert(&store, &ctx, [product(2)]).await.unwrap();
    assert!(!is_there(&store, 1).await);
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_the_file_has_the_same_lock() {
    let folder = Folder::new();
    let _store = folder.open(quick()).await;
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    says(&refusal(&link).await, "in use");
}
