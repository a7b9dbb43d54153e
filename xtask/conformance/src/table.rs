//! The README's table of rules and adapters, from what runs recorded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use staffa_storage::conformance;

/// The adapters, by the name of the file that has their lines, and the heading of their column.
const ADAPTERS: [(&str, &str); 5] = [
    ("memory", "memory"),
    ("sqlite", "SQLite"),
    ("postgres", "PostgreSQL"),
    ("mongodb", "MongoDB's protocol"),
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

/// What became of each case, by its name, with its rule.
type Run = BTreeMap<String, (Seen, String)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Passed,
    Failed,
    Skipped,
}

fn runs(folder: &Path) -> Result<Vec<Run>> {
    let run = |name: &str| match fs::read_to_string(folder.join(format!("{name}.txt"))) {
        Ok(text) => Ok(lines(&text)),
        // Its column says that it was not run.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Run::new()),
        Err(error) => Err(error).with_context(|| format!("the run on {name}")),
    };
    ADAPTERS.iter().map(|(name, _)| run(name)).collect()
}

/// The lines of cases in what a run printed; a browser's console puts words of its own before them.
fn lines(text: &str) -> Run {
    let words = [("pass ", Seen::Passed), ("FAIL ", Seen::Failed), ("skip ", Seen::Skipped)];
    let line = |line: &str| {
        let (at, seen) =
            words.iter().find_map(|(word, seen)| Some((line.find(word)? + word.len(), *seen)))?;
        let (name, rule) = line[at..].split_once(": ")?;
        let rule = rule.split(" (needs ").next().unwrap_or(rule);
        name.contains("::").then(|| (name.to_owned(), (seen, rule.to_owned())))
    };
    text.lines().filter_map(line).collect()
}

fn table(runs: &[Run]) -> String {
    let headings: Vec<&str> = ADAPTERS.iter().map(|(_, heading)| *heading).collect();
    let mut text = format!("| rule | {} |\n|---|{}\n", headings.join(" | "), "---|".repeat(headings.len()));
    let rules = rules(runs);
    let totals: Vec<String> = runs.iter().map(total).collect();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "| **all rules that apply** | {} |", totals.join(" | "));
    for (name, rule) in &rules {
        let cells: Vec<&str> = runs.iter().map(|run| cell(run, name)).collect();
        let _ = writeln!(text, "| {} | {} |", rule.replace('|', "\\|"), cells.join(" | "));
    }
    text
}

/// The names and rules of the port's suite, then those that runs have besides: of relays over the store.
fn rules(runs: &[Run]) -> Vec<(String, String)> {
    let mut rules: Vec<(String, String)> =
        conformance::cases().map(|case| (case.name.to_owned(), case.rule.to_owned())).collect();
    for (name, (_, rule)) in runs.iter().flatten() {
        if !rules.iter().any(|(known, _)| known == name) {
            rules.push((name.clone(), rule.clone()));
        }
    }
    rules
}

fn total(run: &Run) -> String {
    let seen = |wanted| run.values().filter(|(seen, _)| *seen == wanted).count();
    if run.is_empty() {
        "not run".to_owned()
    } else {
        format!("**{} of {}**", seen(Seen::Passed), run.len() - seen(Seen::Skipped))
    }
}

/// A run that has not this rule, as one in a browser has none of relays, has it as one that does not apply.
fn cell(run: &Run, name: &str) -> &'static str {
    match run.get(name).map(|(seen, _)| seen) {
        Some(Seen::Passed) => "✓",
        Some(Seen::Failed) => "**fails**",
        None if run.is_empty() => "not run",
        Some(Seen::Skipped) | None => "–",
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
        assert_eq!(run.get("a::b"), Some(&(Seen::Passed, "the rule".to_owned())));
        assert_eq!(run.get("c::d"), Some(&(Seen::Failed, "a rule: of two".to_owned())));
        assert_eq!(run.get("e::f"), Some(&(Seen::Skipped, "x".to_owned())));
        assert_eq!(run.len(), 3);
    }

    #[test]
    fn a_table_has_each_rule_and_says_what_was_not_run() {
        let mut runs = vec![Run::new(); ADAPTERS.len()];
        let case = conformance::cases().next().map(|case| case.name.to_owned());
        runs[1].extend(case.map(|name| (name, (Seen::Passed, "the first".to_owned()))));
        runs[2].insert("relay::a".to_owned(), (Seen::Passed, "one of relays".to_owned()));
        let table = table(&runs);
        assert_eq!(table.lines().count(), conformance::cases().count() + 4);
        assert!(table.ends_with("| one of relays | not run | – | ✓ | not run | not run |\n"));
        assert!(
            table
                .lines()
                .nth(3)
                .is_some_and(|line| line.ends_with("| not run | ✓ | – | not run | not run |"))
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
