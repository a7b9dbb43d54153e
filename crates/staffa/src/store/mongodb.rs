use staffa_context::Context;
use staffa_storage::{Migrate, Step};
use staffa_storage_mongodb::{MongoDb, Options};

use super::{Home, schemas};
use crate::settings::Storage;
use crate::{Adapter, Result};

pub(super) async fn open(ctx: &Context, home: Home<'_>) -> Result<Adapter> {
    let options = options(home.service, home.settings);
    Ok(Adapter::MongoDb(MongoDb::open(ctx, home.url, options, schemas(home.own)).await?))
}

pub(super) async fn beside(ctx: &Context, home: Home<'_>) -> Result<Adapter> {
    let options = Options { migrate: Migrate::Check, ..options(home.service, home.settings) };
    Ok(Adapter::MongoDb(MongoDb::open(ctx, home.url, options, schemas(home.own)).await?))
}

pub(super) async fn plan(ctx: &Context, home: Home<'_>, contract: bool) -> Result<Vec<Step>> {
    let options = options(home.service, home.settings);
    Ok(staffa_storage_mongodb::plan(ctx, home.url, &options, &schemas(home.own), contract).await?)
}

pub(super) async fn migrate(
    ctx: &Context,
    home: Home<'_>,
    contract: bool,
    observe: impl FnMut(&Step) + Send + 'static,
) -> Result<()> {
    let options = options(home.service, home.settings);
    Ok(staffa_storage_mongodb::migrate(ctx, home.url, &options, &schemas(home.own), contract, observe)
        .await?)
}

/// A service has a database of its own: the name in the URL, `_` and its own name.
fn options(service: &str, settings: &Storage) -> Options {
    Options {
        service: Some(service.to_owned()),
        connections_max: u32::try_from(settings.connections).unwrap_or(u32::MAX),
        start_wait: *settings.connect_wait,
        migrate: settings.schema.into(),
        build_wait: *settings.build_wait,
        ..Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_default_to_what_the_adapter_does() {
        let defaults = Options { service: Some("orders".into()), connections_max: 16, ..Options::default() };
        assert_eq!(options("orders", &Storage::default()), defaults);
    }
}
