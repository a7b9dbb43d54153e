//! Servers that are not there, and URLs that name none.

use std::time::Duration;

use staffa_context::{Cause, Context};
use staffa_storage::{Error, Result};
use staffa_storage_mongodb::{MongoDb, Options};

async fn opened(ctx: &Context, url: &str) -> Result<()> {
    let short = Duration::from_millis(100);
    let options = Options { server_wait: short, start_wait: short, ..Options::default() };
    MongoDb::open(ctx, url, options, vec![]).await.map(drop)
}

fn told(error: Result<()>) -> String {
    match error.unwrap_err() {
        Error::Unusable(words) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_url_that_is_none_is_told() {
    let ctx = Context::background();
    for url in [
        "",
        "shop",
        "postgres://localhost/shop",
        "mongodb://",
        "mongodb://localhost:x/shop",
        "mongodb://u:p@ss@h/shop",
    ] {
        assert!(told(opened(&ctx, url).await).contains("URL"), "{url}");
    }
}

#[tokio::test]
async fn a_url_without_a_database_is_told_what_to_write() {
    let words = told(opened(&Context::background(), "mongodb://localhost:1").await);
    assert!(words.contains("mongodb://localhost:27017/shop"), "{words}");
}

#[tokio::test]
async fn no_secret_of_a_url_is_told() {
    let words = told(opened(&Context::background(), "mongodb://user:s3cret@h:x/shop").await);
    assert!(!words.contains("s3cret"), "{words}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Port 1 is nobody's.
    let got = opened(&Context::background(), "mongodb://127.0.0.1:1/shop").await;
    assert!(matches!(&got, Err(Error::Unavailable(words)) if words.contains("running")), "{got:?}");
}

#[tokio::test]
async fn opening_ends_with_its_context() {
    let ctx = Context::background().with_timeout(Duration::from_millis(50));
    let got = MongoDb::open(&ctx, "mongodb://127.0.0.1:1/shop", Options::default(), vec![]).await;
    assert_eq!(got.map(drop), Err(Error::Ended(Cause::DeadlineExceeded)));
}
