//! The shop's `GET` of a product by its code, and the same by hand.
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::Serialize;
use shop_contract::catalog::PRODUCT;
use shop_core::catalog::BATCH_MAX;
use shop_core::{Catalog, Money, Product, Size};
use staffa::settings::Storage;
use staffa::{Context, Host, Service};

/// The service's name, and so that of its file.
const SERVICE: &str = "catalog";
/// Threads that read, as many as the store has by default.
const READERS: usize = 4;

/// Where a product is answered. Codes are letters, digits, blanks and underscores.
pub(crate) fn path(code: &str) -> String {
    format!("/products/{}", code.replace(' ', "%20"))
}

/// The shop's catalogue without its other endpoints.
pub(crate) fn staffa() -> Host {
    Host::new("bench").service(SERVICE, compose)
}

async fn compose(ctx: &Context, service: &mut Service<()>) -> staffa::Result<()> {
    let store = service.store(ctx, &service.common.store.url, Catalog::schemas()).await?;
    service.handle(PRODUCT, &Arc::new(Catalog::new(store, None)), Catalog::find);
    Ok(())
}

/// Writes the products where the shop finds them.
pub(crate) async fn fill(folder: &Path, products: &[Product]) -> anyhow::Result<()> {
    let ctx = Context::background();
    let url = format!("sqlite:{}", folder.display());
    let opened = staffa::open_store(&ctx, &url, SERVICE, &Storage::default(), Catalog::schemas()).await;
    let store = opened.map_err(anyhow::Error::msg)?.store();
    let catalog = Catalog::new(Arc::clone(&store), None);
    for batch in products.chunks(BATCH_MAX) {
        catalog.import(&ctx, batch).await?;
    }
    store.close(&ctx).await?;
    Ok(())
}

const CREATE: &str = "CREATE TABLE product (code TEXT PRIMARY KEY, version INTEGER NOT NULL, description TEXT NOT NULL, \
    price INTEGER NOT NULL, goods INTEGER NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL, z INTEGER NOT NULL, \
    grams INTEGER NOT NULL) STRICT";
const INSERT: &str = "INSERT INTO product VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const FIND: &str =
    "SELECT code, version, description, price, goods, x, y, z, grams FROM product WHERE code = ?1";

fn file(folder: &Path) -> PathBuf {
    folder.join("by-hand.sqlite")
}

/// Writes the products where the server by hand finds them.
pub(crate) fn fill_by_hand(folder: &Path, products: &[Product]) -> rusqlite::Result<()> {
    let mut connection = Connection::open(file(folder))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(CREATE)?;
    for Product { code, description, price, goods, size, grams } in products {
        let Size { x, y, z } = size;
        transaction.execute(INSERT, params![code, description, price.minor(), goods, x, y, z, grams])?;
    }
    transaction.commit()
}

/// A product with its version, as the shop answers it.
#[derive(Serialize)]
struct Found {
    version: i64,
    value: Product,
}

/// axum and rusqlite by hand: threads that may block, each with its own connection and prepared statement.
pub(crate) fn axum(port: u16, folder: &Path) -> anyhow::Result<ExitCode> {
    let file: Arc<Path> = file(folder).into();
    let router = axum::Router::new().route("/products/{code}", get(find)).with_state(file);
    super::serve(port, router, READERS)
}

#[expect(clippy::disallowed_methods, reason = "it is written by hand, as without us")]
async fn find(
    State(file): State<Arc<Path>>,
    axum::extract::Path(code): axum::extract::Path<String>,
) -> Result<Json<Found>, StatusCode> {
    let found = tokio::task::spawn_blocking(move || read(&file, &code)).await;
    match found {
        Ok(Ok(Some(found))) => Ok(Json(found)),
        Ok(Ok(None)) => Err(StatusCode::NOT_FOUND),
        Ok(Err(_)) | Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

thread_local! {
    static CONNECTION: OnceCell<Connection> = const { OnceCell::new() };
}

fn read(file: &Path, code: &str) -> rusqlite::Result<Option<Found>> {
    CONNECTION.with(|connection| {
        if connection.get().is_none() {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            // The cell is empty, and this thread's own.
            let _ = connection.set(Connection::open_with_flags(file, flags)?);
        }
        let connection = connection.get().ok_or(rusqlite::Error::InvalidQuery)?;
        connection.prepare_cached(FIND)?.query_row([code], product).optional()
    })
}

fn product(row: &Row<'_>) -> rusqlite::Result<Found> {
    let value = Product {
        code: row.get(0)?,
        description: row.get(2)?,
        price: Money::pence(row.get(3)?),
        goods: row.get(4)?,
        size: Size::new(row.get(5)?, row.get(6)?, row.get(7)?),
        grams: row.get(8)?,
    };
    Ok(Found { version: row.get(1)?, value })
}
