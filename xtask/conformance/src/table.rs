//! The README's table of rules and adapters, from what runs recorded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use staffa_storage::conformance;

/// The adapters, by the name of the file that has their lines, and the heading of their column.
const ADAPTERS: [(&str, &str); 5] = [
    ("memory", "memory"),
    ("sqlite", "SQLite"),
    ("postgres", "PostgreSQL"),
    ("mongodb", "MongoDB"),
    ("indexeddb", "IndexedDB"),
];

const BEGIN: &str = "<!-- The table of rules: cargo xtask conformance --table -->\n";
const END: &str = "<!-- The end of the table of rules -->\n";

/// Puts the table into the file.
pub(crate) fn write(folder: &Path, file: &Path) -> Result<()> {
    let text = read(file)?;
    let new = with_table(&text, &table(&runs(folder)?)).with_context(|| file.display().to_string())?;
    fs::write(file, new).with_context(|| format!("the file {}", file.display()))
}

/// Fails when the file has another table than the runs give.
pub(crate) fn check(folder: &Path, file: &Path) -> Result<()> {
    let text = read(file)?;
    let new = with_table(&text, &table(&runs(folder)?)).with_context(|| file.display().to_string())?;
    if new != text {
        bail!(
            "{} has another table than the runs; `cargo xtask conformance --table` makes it anew",
            file.display()
        );
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("the file {}", file.display()))
}

/// What became of each case, by its name.
type Run = BTreeMap<String, Seen>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Passed,
    Failed,
    Skipped,
}

fn runs(folder: &Path) -> Result<Vec<Run>> {
    ADAPTERS.iter().map(|(name, _)| Ok(lines(&read(&folder.join(format!("{name}.txt")))?))).collect()
}

/// The lines of cases in what a run printed; a browser's console puts words of its own before them.
fn lines(text: &str) -> Run {
    let words = [("pass ", Seen::Passed), ("FAIL ", Seen::Failed), ("skip ", Seen::Skipped)];
    let line = |line: &str| {
        let (at, seen) =
            words.iter().find_map(|(word, seen)| Some((line.find(word)? + word.len(), *seen)))?;
        let (name, _) = line[at..].split_once(": ")?;
        name.contains("::").then(|| (name.to_owned(), seen))
    };
    text.lines().filter_map(line).collect()
}

fn table(runs: &[Run]) -> String {
    let headings: Vec<&str> = ADAPTERS.iter().map(|(_, heading)| *heading).collect();
    let mut text = format!("| rule | {} |\n|---|{}\n", headings.join(" | "), "---|".repeat(headings.len()));
    let totals: Vec<String> = runs.iter().map(total).collect();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "| **all rules that apply** | {} |", totals.join(" | "));
    for case in conformance::cases() {
        let cells: Vec<&str> = runs.iter().map(|run| cell(run.get(case.name))).collect();
        let _ = writeln!(text, "| {} | {} |", case.rule.replace('|', "\\|"), cells.join(" | "));
    }
    text
}

fn total(run: &Run) -> String {
    let count = |wanted| conformance::cases().filter(|case| run.get(case.name) == Some(&wanted)).count();
    let (passed, skipped) = (count(Seen::Passed), count(Seen::Skipped));
    format!("**{passed} of {}**", conformance::cases().count() - skipped)
}

fn cell(seen: Option<&Seen>) -> &'static str {
    match seen {
        Some(Seen::Passed) => "✓",
        Some(Seen::Failed) => "**fails**",
        Some(Seen::Skipped) => "–",
        None => "not run",
    }
}

fn with_table(text: &str, table: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("no line says where the table of rules begins")?;
    let (_, after) = rest.split_once(END).context("no line says where the table of rules ends")?;
    let summary = "<details>\n<summary>Each rule on each adapter (–: it does not apply there)</summary>\n\n";
    Ok(format!("{before}{BEGIN}{summary}{table}\n</details>\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_behind_what_a_console_puts_before_them() {
        let run = lines(
            "pass a::b: the rule\n    console.log div: FAIL c::d: a rule: of two\n     words\nskip e::f: x (needs Move)\n9 passed, 0 failed",
        );
        assert_eq!(run.get("a::b"), Some(&Seen::Passed));
        assert_eq!(run.get("c::d"), Some(&Seen::Failed));
        assert_eq!(run.get("e::f"), Some(&Seen::Skipped));
        assert_eq!(run.len(), 3);
    }

    #[test]
    fn a_table_has_each_rule_and_says_what_was_not_run() {
        let mut runs = vec![Run::new(); ADAPTERS.len()];
        let case = conformance::cases().next().map(|case| case.name.to_owned());
        runs[1].extend(case.map(|name| (name, Seen::Passed)));
        let table = table(&runs);
        assert_eq!(table.lines().count(), conformance::cases().count() + 3);
        assert!(
            table
                .lines()
                .nth(3)
                .is_some_and(|line| line.ends_with("| not run | ✓ | not run | not run | not run |"))
        );
    }

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        let once = with_table(&text, "new\n").ok();
        assert!(once.as_ref().is_some_and(|text| text.contains("new\n") && !text.contains("old")));
        assert_eq!(once.as_deref().and_then(|text| with_table(text, "new\n").ok()), once);
        assert!(with_table("no place", "new\n").is_err());
    }
}
