//! Styles as a visitor loads them: without comments, and without the blanks around what parts rules from each other.

/// Blanks within quotes count. No comment of ours has a quote in it, and no quoted text a comment.
pub(crate) fn shorten(style: &str) -> String {
    let style = without_comments(style);
    let mut short = String::with_capacity(style.len());
    let mut quote = None;
    let mut is_blank = false;
    for letter in style.chars() {
        if quote.is_none() && letter.is_whitespace() {
            is_blank = true;
            continue;
        }
        if is_blank && is_needed(&short, letter) {
            short.push(' ');
        }
        if quote.is_none() && letter == '}' && short.ends_with(';') {
            short.pop();
        }
        is_blank = false;
        short.push(letter);
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            _ => {}
        }
    }
    short
}

/// Whether a blank between this and the next letter says something. One before a colon does: `a :hover` is about what is
/// within `a`.
fn is_needed(before: &str, next: char) -> bool {
    !before.is_empty()
        && !before.ends_with(['{', '}', ';', ',', ':'])
        && !matches!(next, '{' | '}' | ';' | ',')
}

fn without_comments(style: &str) -> String {
    let mut left = style;
    let mut without = String::with_capacity(style.len());
    while let Some((before, comment)) = left.split_once("/*") {
        without.push_str(before);
        left = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    without + left
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn comments_and_blanks_go() {
        let style = "/* What\n it is. */\n@media (min-width: 9px) {\n  a > b :hover, c {\n    top: calc(1px + 2px);\n  }\n}\n";
        assert_eq!(shorten(style), "@media (min-width:9px){a > b :hover,c{top:calc(1px + 2px)}}");
    }

    #[test]
    fn quoted_text_is_left() {
        let style = "a::after { content: \" ; }\"; } /* here */\n";
        assert_eq!(shorten(style), "a::after{content:\" ; }\"}");
    }
}
