use std::path::Path;

use staffa_context::Context;
use staffa_storage::{Schema, Step};
use staffa_storage_sqlite::{Access, Options, Sqlite};

use crate::settings::{Storage, Synchronous};
use crate::{Adapter, Error, Result};

pub(super) async fn open(
    ctx: &Context,
    file: &Path,
    settings: &Storage,
    schemas: Vec<Schema>,
) -> Result<Adapter> {
    make_folder(file)?;
    Ok(Adapter::Sqlite(Sqlite::open(ctx, file, options(settings), schemas).await?))
}

pub(super) async fn beside(
    ctx: &Context,
    file: &Path,
    settings: &Storage,
    schemas: Vec<Schema>,
) -> Result<Adapter> {
    let options = Options { access: Access::Beside, readers: 1, ..options(settings) };
    Ok(Adapter::Sqlite(Sqlite::open(ctx, file, options, schemas).await?))
}

pub(super) async fn plan(
    ctx: &Context,
    file: &Path,
    settings: &Storage,
    schemas: &[Schema],
    contract: bool,
) -> Result<Vec<Step>> {
    Ok(staffa_storage_sqlite::plan(ctx, file, &options(settings), schemas, contract).await?)
}

pub(super) async fn migrate(
    ctx: &Context,
    file: &Path,
    settings: &Storage,
    schemas: &[Schema],
    contract: bool,
    observe: impl FnMut(&Step) + Send + 'static,
) -> Result<()> {
    make_folder(file)?;
    Ok(staffa_storage_sqlite::migrate(ctx, file, &options(settings), schemas, contract, observe).await?)
}

fn make_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| {
        Error::new(format!("the folder {} cannot be made: {error}; choose another place", folder.display()))
    })
}

fn options(settings: &Storage) -> Options {
    Options {
        access: Access::Own,
        migrate: settings.schema.into(),
        build_wait: *settings.build_wait,
        synchronous: match settings.synchronous {
            Synchronous::Full => staffa_storage_sqlite::Synchronous::Full,
            Synchronous::Normal => staffa_storage_sqlite::Synchronous::Normal,
        },
        readers: settings.readers,
        read_queue_max: settings.queue,
        write_queue_max: settings.queue,
        group_units_max: settings.group,
        busy_wait: *settings.busy_wait,
        cache_bytes: settings.cache,
        file_bytes_max: settings.file_max,
        ..Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_default_to_what_the_adapter_does() {
        assert_eq!(options(&Storage::default()), Options::default());
    }
}
