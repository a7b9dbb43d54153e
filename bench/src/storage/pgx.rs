use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::postgres;
use crate::rival::{Figures, Rival};

/// The same work on pgx, as a Go program with tables of its own on the same server.
pub(crate) struct Pgx {
    program: Rival,
    url: String,
}

impl Pgx {
    /// None, with the reason on the standard error, when there is no Go or its modules cannot be had.
    pub(crate) async fn fill(url: &str) -> anyhow::Result<Option<Self>> {
        let Some(program) = Rival::go("pgx") else { return Ok(None) };
        postgres::fill(&postgres::connect(url).await?, "pgx").await?;
        Ok(Some(Self { program, url: url.to_owned() }))
    }

    /// Nanoseconds of one step of each shape, over this many steps.
    pub(crate) fn run(&self, steps: &BTreeMap<&'static str, u32>) -> Figures {
        let mut command = Command::new(self.program.program());
        command.arg(&self.url).stderr(Stdio::inherit());
        for (shape, steps) in steps {
            command.arg(format!("{shape}={steps}"));
        }
        let output = command.output().map(|output| output.stdout).unwrap_or_default();
        Rival::figures(&String::from_utf8_lossy(&output))
    }
}
