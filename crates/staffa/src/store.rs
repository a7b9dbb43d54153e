//! Store URLs: which adapter, and where each service keeps its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use staffa_context::Context;
use staffa_storage::{Schema, Store};

use crate::settings::Storage;
use crate::{Error, Result};

/// A store as its own adapter, for ports of one's own that speak the adapter's language.
///
/// A composition root matches on it to choose the adapter of such a port.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Adapter {
    /// In memory.
    Memory(Arc<staffa_storage::memory::Memory>),
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<staffa_storage_sqlite::Sqlite>),
}

impl Adapter {
    /// The same store as the port.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(memory) => Arc::<staffa_storage::memory::Memory>::clone(memory),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(sqlite) => Arc::<staffa_storage_sqlite::Sqlite>::clone(sqlite),
        }
    }
}

/// Opens the store of one service outside of a process of services, for commands that work on its data. See
/// [`crate::Service::store`] for what the URL says.
///
/// # Errors
/// In words that say what to do.
pub async fn open(
    ctx: &Context,
    url: &str,
    service: &str,
    settings: &Storage,
    schemas: Vec<Schema>,
) -> Result<Adapter> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Adapter::Memory(staffa_storage::memory::Memory::open(schemas)?)),
        Some(("sqlite", place)) if !place.is_empty() => {
            sqlite(ctx, &file(place, service), settings, schemas).await
        }
        _ => Err(Error::settings(unsupported(url))),
    }
}

/// The URL without what may be secret in it.
fn unsupported(url: &str) -> String {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    format!("no store is known for `{scheme}:`; use `sqlite:FOLDER`, `sqlite:FILE.sqlite` or `memory:`")
}

/// `sqlite:FOLDER` gives each service a file named after it; a path that ends in `.sqlite` or `.db` is one
/// service's file.
fn file(place: &str, service: &str) -> PathBuf {
    let path = Path::new(place.strip_prefix("//").unwrap_or(place));
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("sqlite" | "db") => path.to_owned(),
        _ => path.join(format!("{service}.sqlite")),
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(ctx: &Context, file: &Path, settings: &Storage, schemas: Vec<Schema>) -> Result<Adapter> {
    use crate::settings::Synchronous;
    use staffa_storage_sqlite::{Options, Sqlite};

    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Error::new(format!(
                "the folder {} cannot be made: {error}; choose another place",
                folder.display()
            ))
        })?;
    }
    let synchronous = match settings.synchronous {
        Synchronous::Full => staffa_storage_sqlite::Synchronous::Full,
        Synchronous::Normal => staffa_storage_sqlite::Synchronous::Normal,
    };
    let options = Options {
        synchronous,
        readers: settings.readers,
        read_queue_max: settings.queue,
        write_queue_max: settings.queue,
        group_units_max: settings.group,
        busy_wait: *settings.busy_wait,
        cache_bytes: settings.cache,
        file_bytes_max: settings.file_max,
        ..Options::default()
    };
    Ok(Adapter::Sqlite(Sqlite::open(ctx, file, options, schemas).await?))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_: &Context, _: &Path, _: &Storage, _: Vec<Schema>) -> Result<Adapter> {
    Err(Error::settings("this binary is built without the feature `sqlite`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sqlite")]
    #[test]
    fn the_settings_default_to_what_the_adapter_does() {
        let (settings, options) = (Storage::default(), staffa_storage_sqlite::Options::default());
        assert_eq!(
            (settings.readers, settings.queue, settings.queue, settings.group, settings.cache),
            (
                options.readers,
                options.read_queue_max,
                options.write_queue_max,
                options.group_units_max,
                options.cache_bytes
            )
        );
        assert_eq!((*settings.busy_wait, settings.file_max), (options.busy_wait, options.file_bytes_max));
    }

    #[test]
    fn a_folder_holds_a_file_for_each_service() {
        for (place, path) in [
            ("data", "data/orders.sqlite"),
            ("/var/lib/shop", "/var/lib/shop/orders.sqlite"),
            ("///var/lib/shop", "/var/lib/shop/orders.sqlite"),
            ("data/mine.sqlite", "data/mine.sqlite"),
            ("data/mine.db", "data/mine.db"),
            ("data.d", "data.d/orders.sqlite"),
        ] {
            assert_eq!(file(place, "orders"), Path::new(path), "{place}");
        }
    }

    #[test]
    fn an_unknown_scheme_is_refused_without_its_password() {
        let words = unsupported("mysql://root:hunter2@db");
        assert!(words.contains("`mysql:`") && words.contains("sqlite:FOLDER"), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
}
