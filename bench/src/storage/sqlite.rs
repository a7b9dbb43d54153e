use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use async_trait::async_trait;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::ITEMS;
use super::contestant::{Contestant, Versions};
use super::item::{Item, Repriced};

const CREATE: &str = "
CREATE TABLE item (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL, \"group\" INTEGER NOT NULL);
CREATE INDEX item_group ON item (\"group\", id);
CREATE TABLE outbox (place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, entity INTEGER NOT NULL,
    version INTEGER NOT NULL, payload TEXT NOT NULL, sent_at INTEGER);
CREATE INDEX outbox_unsent ON outbox (place) WHERE sent_at IS NULL;
";

/// rusqlite by hand: a connection that reads and one that writes, on threads that may block.
pub(crate) struct ByHand {
    reader: Arc<Mutex<Connection>>,
    writer: Arc<Mutex<Connection>>,
    versions: Arc<Versions>,
}

impl ByHand {
    pub(crate) fn fill(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("by-hand.sqlite");
        let mut writer = Connection::open(&file)?;
        writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        writer.execute_batch(CREATE)?;
        let transaction = writer.transaction()?;
        for id in 0..ITEMS {
            let item = Item::new(id, 1);
            let values = params![id, 1, serde_json::to_string(&item)?, item.group];
            transaction.execute("INSERT INTO item VALUES (?1, ?2, ?3, ?4)", values)?;
        }
        transaction.commit()?;
        let reader = Connection::open(&file)?;
        let shared = |connection| Arc::new(Mutex::new(connection));
        Ok(Self { reader: shared(reader), writer: shared(writer), versions: Arc::new(Versions::new()) })
    }
}

/// Works on a thread that may block.
#[expect(clippy::disallowed_methods, reason = "it is written by hand, as without us")]
async fn blocking<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let connection = Arc::clone(connection);
    let working = tokio::task::spawn_blocking(move || {
        work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
    });
    working.await?
}

fn change(connection: &mut Connection, versions: &Versions, ids: Range<i64>) -> anyhow::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let first = ids.start;
    for id in ids {
        let version = versions.of(id);
        let item = Item::new(id, version + 1);
        let mut update = transaction.prepare_cached(
            "UPDATE item SET version = ?2, document = ?3, \"group\" = ?4 WHERE id = ?1 AND version = ?5",
        )?;
        let document = serde_json::to_string(&item)?;
        let changed = update.execute(params![id, version + 1, document, item.group, version])?;
        ensure!(changed == 1, "the item {id} has another version");
        versions.set(id, version + 1);
    }
    let version = versions.of(first);
    let payload = serde_json::to_string(&Repriced { item: first, price: 255 + version })?;
    #[expect(clippy::disallowed_methods, reason = "it is written by hand, as without us")]
    let event = Uuid::now_v7().to_string();
    transaction
        .prepare_cached(
            "INSERT INTO outbox (id, name, entity, version, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![event, "repriced", first, version, payload])?;
    Ok(transaction.commit()?)
}

#[async_trait]
impl Contestant for ByHand {
    async fn read(&self, id: i64) -> anyhow::Result<()> {
        blocking(&self.reader, move |connection| {
            let mut get = connection.prepare_cached("SELECT version, document FROM item WHERE id = ?1")?;
            let (_, item) = get.query_row([id], |row| Ok((row.get::<_, i64>(0)?, decoded(row, 1)?)))?;
            ensure!(item.id == id, "another item");
            Ok(())
        })
        .await
    }

    async fn page(&self, group: i64) -> anyhow::Result<()> {
        blocking(&self.reader, move |connection| {
            let mut page = connection.prepare_cached(
                "SELECT version, document FROM item WHERE \"group\" = ?1 ORDER BY id LIMIT 51",
            )?;
            let rows = page.query_map([group], |row| Ok((row.get::<_, i64>(0)?, decoded(row, 1)?)))?;
            let items: Vec<(i64, Item)> = rows.collect::<Result<_, _>>()?;
            ensure!(items.len() == 51, "no whole page");
            Ok(())
        })
        .await
    }

    async fn change(&self, ids: Range<i64>) -> anyhow::Result<()> {
        let versions = Arc::clone(&self.versions);
        blocking(&self.writer, move |connection| change(connection, &versions, ids)).await
    }
}

fn decoded(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Item> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}
