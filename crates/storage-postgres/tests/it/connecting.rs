//! Servers that cannot be used, and words that say why.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use staffa_context::{Cause, Context};
use staffa_storage::Error;
use staffa_storage_postgres::{Options, Postgres};

use crate::fake::{Fake, answer_all, refuse, refused, startup};

fn words(error: &Error) -> (&'static str, &str) {
    match error {
        Error::Unavailable(words) => ("unavailable", words),
        Error::Unusable(words) => ("unusable", words),
        other => panic!("{other:?}"),
    }
}

fn told(error: &Error, kind: &str, says: &str) {
    let (got, words) = words(error);
    assert!(got == kind && words.contains(says), "{error:?} does not say {kind}: {says}");
    assert!(!words.contains("secret"), "{error:?} tells the password");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://user:secret@127.0.0.1:{port}/shop");
    told(&refused(&Context::background(), &url).await, "unavailable", "cannot be reached");
}

#[tokio::test]
async fn a_server_that_is_starting_is_waited_for() {
    let fake = Fake::start(|mut stream| {
        startup(&mut stream);
        refuse(&mut stream, "57P03", "the database system is starting up");
    });
    let error = refused(&Context::background(), &fake.url("127.0.0.1", "sslmode=disable")).await;
    told(&error, "unavailable", "starting up");
    assert!(fake.connections() > 1, "it was tried once");
}

#[tokio::test]
async fn a_refused_login_is_unusable_at_once() {
    for (code, message, says) in [
        ("28P01", "password authentication failed for user \"user\"", "user or password"),
        ("28000", "no pg_hba.conf entry", "user or password"),
        ("3D000", "database \"shop\" does not exist", "create it"),
    ] {
        let fake = Fake::start(move |mut stream| {
            startup(&mut stream);
            refuse(&mut stream, code, message);
        });
        let error = refused(&Context::background(), &fake.url("127.0.0.1", "sslmode=disable")).await;
        told(&error, "unusable", says);
        assert_eq!(fake.connections(), 1);
    }
}

#[tokio::test]
async fn a_silent_server_holds_nobody_beyond_the_deadline() {
    let fake = Fake::start(|mut stream| {
        // It reads and never answers.
        let _read = stream.read_to_end(&mut Vec::new());
    });
    let ctx = Context::background().with_timeout(Duration::from_millis(50));
    let error = refused(&ctx, &fake.url("127.0.0.1", "")).await;
    assert_eq!(error, Error::Ended(Cause::DeadlineExceeded));
}

#[tokio::test]
async fn what_is_no_postgresql_is_told() {
    let fake = Fake::start(|mut stream| {
        startup(&mut stream);
        let _written = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let error = refused(&Context::background(), &fake.url("127.0.0.1", "sslmode=disable")).await;
    assert!(matches!(error, Error::Unusable(_) | Error::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_what_is_needed() {
    const INT4: u32 = 23;
    const TEXT: u32 = 25;
    const BOOL: u32 = 16;
    let fake = Fake::start(|mut stream| {
        let number = 130_014_i32.to_be_bytes().to_vec();
        let columns = [(INT4, number), (TEXT, b"13.14".into()), (TEXT, b"UTF8".into()), (BOOL, vec![0])];
        answer_all(&mut stream, &columns);
    });
    let error = refused(&Context::background(), &fake.url("127.0.0.1", "sslmode=disable")).await;
    told(&error, "unusable", "PostgreSQL 13.14, which is too old: 14 or newer is needed");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn the_next_host_is_tried() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fake = Fake::start(|mut stream| {
        startup(&mut stream);
        refuse(&mut stream, "3D000", "no such database");
    });
    let url = format!("postgres://u@127.0.0.1:{closed},127.0.0.1:{}/shop?sslmode=disable", fake.port);
    told(&refused(&Context::background(), &url).await, "unusable", "no such database");
}

#[tokio::test]
async fn a_schema_with_another_name_is_refused_before_anything_is_asked() {
    for name in ["", "Orders", "pg_orders", "or\"ders", "1orders"] {
        let options = Options { schema: name.into(), ..Options::default() };
        let ctx = Context::background();
        let opened = Postgres::open(&ctx, "postgres://u@nowhere.invalid/d", options, Vec::new());
        told(&opened.await.unwrap_err(), "unusable", "PostgreSQL schema");
    }
}
