//! What is wrong with a server or its URL is told in words that say what to do.
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use staffa_context::{Context, Failure, Kind};
use staffa_messaging::Bus;
use staffa_messaging_nats::{Nats, Options};

use crate::{open, place, quick};

/// A server of a test's own, killed at the end.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts one with these arguments.
    pub(crate) async fn start(ctx: &Context, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = spawn(&folder, port, arguments);
        let server = Self { child, port, folder };
        server.answers(ctx).await;
        server
    }

    /// Kills it as a power cut would, but for its disk.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) async fn restart(&mut self, ctx: &Context) {
        self.child = spawn(&self.folder, self.port, &["-js"]);
        self.answers(ctx).await;
    }

    async fn answers(&self, ctx: &Context) {
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            ctx.sleep(Duration::from_millis(20)).await.unwrap();
        }
    }

    pub(crate) fn url(&self, rest: &str) -> String {
        format!("nats://127.0.0.1:{}/{rest}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &tempfile::TempDir, port: u16, arguments: &[&str]) -> Child {
    let program = std::env::var_os("STAFFA_TEST_NATS_SERVER").unwrap_or_else(|| {
        panic!("STAFFA_TEST_NATS_SERVER names no program: these tests are run by `cargo xtask test`")
    });
    Command::new(program)
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(folder.path())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn ctx() -> Context {
    Context::background().with_timeout(Duration::from_secs(30))
}

async fn refused(url: &str) -> Failure {
    let options = Options { connect_wait: Duration::from_millis(300), ..Options::default() };
    Nats::open(&ctx(), url, options).await.unwrap_err()
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let failure = refused("nats://user:hunter2@127.0.0.1:1/shop").await;
    assert_eq!(failure.kind, Kind::Unavailable);
    assert!(failure.words.contains("127.0.0.1:1") && failure.words.contains("nats-server -js"), "{failure}");
    assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
}

#[tokio::test]
async fn a_server_that_is_slow_to_start_is_waited_for() {
    let ctx = ctx();
    let mut server = Server::start(&ctx, &["-js"]).await;
    server.kill();
    let url = server.url("");
    let opening = Nats::open(&ctx, &url, Options::default());
    let starting = async {
        ctx.sleep(Duration::from_secs(1)).await.unwrap();
        server.restart(&ctx).await;
    };
    let (opened, ()) = tokio::join!(opening, starting);
    opened.unwrap().close(&ctx).await.unwrap();

    server.kill();
    let brief = ctx.with_timeout(Duration::from_millis(300));
    let told = Nats::open(&brief, &url, Options::default()).await.unwrap_err();
    assert_eq!(told.kind, Kind::DeadlineExceeded, "{told}");
}

#[tokio::test]
async fn a_wrong_password_is_told_without_showing_it() {
    let ctx = ctx();
    let server = Server::start(&ctx, &["-js", "--user", "shop", "--pass", "r@ght"]).await;
    let wrong = format!("nats://shop:hunter2@127.0.0.1:{}", server.port);
    let failure = refused(&wrong).await;
    assert_eq!(failure.kind, Kind::Unauthenticated, "{failure}");
    assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    let right = format!("nats://shop:r%40ght@127.0.0.1:{}", server.port);
    let bus = Nats::open(&ctx, &right, Options::default()).await.unwrap();
    bus.close(&ctx).await.unwrap();
}

#[tokio::test]
async fn a_server_without_jetstream_is_refused_with_what_to_do() {
    let server = Server::start(&ctx(), &[]).await;
    let failure = refused(&server.url("")).await;
    assert_eq!(failure.kind, Kind::Unsupported);
    assert!(failure.words.contains("`-js`"), "{failure}");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_what_to_use() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let told = r#"{"server_id":"old","version":"2.9.25","proto":1,"max_payload":1048576,"headers":true,"jetstream":true}"#;
            stream.write_all(format!("INFO {told}\r\n").as_bytes()).unwrap();
            let mut heard = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            while heard.any(|line| line == "PING") {
                stream.write_all(b"PONG\r\n").unwrap();
            }
        }
    });
    let failure = refused(&url).await;
    assert_eq!(failure.kind, Kind::Unsupported, "{failure}");
    assert!(failure.words.contains("2.9.25") && failure.words.contains("2.11 or newer"), "{failure}");
}

#[tokio::test]
async fn a_stream_of_somebody_else_is_not_touched() {
    let (ctx, place) = (ctx(), place(&ctx()));
    let client = async_nats::connect(crate::url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let theirs = async_nats::jetstream::stream::Config {
        name: place.clone(),
        subjects: vec![format!("{place}.theirs")],
        ..Default::default()
    };
    jetstream.create_stream(theirs).await.unwrap();
    let failure = open(&ctx, &place, quick()).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Invalid, "{failure}");
    assert!(failure.words.contains("somebody else") && failure.words.contains("prefix"), "{failure}");
    let found = jetstream.get_stream(&place).await.unwrap();
    assert_eq!(found.cached_info().config.subjects, [format!("{place}.theirs")]);
    jetstream.delete_stream(&place).await.unwrap();
}

fn event(ctx: &Context, len: usize) -> staffa_storage::Event {
    staffa_storage::Event {
        id: ctx.uuid(),
        name: "stepped".into(),
        kind: "order".into(),
        entity: "a".into(),
        version: 1,
        n: 0,
        at: ctx.wall(),
        trace: None,
        payload: "x".repeat(len).into(),
    }
}

#[tokio::test]
async fn a_bus_that_is_full_says_so_and_loses_nothing() {
    let ctx = ctx();
    let place = place(&ctx);
    let bus = open(&ctx, &place, Options { max_bytes: Some(64 << 10), ..quick() }).await.unwrap();
    let mut kept = 0;
    let failure = loop {
        match bus.publish(&ctx, &event(&ctx, 10_000)).await {
            Ok(()) => kept += 1,
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.kind, Kind::Unavailable, "{failure}");
    assert!(failure.words.contains("the bus is full") && failure.words.contains("max_bytes"), "{failure}");
    assert!((1..10).contains(&kept), "{kept}");
    // With more room it takes the rest, and has what it had.
    let roomy = open(&ctx, &place, quick()).await.unwrap();
    bus.publish(&ctx, &event(&ctx, 10_000)).await.unwrap();
    let jetstream = async_nats::jetstream::new(async_nats::connect(crate::url()).await.unwrap());
    let stream = jetstream.get_stream(&place).await.unwrap();
    assert_eq!(stream.cached_info().state.messages, kept + 1);
    bus.remove(&ctx).await.unwrap();
    bus.close(&ctx).await.unwrap();
    roomy.close(&ctx).await.unwrap();
}

#[tokio::test]
async fn an_event_that_is_larger_than_the_server_takes_is_too_large() {
    let ctx = ctx();
    let bus = open(&ctx, &place(&ctx), quick()).await.unwrap();
    assert_eq!(bus.publish(&ctx, &event(&ctx, 1 << 20)).await.unwrap_err().kind, Kind::TooLarge);
    bus.remove(&ctx).await.unwrap();
    bus.close(&ctx).await.unwrap();
}
