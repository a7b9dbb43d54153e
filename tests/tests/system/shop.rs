//! The shop's processes: started on free ports, watched through their log, killed when a test ends.
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{self, Answer};
use crate::program::{self, Ended};
use crate::soon::{SOON, soon};

/// The shop's program with these words as its command line, away from this process's settings.
pub(crate) fn shop(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(words).env_clear().current_dir(env::temp_dir());
    command
}

/// Where the shop's program is.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = env::var_os("STAFFA_TEST_SHOP") {
        return path.into();
    }
    // This program is `target/debug/deps/system-…`.
    let own = env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    let path = target.join("shop").join(format!("shop{}", env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "build the shop first: cargo build --profile shop -p shop ({})", path.display());
    path
}

/// `shop serve` on free ports with this data.
pub(crate) fn serve(data: &Path, more: &[&str]) -> Command {
    let mut command = shop(&["serve", "--port", "0", "--admin-port", "0", "--set", "log.format=json"]);
    command.arg("--data").arg(data).args(more);
    command
}

/// A running shop. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Shop {
    child: Child,
    log: Arc<Log>,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// From the start of the process to readiness.
    pub(crate) started_in: Duration,
}

impl Shop {
    /// Starts all services on this data.
    #[track_caller]
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Starts with more words on the command line.
    #[track_caller]
    pub(crate) fn start_with(data: &Path, more: &[&str]) -> Self {
        Self::run(&mut serve(data, more))
    }

    /// Starts this command, and waits until `/readyz` says yes.
    #[track_caller]
    pub(crate) fn run(command: &mut Command) -> Self {
        let started = Instant::now();
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Log::read(child.stderr.take().unwrap());
        // From here on a failure kills it.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut shop = Self { child, log, http: nowhere, admin: nowhere, started_in: Duration::ZERO };
        let ready = shop.log.wait_for("ready", |record| record["message"] == "ready");
        let address = |name: &str| {
            let found = ready.get(name).or_else(|| ready.pointer(&format!("/fields/{name}")));
            let url = found.and_then(Value::as_str).unwrap_or_else(|| panic!("{ready}"));
            url.strip_prefix("http://").unwrap_or_else(|| panic!("{ready}")).parse().unwrap()
        };
        (shop.http, shop.admin) = (address("http"), address("admin"));
        let admin = shop.admin;
        soon("readiness", || (http::get(admin, "/readyz").status == 200).then_some(()));
        shop.started_in = started.elapsed();
        shop
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Answer {
        http::get(self.http, target)
    }

    #[track_caller]
    pub(crate) fn post(&self, target: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        http::post(self.http, target, headers, body)
    }

    /// As a power cut would: nothing is finished.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        program::signal(&self.child, name);
    }

    /// Waits for its end: the exit code and the log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = program::exit_code(&mut self.child);
        (code, self.log.whole())
    }

    /// SIGTERM, which must end it well.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.signal("TERM");
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log}");
    }

    /// What a start that must fail comes to.
    pub(crate) fn refused(data: &Path, more: &[&str]) -> Ended {
        program::run(&mut serve(data, more))
    }

    /// Waits for a record of the log with this message.
    #[track_caller]
    pub(crate) fn logged(&self, message: &str) -> Value {
        self.log.wait_for(message, |record| record["message"] == message)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the log of a shop of the failed test:\n{}", self.log.seen());
        }
    }
}

/// The log of a process, as far as it has come.
#[derive(Debug, Default)]
struct Log {
    seen: Mutex<Seen>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    fn read(pipe: ChildStderr) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let filled = Arc::clone(&log);
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.by_ref().read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                filled.add(|seen| seen.lines.push(String::from_utf8_lossy(&line).trim_end().to_owned()));
                line.clear();
            }
            filled.add(|seen| seen.ended = true);
        });
        log
    }

    fn add(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap());
        self.more.notify_all();
    }

    /// Waits for a record that fits; a failed test when the process or the time ends first.
    #[track_caller]
    fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + SOON;
        let mut seen = self.seen.lock().unwrap();
        let mut from = 0;
        loop {
            let records = seen.lines[from..].iter().filter_map(|line| serde_json::from_str(line).ok());
            if let Some(found) = records.into_iter().find(|record| fits(record)) {
                return found;
            }
            from = seen.lines.len();
            let left = until.saturating_duration_since(Instant::now());
            let over = seen.ended || left.is_zero();
            assert!(!over, "the log does not say `{what}`:\n{}", seen.lines.join("\n"));
            seen = self.more.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// All of it, once the process has ended.
    fn whole(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let (seen, _) = self.more.wait_timeout_while(seen, SOON, |seen| !seen.ended).unwrap();
        seen.lines.join("\n")
    }

    fn seen(&self) -> String {
        self.seen.lock().map(|seen| seen.lines.join("\n")).unwrap_or_default()
    }
}
