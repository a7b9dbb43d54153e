//! `chromedriver`: started on a free port, asked over HTTP, killed when a test ends.
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::http::Connection;
use crate::program::needed;
use crate::soon::SOON;

/// A running `chromedriver`.
#[derive(Debug)]
pub(crate) struct Driver {
    child: Child,
    address: SocketAddr,
    /// What it and its browser leave in the folder for temporary files, 25 MB each, goes with it.
    _folder: TempDir,
}

/// What WebDriver calls an error.
#[derive(Clone)]
pub(crate) struct Refused {
    /// One of the names that WebDriver lists, such as `stale element reference`.
    pub(crate) error: String,
    pub(crate) message: String,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.message)
    }
}

impl Driver {
    /// Starts one, and once more where a machine that is short of something lets the first one die.
    pub(crate) fn start() -> Self {
        let program = needed("chromedriver", "STAFFA_TEST_CHROMEDRIVER", "chromium-driver");
        Self::try_start(&program).unwrap_or_else(|first| {
            eprintln!("{first}\nonce more:");
            Self::try_start(&program).unwrap_or_else(|words| panic!("{words}"))
        })
    }

    fn try_start(program: &Path) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.arg("--port=0").env("TMPDIR", folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        // From here on a failure kills it.
        let mut driver = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), _folder: folder };
        match driver.port() {
            Some(port) => driver.address.set_port(port),
            None => return Err(driver.last_words()),
        }
        Ok(driver)
    }

    /// The port that it says it listens on; none when it ends or is silent. Later words are read and dropped, so that it never
    /// waits for a reader.
    fn port(&mut self) -> Option<u16> {
        let told = self.child.stdout.take().unwrap();
        let (tx, rx) = mpsc::sync_channel(1);
        thread::spawn(move || {
            for line in BufReader::new(told).lines().map_while(Result::ok) {
                if let Some(port) = line.strip_prefix("ChromeDriver was started successfully on port ") {
                    let _ = tx.send(port.trim_end_matches('.').parse().unwrap());
                }
            }
        });
        let port = rx.recv_timeout(SOON).ok()?;
        let mut rest = self.child.stderr.take().unwrap();
        thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
        Some(port)
    }

    /// How it ended, and what it said.
    fn last_words(mut self) -> String {
        let ended = self.child.try_wait();
        // One that hangs still has its words.
        let _ = self.child.kill();
        let mut words = String::new();
        if let Some(mut told) = self.child.stderr.take() {
            let _ = told.read_to_string(&mut words);
        }
        format!("chromedriver does not tell its port; it ended with {ended:?}, and said: {words}")
    }

    /// Asks for one of WebDriver's commands; gives its value.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refused> {
        let body = body.map(Value::to_string).unwrap_or_default();
        // It takes no host but its own.
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: ", self.address);
        let bytes = format!("{head}{}\r\ncontent-type: application/json\r\n\r\n{body}", body.len());
        let mut connection = Connection::open(self.address).unwrap();
        let answer = connection.call(bytes.as_bytes()).unwrap();
        let answer = answer.unwrap_or_else(|| panic!("no answer to {method} {path}"));
        let mut value = answer.json()["value"].take();
        if answer.status == 200 {
            return Ok(value);
        }
        let mut text = |name: &str| value[name].take().as_str().unwrap_or_default().to_owned();
        Err(Refused { error: text("error"), message: text("message") })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
