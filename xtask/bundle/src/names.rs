//! Short names for what the page's WebAssembly asks of its bindings: those that `wasm-bindgen` gives end in hashes, which no
//! compression makes smaller, and are in both files.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wasm_encoder::Encode as _;

use crate::binary::{HEADER_LEN, number, sized};

const IMPORTS: u8 = 2;
const FUNCTION: u8 = 0;

type Names = HashMap<String, String>;

/// Shortens the names of the module of this stem in a folder, and of its bindings.
pub(crate) fn shorten(folder: &Path, stem: &str) -> Result<()> {
    let (wasm, script) = (folder.join(format!("{stem}_bg.wasm")), folder.join(format!("{stem}.js")));
    let module = fs::read(&wasm).with_context(|| format!("{}", wasm.display()))?;
    let bindings = fs::read_to_string(&script).with_context(|| format!("{}", script.display()))?;
    let mut names = Names::new();
    fs::write(wasm, imports_renamed(&module, &mut names)?)?;
    Ok(fs::write(script, words_renamed(&bindings, &names))?)
}

/// The module with another section of imports; `names` gets what each is called now.
fn imports_renamed(module: &[u8], names: &mut Names) -> Result<Vec<u8>> {
    let (header, mut left) = module.split_at_checked(HEADER_LEN).context("it is no module")?;
    let mut renamed = header.to_vec();
    while let [kind, after @ ..] = left {
        left = after;
        let section = sized(&mut left)?;
        let made = if *kind == IMPORTS { imports(section, names)? } else { section.to_vec() };
        renamed.push(*kind);
        made.encode(&mut renamed);
    }
    Ok(renamed)
}

fn imports(mut left: &[u8], names: &mut Names) -> Result<Vec<u8>> {
    let mut made = Vec::new();
    let count = number(&mut left)?;
    count.encode(&mut made);
    for _ in 0..count {
        sized(&mut left)?.encode(&mut made);
        let name = String::from_utf8(sized(&mut left)?.to_vec())?;
        // No name of the bindings begins so.
        let next = format!("${}", names.len());
        let short = names.entry(name).or_insert(next);
        short.as_bytes().encode(&mut made);
        let [FUNCTION, after @ ..] = left else { bail!("the page asks for something else than a function") };
        left = after;
        made.push(FUNCTION);
        number(&mut left)?.encode(&mut made);
    }
    Ok(made)
}

/// The script with every word that has another name now.
fn words_renamed(script: &str, names: &Names) -> String {
    let mut renamed = String::with_capacity(script.len());
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
    let mut left = script;
    while !left.is_empty() {
        let (word, after) = left.split_at(left.find(|letter| !is_of_word(letter)).unwrap_or(left.len()));
        renamed.push_str(names.get(word).map_or(word, String::as_str));
        let (between, after) = after.split_at(after.find(is_of_word).unwrap_or(after.len()));
        renamed.push_str(between);
        left = after;
    }
    renamed
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::*;

    fn module(names: &[&str]) -> Vec<u8> {
        let mut section = vec![names.len() as u8];
        for name in names {
            b"./page.js".encode(&mut section);
            name.as_bytes().encode(&mut section);
            section.extend([FUNCTION, 3]);
        }
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend([1, 1, 0, IMPORTS]);
        section.encode(&mut module);
        module.extend([11, 1, 0]);
        module
    }

    #[test]
    fn both_sides_get_the_same_names() {
        let long = "__wbg_get_0123456789abcdef".repeat(8);
        let mut names = Names::new();
        let renamed = imports_renamed(&module(&["__wbg_get", &long]), &mut names).unwrap();
        assert_eq!(renamed, module(&["$0", "$1"]));
        let script = format!("a.__wbg_get = {long}; // __wbg_get_other «{long}»");
        assert_eq!(words_renamed(&script, &names), "a.$0 = $1; // __wbg_get_other «$1»");
    }

    #[test]
    fn a_module_that_is_cut_off_is_refused() {
        let whole = module(&["__wbg_get"]);
        assert!(imports_renamed(&whole[..whole.len() - 1], &mut Names::new()).is_err());
    }
}
