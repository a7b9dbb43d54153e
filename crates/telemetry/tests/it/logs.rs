use std::process::{Command, Output};
use std::time::Duration;

use staffa_context::{Cause, Context, Group};
use staffa_telemetry::{Error, LogFormat, Options, Telemetry, capture};

/// Stands for code that knows no context.
async fn third_party(message: &'static str) {
    tokio::task::yield_now().await;
    tracing::info!("{message}");
}

#[tokio::test]
async fn records_carry_the_trace_of_the_future_that_is_polled() {
    let capture = capture();
    let ctx = capture.context();
    third_party("before").await;
    let span = ctx.span("request");
    span.run(third_party("in run")).await.unwrap();
    let group: Group<Cause> = Group::new(&span, "tasks");
    let task = |_| async {
        third_party("in a task").await;
        Ok(())
    };
    group.spawn("task", task).await.unwrap();
    group.wait().await.unwrap();
    third_party("after").await;

    assert_eq!(capture.log("before").trace, None);
    assert_eq!(capture.log("in run").trace, span.trace());
    assert_eq!(capture.log("in a task").trace, span.trace());
    assert_eq!(capture.log("after").trace, None);
}

#[tokio::test]
async fn records_name_the_service_whose_future_is_polled() {
    let capture = capture();
    let orders = Context::root(capture.instruments_of("orders"));
    let catalog = Context::root(capture.instruments_of("catalog"));
    let inner = async {
        tracing::info!("outer");
        catalog.run(third_party("inner")).await.unwrap();
        tracing::info!("outer again");
    };
    orders.run(inner).await.unwrap();
    tracing::info!("no service");
    let service = |message| capture.log(message).service;
    let services = ["outer", "inner", "outer again", "no service"].map(service);
    assert_eq!(services, ["orders", "catalog", "orders", "test"]);
}

#[test]
fn secrets_are_redacted_and_other_fields_kept() {
    let capture = capture();
    let failed = std::io::Error::other("disk full");
    tracing::warn!(
        password = "hunter2",
        http.authorization = "Bearer x",
        api_key = 42,
        user = "ann",
        tries = 3,
        ratio = 0.5,
        ok = false,
        error = &failed as &dyn std::error::Error,
        "login"
    );
    let record = capture.log("login");
    let expect = serde_json::json!({
        "password": "[redacted]", "http.authorization": "[redacted]", "api_key": "[redacted]",
        "user": "ann", "tries": 3, "ratio": 0.5, "ok": false, "error": "disk full",
    });
    assert_eq!(serde_json::Value::Object(record.fields), expect);
    assert_eq!((record.level, record.target.as_str()), (tracing::Level::WARN, module_path!()));
}

#[test]
fn a_capture_hears_its_own_thread_while_it_lives() {
    let first = capture();
    tracing::info!("one");
    let second = capture();
    tracing::info!("two");
    drop(first.clone());
    drop(second.clone());
    std::thread::spawn(|| tracing::info!("elsewhere")).join().unwrap();
    tracing::info!("three");
    let said = |capture: &staffa_telemetry::Capture| {
        capture.logs().into_iter().map(|log| log.message).collect::<Vec<_>>()
    };
    assert_eq!(said(&first), ["one"]);
    assert_eq!(said(&second), ["two", "three"]);
}

/// The process that the tests below start: this test binary again, at the one test that installs telemetry.
const ROLE: &str = "STAFFA_TELEMETRY_TEST_ROLE";

fn child(role: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "logs::installs_in_a_process_of_its_own", "--nocapture"]);
    command.env(ROLE, role).output().unwrap()
}

fn child_lines(role: &str) -> Vec<String> {
    let output = child(role);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn installs_in_a_process_of_its_own() {
    let log = match std::env::var(ROLE).as_deref() {
        Ok("json") => LogFormat::Json,
        Ok("human") => LogFormat::Human,
        _ => return,
    };
    let options = Options { service: "orders".to_owned(), log, ..Options::default() };
    let telemetry = Telemetry::install(options.clone()).unwrap();
    assert!(matches!(Telemetry::install(options), Err(Error::AlreadyInstalled)));

    tracing::debug!("hidden");
    telemetry.set_level("debug").unwrap();
    assert!(matches!(telemetry.set_level("orders=lots"), Err(Error::Level { .. })));
    tracing::debug!("shown");
    telemetry.set_level("warn").unwrap();
    tracing::info!("hidden");
    telemetry.set_level("info").unwrap();

    let span = Context::root(telemetry.instruments("orders")).span("place");
    span.run(async { tracing::info!(units = 3, token = "abc", note = "two words", "placed\nforged") })
        .await
        .unwrap();
    assert!(telemetry.shutdown(Duration::from_secs(20)));
}

#[test]
fn json_records_are_one_object_a_line_and_the_level_changes_at_run_time() {
    let lines = child_lines("json");
    let records: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages: Vec<_> = records.iter().map(|record| record["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["shown", "placed\nforged"]);

    let mut placed = records[1].clone();
    let mut take = |key: &str| placed.as_object_mut().unwrap().remove(key).unwrap();
    let (time, trace_id, span_id) = (take("timestamp"), take("trace_id"), take("span_id"));
    // As 2026-11-23T10:00:00.123456Z.
    assert_eq!(time.as_str().unwrap().len(), 27);
    assert_eq!((trace_id.as_str().unwrap().len(), span_id.as_str().unwrap().len()), (32, 16));
    let expect = serde_json::json!({
        "level": "INFO", "target": "it::logs", "service": "orders", "message": "placed\nforged",
        "fields": { "units": 3, "token": "[redacted]", "note": "two words" },
    });
    assert_eq!(placed, expect);
}

#[test]
fn human_records_are_one_line_each() {
    let lines = child_lines("human");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (_, rest) = lines[1].split_once(' ').unwrap();
    let (rest, ids) = rest.split_once(" trace_id=").unwrap();
    assert_eq!(rest, r#" INFO orders it::logs placed\nforged note="two words" token=[redacted] units=3"#);
    assert_eq!(ids.len(), 32 + " span_id=".len() + 16);
}
