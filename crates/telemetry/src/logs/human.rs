use std::fmt::Write;

use serde_json::Value;
use tracing::Level;

use super::LogRecord;

const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// The record as one line for a person. Control characters in it are escaped, so a record cannot forge another.
pub(crate) fn human(record: &LogRecord, colour: bool) -> String {
    let (dim, plain) = if colour { (DIM, PLAIN) } else { ("", "") };
    let level_colour = if colour { colour_of(record.level) } else { "" };
    let mut line = String::with_capacity(160);
    let _ = write!(
        line,
        "{dim}{}{plain} {level_colour}{:>5}{plain} {dim}{} {}{plain} {}",
        record.time,
        record.level.as_str(),
        record.service,
        record.target,
        printable(&record.message)
    );
    for (name, value) in &record.fields {
        let _ = write!(line, " {dim}{name}={plain}{}", shown(value));
    }
    if let Some(trace) = record.trace {
        let _ = write!(line, " {dim}trace_id={:032x} span_id={:016x}{plain}", trace.trace_id, trace.span_id);
    }
    line.push('\n');
    line
}

/// Text bare when that is clear, everything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(unclear) => text.clone(),
        // JSON leaves some control characters as they are, which a terminal may obey.
        other => printable(&other.to_string()),
    }
}

fn unclear(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '=')
}

fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, letter| {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
        line
    })
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_fields_are_escaped() {
        let check = |value: &str, text: &str| assert_eq!(shown(&value.into()), text, "{value:?}");
        check("plain", "plain");
        check("two\nlines", r#""two\nlines""#);
        check("bell\u{7}", r#""bell\u0007""#);
        check("\u{9b}31mred", r#""\u{9b}31mred""#);
        check("\u{7f}", r#""\u{7f}""#);
    }
}
