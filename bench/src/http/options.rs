use std::time::Duration;

use anyhow::Context as _;

const USAGE: &str =
    "usage: bench http [--rounds N] [--seconds S] [--connections N] [--only constant|product]";

/// How long it is measured, and what.
pub(crate) struct Options {
    /// Rounds of all servers. 7.
    pub(crate) rounds: usize,
    /// How long each server answers in a round. 0.8 s.
    pub(crate) seconds: Duration,
    /// Connections that ask at once. 32.
    pub(crate) connections: usize,
    only: Option<String>,
}

impl Options {
    pub(crate) fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options =
            Self { rounds: 7, seconds: Duration::from_millis(800), connections: 32, only: None };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { anyhow::bail!(USAGE) };
            match name.as_str() {
                "--rounds" => options.rounds = value.parse().context(USAGE)?,
                "--seconds" => options.seconds = Duration::try_from_secs_f64(value.parse().context(USAGE)?)?,
                "--connections" => options.connections = value.parse().context(USAGE)?,
                "--only" => options.only = Some(value.clone()),
                _ => anyhow::bail!(USAGE),
            }
        }
        Ok(options)
    }

    /// Whether this comparison was asked for.
    pub(crate) fn measures(&self, comparison: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == comparison)
    }
}
