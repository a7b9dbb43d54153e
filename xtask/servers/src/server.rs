//! A running server: its process, its folder, and the shell that outlives us to stop it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::folder::Folder;

const READY_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often another port is tried, when somebody took the free one before the server did.
const ATTEMPTS: u32 = 3;

/// Its input is a process's number whenever there is a new one. When the input ends, because we closed it
/// or because we are no more, it stops the last one and removes the folder.
const WATCH: &str = r#"
trap '' INT TERM HUP
gone() {
    kill -0 "$pid" 2>/dev/null || return 0
    case "$(cat "/proc/$pid/stat" 2>/dev/null)" in *') Z '*) return 0 ;; *) return 1 ;; esac
}
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
    kill -"$1" "$pid" 2>/dev/null
    tries=0
    while ! gone && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
    kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$0"
"#;

/// What a kind of server needs to be started on a port.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    /// `{port}` and `{folder}` stand for the server's own.
    pub(crate) arguments: Vec<String>,
    /// The signal that ends it at once with all of its processes.
    pub(crate) signal: &'static str,
    /// Whether the server on this address serves already. An error means: not yet.
    pub(crate) ready: fn(SocketAddr) -> io::Result<bool>,
}

/// A server of our own. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    folder: Folder,
    port: u16,
    url: String,
    child: Option<Child>,
    watch: Child,
}

impl Server {
    /// Starts it on a free port; `url` has `{port}` where that belongs.
    pub(crate) fn start(launch: Launch, folder: Folder, url: &str) -> Result<Self> {
        let watch = watch(&folder.path, launch.signal)?;
        let mut server = Self { launch, folder, port: 0, url: String::new(), child: None, watch };
        let mut attempt = 1;
        loop {
            server.port = free_port()?;
            match server.restart() {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS || server.child.is_some() => return Err(error),
                Err(_) => attempt += 1,
            }
        }
        server.url = url.replace("{port}", &server.port.to_string());
        Ok(server)
    }

    /// How its clients reach it, with user, password and database where it has such.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port on 127.0.0.1, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its data, its log (`log`) and the files of its [`Setup`](crate::Setup).
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Kills it and all of its processes as `kill -9` does, and returns when they are gone. One that is
    /// not running stays so.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let below = processes_below(child.id());
        child.kill()?;
        for process in &below {
            // One that ended by itself meanwhile is as dead.
            let _ = Command::new("sh").args(["-c", "kill -KILL \"$0\" 2>/dev/null", process]).status();
        }
        child.wait()?;
        wait_until(|| Ok(below.iter().all(|process| !Path::new("/proc").join(process).exists())));
        Ok(())
    }

    /// Starts it again after [`kill`](Self::kill), on the same port with the same data, and waits until
    /// it answers.
    ///
    /// # Errors
    /// When it ends, or does not answer within a minute; the error holds the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let log = File::create(self.folder.path.join("log"))?;
        let mut command = self.folder.command(&self.launch.program);
        command
            .args(self.launch.arguments.iter().map(|word| self.filled(word)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.launch.program.display()))?;
        self.tell_watch(child.id())?;
        self.child = Some(child);
        self.wait_until_ready()
    }

    fn filled(&self, word: &str) -> String {
        word.replace("{port}", &self.port.to_string())
            .replace("{folder}", &self.folder.path.display().to_string())
    }

    fn tell_watch(&mut self, process: u32) -> Result<()> {
        match &mut self.watch.stdin {
            Some(input) => Ok(writeln!(input, "{process}")?),
            None => Ok(()),
        }
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut ended = None;
        let answered = wait_until(|| {
            ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            Ok(ended.is_some() || (self.launch.ready)(address)?)
        });
        match ended {
            Some(status) => {
                self.child = None;
                Err(self.failed(&format!("ended with {status}")))
            }
            None if answered => Ok(()),
            None => Err(self.failed("does not answer within a minute")),
        }
    }

    fn failed(&self, what: &str) -> Box<dyn std::error::Error + Send + Sync> {
        let log = fs::read(self.folder.path.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let end = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        format!("{} {what}; the end of its log:\n{end}", self.launch.name).into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The shell stops the server when its input ends; we only wait for both.
        drop(self.watch.stdin.take());
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        let _ = self.watch.wait();
    }
}

fn watch(folder: &Path, signal: &str) -> Result<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", WATCH]).arg(folder).arg(signal);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    own_group(&mut shell);
    shell.spawn().map_err(|error| format!("`sh` does not start: {error}").into())
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Asks until it is so, at most a minute. An error means: not yet.
fn wait_until(mut holds: impl FnMut() -> io::Result<bool>) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a tool waits for another process; no context is here")]
    for _ in 0..READY_WITHIN.as_millis() / ASK_EVERY.as_millis() {
        if holds().unwrap_or(false) {
            return true;
        }
        thread::sleep(ASK_EVERY);
    }
    false
}

/// The processes that this one started, by number; empty where the system has no `/proc`.
fn processes_below(parent: u32) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let parent = parent.to_string();
    let names = processes.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|process| parent_of(process).is_some_and(|other| other == parent)).collect()
}

fn parent_of(process: &str) -> Option<String> {
    // `4711 (a name) S 4700 …`, where the name may hold anything.
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
}
