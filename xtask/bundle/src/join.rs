//! The scripts of crates, put into the bindings that import them: a page loads one file, and only the scripts that it uses.
//!
//! Such a script imports names from scripts beside it, in braces and without `as`, and exports what it declares; no two
//! scripts of a page declare the same name at their outermost level.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where the bindings' generator puts the scripts.
const FOLDER: &str = "snippets";

/// Puts the scripts that the bindings import into them.
pub(crate) fn join(folder: &Path, bindings: &str) -> Result<()> {
    let path = folder.join(bindings);
    let mut joined = Joined::default();
    joined.add(&path)?;
    fs::write(path, joined.text)?;
    let scripts = folder.join(FOLDER);
    if scripts.exists() {
        fs::remove_dir_all(scripts)?;
    }
    Ok(())
}

/// Scripts as one.
#[derive(Default)]
struct Joined {
    text: String,
    files: HashSet<PathBuf>,
    names: HashSet<String>,
}

impl Joined {
    /// Adds a script after those that it imports. It is the first one, whose own exports stay, or one of a crate.
    fn add(&mut self, path: &Path) -> Result<()> {
        let path = path.canonicalize().with_context(|| format!("{}", path.display()))?;
        if !self.files.insert(path.clone()) {
            return Ok(());
        }
        let is_first = self.files.len() == 1;
        let script = fs::read_to_string(&path)?;
        let mut own = String::new();
        let mut lines = script.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("import ") {
                let from = imported(line, &mut lines).with_context(|| format!("{}", path.display()))?;
                self.add(&path.with_file_name(from))?;
                continue;
            }
            self.declare(line).with_context(|| format!("{}", path.display()))?;
            let kept = if is_first { line } else { line.strip_prefix("export ").unwrap_or(line) };
            own.push_str(kept);
            own.push('\n');
        }
        self.text.push_str(&own);
        Ok(())
    }

    /// Refuses a name that another script declares.
    fn declare(&mut self, line: &str) -> Result<()> {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line);
        let declared =
            ["function ", "const ", "let ", "class "].iter().find_map(|word| line.strip_prefix(word));
        let Some(declared) = declared else { return Ok(()) };
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
        let name = declared.split(|letter| !is_of_name(letter)).next().unwrap_or_default();
        if !name.is_empty() && !self.names.insert(name.to_owned()) {
            bail!("`{name}` is declared by two scripts of the page");
        }
        Ok(())
    }
}

/// Where an import's names come from; it may go on in the next lines.
fn imported<'a>(line: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> Result<&'a str> {
    let mut last = line;
    let mut has_other_names = line.contains(" as ");
    while !last.trim_end().ends_with(';') {
        last = lines.next().context("an import does not end")?;
        has_other_names |= last.contains(" as ");
    }
    let from = last.split(['"', '\'']).nth(1).context("an import of nothing")?;
    match from.strip_prefix("./") {
        Some(from) if line.starts_with("import {") && !has_other_names => Ok(from),
        _ => bail!("`{line}` is no import of names from a script of the page"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::*;

    fn joined(scripts: &[(&str, &str)]) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, script) in scripts {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, script).unwrap();
        }
        join(folder.path(), "page.js")?;
        assert!(!folder.path().join(FOLDER).exists());
        Ok(fs::read_to_string(folder.path().join("page.js")).unwrap())
    }

    #[test]
    fn each_script_comes_once_and_before_who_imports_it() {
        let scripts = [
            (
                "page.js",
                "import { b } from './snippets/x/b.js';\nexport function on() { b(c); }\nexport { on as it };\n",
            ),
            (
                "snippets/x/b.js",
                "import {\n  a,\n} from \"./a.js\";\nimport { c } from \"./c.js\";\nexport const b = () => a + c;\n",
            ),
            ("snippets/x/c.js", "import { a } from \"./a.js\";\nexport let c = a;\n"),
            ("snippets/x/a.js", "export const a = 1;\n"),
            ("snippets/x/unused.js", "export const d = 1;\n"),
        ];
        let want = "const a = 1;\nlet c = a;\nconst b = () => a + c;\nexport function on() { b(c); }\nexport { on as it };\n";
        assert_eq!(joined(&scripts).unwrap(), want);
    }

    #[test]
    fn what_cannot_be_one_script_is_refused() {
        let refused = |page: &str, other: &str| {
            let scripts = [("page.js", page), ("snippets/x/a.js", other)];
            format!("{:#}", joined(&scripts).unwrap_err())
        };
        let import = "import { a } from './snippets/x/a.js';\n";
        let twice = refused(&format!("{import}async function a() {{}}"), "export const a = 1;");
        assert!(twice.contains("`a` is declared by two scripts"), "{twice}");
        let renamed = refused("import { a as b } from './snippets/x/a.js';", "");
        assert!(renamed.contains("no import of names"), "{renamed}");
        let all = refused("import * as a from './snippets/x/a.js';", "");
        assert!(all.contains("no import of names"), "{all}");
    }
}
