//! The store that the shop keeps its data in, and the private server behind it.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use tempfile::TempDir;
use xtask_servers::{Server, Setup};

/// A store. Dropped, its private server or folder is gone.
#[derive(Debug)]
pub(crate) struct Store {
    url: String,
    server: Option<Server>,
    _folder: Option<TempDir>,
}

impl Store {
    /// Starts a server where the URL names none.
    pub(crate) fn open(url: &str, target: &Path) -> Result<Self> {
        let setup = Setup { durable: true, ..Setup::default() };
        let started = |server: xtask_servers::Result<Server>| {
            let server = server.map_err(|error| anyhow!(error))?;
            Ok(Self { url: server.url().to_owned(), server: Some(server), _folder: None })
        };
        match url.split_once(':') {
            Some(("postgres", "")) => started(xtask_servers::postgres(target, &setup)),
            Some(("mongodb", "")) => started(xtask_servers::mongodb(target, &setup)),
            Some(("sqlite", "")) => {
                let folder = tempfile::tempdir()?;
                let url = format!("sqlite:{}", folder.path().display());
                Ok(Self { url, server: None, _folder: Some(folder) })
            }
            Some(("memory", _)) | None => bail!("`{url}` keeps nothing when the shop is killed"),
            Some(_) => Ok(Self { url: url.to_owned(), server: None, _folder: None }),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The server that may be killed.
    pub(crate) fn server(&mut self) -> Option<&mut Server> {
        self.server.as_mut()
    }
}
