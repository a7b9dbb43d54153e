//! `examples/notes` as a user has it: built step by step in the guide, and outside of the workspace, with
//! `staffa` as the only crate of ours.

use std::fs;
use std::path::Path;

use crate::alone::Project;
use crate::command::{self, Result};
use crate::tally::Tally;
use crate::workspace::Workspace;

const FACADE: &str = "../../crates/staffa";

pub(crate) fn check(workspace: &Workspace, tally: &mut Tally) {
    tally.check("docs/first-service.md builds `examples/notes`", || shown(workspace));
    match copy_out(workspace) {
        Ok(project) => tally.tests("`examples/notes` alone", &mut project.cargo(&["test"])),
        Err(error) => tally.check("`examples/notes` alone", || Err(error)),
    }
}

/// Every piece of Rust in the guide stands in the example, and together they are all of it.
fn shown(workspace: &Workspace) -> Result<()> {
    let mut code = command::read(&workspace.root.join("examples/notes/src/main.rs"))?;
    let guide = command::read(&workspace.root.join("docs/first-service.md"))?;
    for block in guide.split("```rust\n").skip(1) {
        let piece = block.split("```").next().unwrap_or(block);
        if !code.contains(piece) {
            return Err(format!("the guide shows what the example has not:\n{piece}").into());
        }
        code = code.replacen(piece, "", 1);
    }
    match code.trim() {
        "" => Ok(()),
        rest => Err(format!("the guide leaves out of the example:\n{rest}").into()),
    }
}

fn copy_out(workspace: &Workspace) -> Result<Project<'_>> {
    let notes = workspace.root.join("examples/notes");
    let project = Project::new(workspace, "notes")?;
    copy(&notes, &project.folder)?;
    let manifest = command::read(&notes.join("Cargo.toml"))?;
    let ours = manifest.lines().filter(|line| line.starts_with("staffa") || line.contains("path =")).count();
    if ours != 1 || !manifest.contains(FACADE) || manifest.contains("workspace = true") {
        return Err(format!("examples/notes/Cargo.toml must stand alone, with `staffa = {{ path = \"{FACADE}\" }}` as its only dependency of ours").into());
    }
    let facade = workspace.root.join("crates/staffa").display().to_string();
    project.manifest(&manifest.replace(FACADE, &facade))?;
    Ok(project)
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
