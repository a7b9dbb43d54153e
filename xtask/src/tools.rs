//! The programs that tests need and cargo does not bring: a browser with its driver, and promtool.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Result};

pub(crate) struct Tools {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
    pub(crate) promtool: PathBuf,
}

/// A program under the names that it has, and the Debian package that brings it.
struct Needed {
    names: &'static [&'static str],
    package: &'static str,
}

const CHROMIUM: Needed =
    Needed { names: &["chromium", "chromium-browser", "google-chrome"], package: "chromium" };
const CHROMEDRIVER: Needed = Needed { names: &["chromedriver"], package: "chromium-driver" };
const PROMTOOL: Needed = Needed { names: &["promtool"], package: "prometheus" };

impl Tools {
    /// Looks on the PATH. In CI (`CI=true`) what is missing is installed; elsewhere it is an error,
    /// because a test that is skipped in silence is a test that passes by mistake.
    pub(crate) fn find() -> Result<Self> {
        let missing: Vec<&str> = [CHROMIUM, CHROMEDRIVER, PROMTOOL]
            .iter()
            .filter(|needed| needed.find().is_none())
            .map(|needed| needed.package)
            .collect();
        if !missing.is_empty() {
            install(&missing)?;
        }
        Ok(Self { chromium: CHROMIUM.get()?, chromedriver: CHROMEDRIVER.get()?, promtool: PROMTOOL.get()? })
    }
}

impl Needed {
    fn find(&self) -> Option<PathBuf> {
        command::on_path(self.names)
    }

    fn get(&self) -> Result<PathBuf> {
        self.find().ok_or_else(|| {
            format!("the tests need `{}`: install it (Debian's package is `{}`)", self.names[0], self.package)
                .into()
        })
    }
}

/// Unpacks the servers that the PATH lacks; in CI what unpacks them is installed before, where it is missing.
pub(crate) fn need_servers(target: &Path) -> Result<()> {
    match xtask_servers::prepare(target) {
        Err(_) if env::var_os("CI").is_some_and(|ci| ci == "true") => {
            install(&["python3", "python3-venv"])?;
            xtask_servers::prepare(target)
        }
        prepared => prepared,
    }
}

fn install(packages: &[&str]) -> Result<()> {
    if env::var_os("CI").is_none_or(|ci| ci != "true") {
        let packages = packages.join(" ");
        return Err(format!(
            "the tests need programs of these Debian packages: {packages}\n  apt-get install {packages}"
        )
        .into());
    }
    println!("installing Debian's packages {}, because CI=true", packages.join(", "));
    command::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command::run(install.args(packages))
}
