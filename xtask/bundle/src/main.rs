//! Makes the page's folder: its WebAssembly, the bindings around it, and the static files.
//!
//! `xtask-bundle WASM STATIC PAGE` makes the folder PAGE anew; `xtask-bundle --size PAGE` prints what
//! a visitor loads, and fails when that is more than it may be.
#![expect(clippy::print_stderr, reason = "an error is for a person")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

mod binary;
mod join;
mod names;
mod pack;
mod script;
mod size;
mod style;
mod trim;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    match arguments.as_slice() {
        [option, page] if option.as_os_str() == "--size" => size::report(page),
        [wasm, files, page] => make(wasm, files, page),
        _ => bail!("usage: xtask-bundle WASM STATIC PAGE, or xtask-bundle --size PAGE"),
    }
}

/// The folder appears whole or not at all: it is made beside its place and then renamed.
fn make(wasm: &Path, files: &Path, page: &Path) -> Result<()> {
    let fresh = page.with_extension("new");
    remove(&fresh)?;
    bind(wasm, &fresh).with_context(|| format!("binding {}", wasm.display()))?;
    copy(files, &fresh).with_context(|| format!("copying {}", files.display()))?;
    shorten_all(&fresh, "js", script::shorten)?;
    shorten_all(&fresh, "css", style::shorten)?;
    remove(page)?;
    fs::rename(&fresh, page).with_context(|| format!("{}", page.display()))
}

fn bind(wasm: &Path, folder: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    let stem = wasm.file_stem().and_then(|stem| stem.to_str()).context("a module without a name")?;
    bindgen.input_bytes(stem, trim::trim(&fs::read(wasm)?)?).web(true)?.typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true);
    bindgen.generate(folder)?;
    join::join(folder, &format!("{stem}.js"))?;
    names::shorten(folder, stem)?;
    let module = folder.join(format!("{stem}_bg.wasm"));
    Ok(fs::write(&module, pack::pack(&fs::read(&module)?)?)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

/// Shortens each text of a folder whose name ends so.
fn shorten_all(folder: &Path, ending: &str, shorten: fn(&str) -> String) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|own| own == ending) {
            let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            fs::write(&path, shorten(&text)).with_context(|| format!("{}", path.display()))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{}", folder.display()))
    } else {
        Ok(())
    }
}
