//! Rivals are programs of their own. Each prints a line per shape: its name, a tab, nanoseconds.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A built rival.
pub(crate) struct Rival(PathBuf);

/// Nanoseconds by shape.
pub(crate) type Figures = BTreeMap<String, f64>;

impl Rival {
    /// Builds the Go program of this name; `None`, with the reason on the standard error, when that does not work.
    pub(crate) fn go(name: &str) -> Option<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals/go").join(name);
        let program = std::env::temp_dir().join(format!("staffa-bench-{name}-{}", std::process::id()));
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(&source)
            .stdout(Stdio::null())
            .status();
        match built {
            Ok(status) if status.success() => Some(Self(program)),
            Ok(status) => {
                eprintln!("without Go: its build ended with {status}");
                None
            }
            Err(error) => {
                eprintln!("without Go: {error}");
                None
            }
        }
    }

    /// The file to run.
    pub(crate) fn program(&self) -> &Path {
        &self.0
    }

    /// Runs it once.
    pub(crate) fn run(&self) -> Figures {
        let output = Command::new(&self.0).stderr(Stdio::inherit()).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        Self::figures(&text.unwrap_or_default())
    }

    /// The figures in what a rival printed.
    pub(crate) fn figures(lines: &str) -> Figures {
        lines
            .lines()
            .filter_map(|line| {
                let (shape, nanos) = line.split_once('\t')?;
                Some((shape.to_owned(), nanos.parse().ok()?))
            })
            .collect()
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // What stays behind is one file in the temporary folder.
        let _ = std::fs::remove_file(&self.0);
    }
}
