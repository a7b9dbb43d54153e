//! Programs that are run to their end, within bounds.
use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may run that must end by itself: the whole replay without optimisation is the longest.
const LONGEST: Duration = Duration::from_secs(400);

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// What it told a person on standard error, which must be one line; what the log notes of a good course does
    /// not count.
    #[track_caller]
    pub(crate) fn one_line(&self) -> &str {
        let told: Vec<&str> = self.err.lines().filter(|line| !line.contains(r#""level":"INFO""#)).collect();
        let [line] = told.as_slice() else { panic!("not one line: {self:?}") };
        line
    }

    /// It refused, with one line that says all of this.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) {
        assert!(self.code.is_some_and(|code| code != 0), "{self:?}");
        let line = self.one_line();
        for wanted in words {
            assert!(line.contains(wanted), "`{line}` does not say `{wanted}`");
        }
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    end(&mut start(command))
}

/// Starts a program whose output is read later.
pub(crate) fn start(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Waits for a program's end.
pub(crate) fn end(child: &mut Child) -> Ended {
    let out = reader(child.stdout.take());
    let err = reader(child.stderr.take());
    let code = exit_code(child);
    Ended { code, out: out.join().unwrap(), err: err.join().unwrap() }
}

/// Waits for a program's end, and kills it when it does not come.
pub(crate) fn exit_code(child: &mut Child) -> Option<i32> {
    let until = Instant::now() + LONGEST;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("still running after {LONGEST:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks has ended.
        let _ = pipe.unwrap().read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success(), "kill -s {name}");
}

/// A program of this name: where the variable says, else on the PATH. Missing, the test fails and says what to
/// install.
pub(crate) fn needed(name: &str, variable: &str, debian: &str) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return path.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("this test needs `{name}`: apt-get install {debian} (or set {variable})"))
}

/// Whether this process may do everything, so that permissions do not bind it.
pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// The text of a file, with its name when it cannot be read.
pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
