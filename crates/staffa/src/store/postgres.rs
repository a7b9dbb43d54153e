use staffa_context::Context;
use staffa_storage::{Migrate, Step};
use staffa_storage_postgres::{Options, Postgres};

use super::{Home, schemas};
use crate::settings::Storage;
use crate::{Adapter, Result};

pub(super) async fn open(ctx: &Context, home: Home<'_>) -> Result<Adapter> {
    let options = options(home.service, home.settings);
    Ok(Adapter::Postgres(Postgres::open(ctx, home.url, options, schemas(home.own)).await?))
}

pub(super) async fn beside(ctx: &Context, home: Home<'_>) -> Result<Adapter> {
    let options = Options { migrate: Migrate::Check, ..options(home.service, home.settings) };
    Ok(Adapter::Postgres(Postgres::open(ctx, home.url, options, schemas(home.own)).await?))
}

pub(super) async fn plan(ctx: &Context, home: Home<'_>, contract: bool) -> Result<Vec<Step>> {
    let options = options(home.service, home.settings);
    Ok(staffa_storage_postgres::plan(ctx, home.url, &options, &schemas(home.own), contract).await?)
}

pub(super) async fn migrate(
    ctx: &Context,
    home: Home<'_>,
    contract: bool,
    observe: impl FnMut(&Step) + Send + 'static,
) -> Result<()> {
    let options = options(home.service, home.settings);
    Ok(staffa_storage_postgres::migrate(ctx, home.url, &options, &schemas(home.own), contract, observe)
        .await?)
}

/// A service has a schema of its own, named after it.
fn options(service: &str, settings: &Storage) -> Options {
    Options {
        schema: service.to_owned(),
        connections_max: settings.connections,
        connect_wait: *settings.connect_wait,
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
        let defaults = Options { schema: "orders".into(), ..Options::default() };
        assert_eq!(options("orders", &Storage::default()), defaults);
    }
}
