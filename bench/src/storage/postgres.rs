use std::ops::Range;

use anyhow::ensure;
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_postgres::types::Json;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use super::ITEMS;
use super::contestant::{Contestant, Versions};
use super::item::{Item, Repriced};

/// tokio-postgres by hand: prepared statements, a connection that reads and one that writes.
pub(crate) struct ByHand {
    reader: Client,
    writer: Mutex<Client>,
    get: Statement,
    page: Statement,
    update: Statement,
    event: Statement,
    versions: Versions,
}

/// The tables of a schema, with all items in them.
pub(crate) async fn fill(client: &Client, schema: &str) -> anyhow::Result<()> {
    client
        .batch_execute(&format!(
            "CREATE SCHEMA {schema};
             CREATE TABLE {schema}.item (id bigint PRIMARY KEY, version bigint NOT NULL, document jsonb NOT NULL,
                 \"group\" bigint NOT NULL);
             CREATE INDEX ON {schema}.item (\"group\", id);
             CREATE TABLE {schema}.outbox (place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL UNIQUE,
                 name text NOT NULL, entity bigint NOT NULL, version bigint NOT NULL, payload jsonb NOT NULL, sent_at bigint);
             CREATE INDEX ON {schema}.outbox (place) WHERE sent_at IS NULL;"
        ))
        .await?;
    let (mut ids, mut groups, mut documents) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..ITEMS {
        let item = Item::new(id, 1);
        ids.push(id);
        groups.push(item.group);
        documents.push(Json(item));
    }
    let sql = format!(
        "INSERT INTO {schema}.item SELECT id, 1, document, \"group\" \
         FROM unnest($1::bigint[], $2::jsonb[], $3::bigint[]) AS item (id, document, \"group\")"
    );
    client.execute(&sql, &[&ids, &documents, &groups]).await?;
    client.batch_execute(&format!("ANALYZE {schema}.item")).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "it is written by hand, as without us")]
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl ByHand {
    pub(crate) async fn fill(url: &str, schema: &str) -> anyhow::Result<Self> {
        let (reader, writer) = (connect(url).await?, connect(url).await?);
        fill(&reader, schema).await?;
        let get =
            reader.prepare(&format!("SELECT version, document FROM {schema}.item WHERE id = $1")).await?;
        let page =
            format!("SELECT version, document FROM {schema}.item WHERE \"group\" = $1 ORDER BY id LIMIT 51");
        let page = reader.prepare(&page).await?;
        let update = format!(
            "UPDATE {schema}.item SET version = $2, document = $3, \"group\" = $4 WHERE id = $1 AND version = $5"
        );
        let update = writer.prepare(&update).await?;
        let event = format!(
            "INSERT INTO {schema}.outbox (id, name, entity, version, payload) VALUES ($1, $2, $3, $4, $5)"
        );
        let event = writer.prepare(&event).await?;
        Ok(Self { reader, writer: Mutex::new(writer), get, page, update, event, versions: Versions::new() })
    }
}

#[async_trait]
impl Contestant for ByHand {
    async fn read(&self, id: i64) -> anyhow::Result<()> {
        let row = self.reader.query_one(&self.get, &[&id]).await?;
        let (_version, Json(item)): (i64, Json<Item>) = (row.try_get(0)?, row.try_get(1)?);
        ensure!(item.id == id, "another item");
        Ok(())
    }

    async fn page(&self, group: i64) -> anyhow::Result<()> {
        let rows = self.reader.query(&self.page, &[&group]).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let (version, Json(item)): (i64, Json<Item>) = (row.try_get(0)?, row.try_get(1)?);
            items.push((version, item));
        }
        ensure!(items.len() == 51, "no whole page");
        Ok(())
    }

    async fn change(&self, ids: Range<i64>) -> anyhow::Result<()> {
        let mut writer = self.writer.lock().await;
        let transaction = writer.transaction().await?;
        let first = ids.start;
        for id in ids {
            let version = self.versions.of(id);
            let item = Item::new(id, version + 1);
            let group = item.group;
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&id, &(version + 1), &Json(item), &group, &version];
            ensure!(
                transaction.execute(&self.update, &values).await? == 1,
                "the item {id} has another version"
            );
            self.versions.set(id, version + 1);
        }
        let version = self.versions.of(first);
        #[expect(clippy::disallowed_methods, reason = "it is written by hand, as without us")]
        let event = Uuid::now_v7();
        let payload = Json(Repriced { item: first, price: 255 + version });
        transaction.execute(&self.event, &[&event, &"repriced", &first, &version, &payload]).await?;
        Ok(transaction.commit().await?)
    }
}
