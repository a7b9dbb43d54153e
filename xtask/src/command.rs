//! Running another program, and saying which one failed.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// One line for a person says what went wrong and what to do.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Runs it to its end with the output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", line(command)).into()),
        Err(error) => Err(not_started(command, &error)),
    }
}

/// Runs it to its end and gives what it printed; where it failed, the error holds what it said.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| not_started(command, &error))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        return Err(format!("`{}` ended with {status}:\n{}", line(command), said.trim_end()).into());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// The first of these programs that the PATH has.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// The file's text; the error names the file.
pub(crate) fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// The command as a person would type it, without the environment.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(program.to_string_lossy().into_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

pub(crate) fn not_started(command: &Command, error: &std::io::Error) -> Box<dyn Error + Send + Sync> {
    format!("`{}` does not start: {error}", line(command)).into()
}
