//! Scripts as a visitor loads them: without the comments and indents that a reader has of them.

/// Without lines that are blank or a comment, and without indents. A line with a part of a text of several lines, as
/// between backticks, would lose its indent too: a script with an odd number of backticks in a line is left as it is.
pub(crate) fn shorten(script: &str) -> String {
    if script.lines().any(|line| line.matches('`').count() % 2 == 1) {
        return script.to_owned();
    }
    let mut short = String::with_capacity(script.len());
    let mut is_comment = false;
    for line in script.lines().map(str::trim) {
        is_comment |= line.starts_with("/*");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            short.push_str(line);
            short.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn comments_and_indents_go() {
        let script =
            "// What it is.\n/**\n * Of it.\n */\nlet a = 1; // said here\n\n  /* one */\n  call(`${a}`);\n";
        assert_eq!(shorten(script), "let a = 1; // said here\ncall(`${a}`);\n");
    }

    #[test]
    fn texts_of_several_lines_are_left() {
        let script = "let a = `one\n  // two`;\n";
        assert_eq!(shorten(script), script);
    }
}
