//! The store's URL, as providers print it.

use rustls::ClientConfig;
use staffa_storage::{Error, Result};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::tls::{self, Roots, Verify};

/// Where the server is and how to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) tls: ClientConfig,
    /// Whether the URL says that a pooler is in between.
    pub(crate) pooled: bool,
}

/// What the driver does not know of a URL's parameters.
#[derive(Default)]
struct Own {
    mode: Option<String>,
    roots: Option<String>,
    pooled: bool,
}

impl Target {
    /// The target of `postgres://user:password@host:port/database?…`, or of the same as `key=value` words.
    ///
    /// `sslmode` is libpq's: `disable`, `allow`, `prefer` (also without it), `require`, `verify-ca`, `verify-full`; `sslrootcert` is a
    /// file of certificates or `system`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let (known, own) = if is_url(url) { of_url(url) } else { of_words(url) };
        let mut config: Config =
            known.parse().map_err(|error: tokio_postgres::Error| unusable(&reason(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unusable("it names no host"));
        }
        let (mode, verify) = modes(own.mode.as_deref(), own.roots.is_some())?;
        config.ssl_mode(mode);
        let roots = match own.roots.as_deref() {
            None | Some("system") => Roots::System,
            Some(file) => Roots::File(file.into()),
        };
        Ok(Self { config, tls: tls::client(verify, &roots)?, pooled: own.pooled })
    }

    /// Whether the URL says no `application_name`.
    pub(crate) fn is_unnamed(&self) -> bool {
        self.config.get_application_name().is_none()
    }
}

fn is_url(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// A URL without the parameters that are ours, and those.
fn of_url(url: &str) -> (String, Own) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), Own::default()) };
    let mut own = Own::default();
    let rest: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            !own.take(key, &decoded(value))
        })
        .collect();
    let known = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    (known, own)
}

fn of_words(words: &str) -> (String, Own) {
    let mut own = Own::default();
    let rest: Vec<&str> = words
        .split_whitespace()
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            !own.take(key, value.trim_matches('\''))
        })
        .collect();
    (rest.join(" "), own)
}

impl Own {
    /// Takes a parameter that the driver does not know or not as libpq does.
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "sslmode" => self.mode = Some(value.to_owned()),
            "sslrootcert" => self.roots = Some(value.to_owned()),
            "pgbouncer" => self.pooled = value == "true",
            _ => return false,
        }
        true
    }
}

/// What the driver and the certificates are asked for. As in libpq, naming certificates with `require` verifies them.
fn modes(mode: Option<&str>, roots: bool) -> Result<(SslMode, Verify)> {
    Ok(match mode {
        Some("disable") => (SslMode::Disable, Verify::Nothing),
        None | Some("allow" | "prefer") => (SslMode::Prefer, Verify::Nothing),
        Some("require") if roots => (SslMode::Require, Verify::Authority),
        Some("require") => (SslMode::Require, Verify::Nothing),
        Some("verify-ca") => (SslMode::Require, Verify::Authority),
        Some("verify-full") => (SslMode::Require, Verify::Full),
        Some(other) => {
            return Err(unusable(&format!(
                "sslmode={other} is none of disable, allow, prefer, require, verify-ca and verify-full"
            )));
        }
    })
}

fn unusable(reason: &str) -> Error {
    Error::Unusable(format!(
        "the store's URL is not one of PostgreSQL's: {reason}; it looks like postgres://user:password@host:5432/database"
    ))
}

fn reason(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The text of a percent-encoded value; what is not encoded stays.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
