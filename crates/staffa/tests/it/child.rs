//! Processes: this test binary started again as a service.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use staffa::settings::Flags;
use staffa::{Context, Failure, Host, Kind, Service};

use crate::http::{get, put};

/// Tells the test below to be the service, with these flags.
const FLAGS: &str = "STAFFA_IT_FLAGS";

/// Not a test by itself: what a started process runs.
#[test]
fn process() {
    let Ok(set) = std::env::var(FLAGS) else { return };
    let flags = Flags { set: set.split(' ').map(str::to_owned).collect(), ..Flags::default() };
    let host = Host::new("child").service("orders", crate::orders::compose).service("feed", feed);
    // The code is in the `ExitCode`, which only `main` can return; the process ends by the same number.
    let code = format!("{:?}", host.run_with(&flags));
    let code = code.chars().filter(char::is_ascii_digit).collect::<String>();
    std::process::exit(code.parse().unwrap());
}

/// A job that fails when the test asks for it.
async fn feed(_: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    if std::env::var("FEED_FAILS").is_ok() {
        let job = async |_| Err::<(), _>(Failure::new(Kind::Internal, "the feed is gone"));
        service.jobs().spawn("feed", job).await?;
    }
    if std::env::var("NEVER_ENDS").is_ok() {
        let job = async |_| {
            std::future::pending::<()>().await;
            Ok(())
        };
        service.jobs().spawn("never", job).await?;
    }
    Ok(())
}

struct Process {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    http: String,
    admin: String,
}

fn command(flags: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::process", "--nocapture"]);
    let always =
        "store.url=memory: http.bind=127.0.0.1:0 admin.bind=127.0.0.1:0 log.format=json stop.window=0s";
    command.env(FLAGS, format!("{always} {flags}").trim());
    command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Process {
    /// Starts it, and waits until its log says that it is ready.
    fn start(flags: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = command(flags, environment).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(r#""ready""#) {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it was ready");
        }
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        let field = |name: &str| {
            let found = record.pointer(&format!("/fields/{name}")).or_else(|| record.get(name));
            format!(
                "http://{}",
                found.and_then(serde_json::Value::as_str).unwrap_or_else(|| panic!("{line}"))
            )
        };
        let (http, admin) = (field("http"), field("admin"));
        Self { child, log, http, admin }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Its exit code and the rest of its log.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

#[tokio::test]
async fn a_signal_stops_it_with_zero() {
    for name in ["TERM", "INT"] {
        let process = Process::start("", &[]);
        assert_eq!(get(&process.admin, "/readyz").await.unwrap().status, 200);
        assert_eq!(get(&process.http, "/orders/x").await.unwrap().status, 404);
        process.signal(name);
        let (code, log) = process.end();
        assert_eq!(code, Some(0), "{log}");
    }
}

/// A balancer sends requests for as long as readiness says yes; none of them may fail, whatever the moment.
#[tokio::test]
async fn no_request_fails_that_was_sent_before_readiness_said_no() {
    let process = Process::start("stop.window=300ms", &[]);
    let ready = Cell::new(true);
    let served = Cell::new(0_u32);
    let worker = async || {
        while ready.get() {
            let answer = get(&process.http, "/orders/x").await.unwrap();
            assert_eq!(answer.status, 404, "{answer:?}");
            served.set(served.get() + 1);
        }
    };
    let probe = async {
        while served.get() < 100 {
            tokio::task::yield_now().await;
        }
        process.signal("TERM");
        while get(&process.admin, "/readyz").await.unwrap().status == 200 {}
        ready.set(false);
    };
    tokio::join!(probe, worker(), worker(), worker(), worker());
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn what_does_not_end_in_time_is_code_three() {
    let process = Process::start("stop.drain=50ms stop.grace=50ms", &[("NEVER_ENDS", "1")]);
    process.signal("TERM");
    let (code, log) = process.end();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("never"), "the job is named: {log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let process = Process::start("stop.drain=1h", &[("NEVER_ENDS", "1")]);
    process.signal("TERM");
    // The two of them are told apart once the first is seen.
    let mut process = process;
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(process.log.read_line(&mut line).unwrap() > 0, "it ended");
    }
    process.signal("INT");
    assert_eq!(process.end().0, Some(130));
}

#[test]
fn a_failed_job_stops_it_with_code_four() {
    let output = command("", &[("FEED_FAILS", "1")]).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{log}");
    assert!(log.contains("the feed is gone"), "{log}");
}

#[test]
fn wrong_settings_are_code_two_and_nothing_starts() {
    let environment = [("STAFFA__ORDERS__COLOUR", "red"), ("STAFFA__LOG__LEVEL_FILE", "/nonexistent")];
    let output = command("http.bnd=x", &environment).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.starts_with("the settings are wrong in 3 places:\n  STAFFA__LOG__LEVEL_FILE: "), "{told}");
    assert!(told.contains("did you mean `http.bind`?"), "{told}");
}

#[test]
fn an_unusable_log_level_is_code_two() {
    let output = command("log.level=lo=ud=est", &[]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("log level"), "{told}");
}

#[test]
fn a_port_in_use_is_code_one_and_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let flag = format!("http.bind={} log.level=error", taken.local_addr().unwrap());
    let output = command(&flag, &[]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("in use") && told.contains("--port"), "{told}");
}

#[tokio::test]
async fn the_log_level_changes_while_it_runs() {
    let process = Process::start("", &[]);
    assert_eq!(put(&process.admin, "/log/level", "lo=ud=est").await.unwrap().status, 400);
    assert_eq!(put(&process.admin, "/log/level", "error").await.unwrap().body, "error\n");
    process.signal("TERM");
    let (code, log) = process.end();
    assert_eq!(code, Some(0));
    assert!(!log.contains(r#""stopped""#), "{log}");
}
