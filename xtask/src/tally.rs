//! What passed and what failed: the runners' own summaries, added up.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{self, Result};

#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    failures: Vec<String>,
}

impl Tally {
    /// Runs a test runner, shows what it prints, and adds up the lines with which it ends a file of
    /// tests. A runner that fails without such a line (it did not compile) counts as one failure.
    pub(crate) fn tests(&mut self, what: &str, command: &mut Command) {
        self.observed(what, command, &mut |_| ());
    }

    /// The same, and writes the lines of the storage suite's cases that it prints into a file.
    pub(crate) fn recorded(&mut self, what: &str, command: &mut Command, record: &Path) {
        let mut cases = String::new();
        self.observed(what, command, &mut |line| {
            if line.contains("::") && ["pass ", "FAIL ", "skip "].iter().any(|word| line.contains(word)) {
                cases += line;
                cases.push('\n');
            }
        });
        if let Err(error) = write(record, &cases) {
            self.fail(what, &format!("{}: {error}", record.display()));
        }
    }

    fn observed(&mut self, what: &str, command: &mut Command, observe: &mut dyn FnMut(&str)) {
        heading(what);
        let failed_before = self.failed;
        match self.watch(command, observe) {
            Ok(true) if self.failed == failed_before => {}
            Ok(_) => {
                self.failed = self.failed.max(failed_before + 1);
                self.failures.push(format!("{what}: {}", command::line(command)));
            }
            Err(error) => self.fail(what, &error.to_string()),
        }
    }

    /// Counts as one test.
    pub(crate) fn check(&mut self, what: &str, check: impl FnOnce() -> Result<()>) {
        heading(what);
        match check() {
            Ok(()) => self.passed += 1,
            Err(error) => {
                println!("{error}");
                self.fail(what, &error.to_string());
            }
        }
    }

    /// The failures by name, then the closing line.
    pub(crate) fn finish(self) -> Result<()> {
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed > 0 || self.passed == 0 { Err("the tests did not pass".into()) } else { Ok(()) }
    }

    fn fail(&mut self, what: &str, error: &str) {
        self.failed += 1;
        self.failures.push(format!("{what}: {}", error.lines().next().unwrap_or_default()));
    }

    fn watch(&mut self, command: &mut Command, observe: &mut dyn FnMut(&str)) -> Result<bool> {
        let mut child =
            command.stdout(Stdio::piped()).spawn().map_err(|error| command::not_started(command, &error))?;
        if let Some(output) = child.stdout.take() {
            self.read(output, observe)?;
        }
        Ok(child.wait()?.success())
    }

    fn read(&mut self, output: impl Read, observe: &mut dyn FnMut(&str)) -> Result<()> {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            observe(&line);
            if let Some((passed, failed)) = summary(&line) {
                self.passed += passed;
                self.failed += failed;
            }
        }
        Ok(())
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(file, text)?)
}

fn heading(what: &str) {
    println!("\n== {what}");
}

/// The counts of `test result: ok. 3 passed; 0 failed; …`, and of a suite's `3 passed, 0 failed, 1 skipped`.
fn summary(line: &str) -> Option<(usize, usize)> {
    let (counts, between) = match line.strip_prefix("test result: ") {
        Some(result) => (result.split_once(". ")?.1, "; "),
        None => (line, ", "),
    };
    let mut counts = counts.split(between);
    let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some((passed, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_closing_lines_count() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(summary(line), Some((12, 3)));
        assert_eq!(summary("test result: ok. 4 passed; 0 failed; 0 ignored; 2 filtered out"), Some((4, 0)));
        assert_eq!(summary("63 passed, 1 failed, 2 skipped"), Some((63, 1)));
        assert_eq!(summary("63 passed, 1 failed"), Some((63, 1)));
        assert_eq!(summary("test keeps 3 passed; 1 failed ... ok"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_runner_that_fails_without_a_summary_is_one_failure() {
        let mut tally = Tally::default();
        tally.tests("broken", &mut Command::new("false"));
        tally.tests("fine", &mut Command::new("true"));
        assert_eq!((tally.passed, tally.failed, tally.failures.len()), (0, 1, 1));
        assert!(tally.finish().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_lines_of_cases_are_recorded() {
        let file = std::env::temp_dir().join(format!("staffa-tally-{}", std::process::id())).join("run.txt");
        let mut tally = Tally::default();
        let text =
            "console.log div: pass a::b: a rule\ntest x::y ... ok\nskip c::d: another\n1 passed, 0 failed";
        tally.recorded("suite", Command::new("echo").arg(text), &file);
        let recorded = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(recorded, "console.log div: pass a::b: a rule\nskip c::d: another\n");
        assert_eq!((tally.passed, tally.failed), (1, 0));
        let _ = file.parent().map(fs::remove_dir_all);
    }

    #[cfg(unix)]
    #[test]
    fn summaries_add_up() {
        let line = "test result: ok. 2 passed; 0 failed; 0 ignored";
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.tests("two", Command::new("echo").arg(line));
        }
        tally.check("one", || Ok(()));
        assert_eq!((tally.passed, tally.failed), (5, 0));
    }
}
