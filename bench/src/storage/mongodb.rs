use std::ops::Range;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use bson::{Document, doc};
use mongodb::options::{ReadConcern, TransactionOptions, WriteConcern};
use mongodb::{Client, Collection, IndexModel};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ITEMS;
use super::contestant::{Contestant, Versions};
use super::item::{Item, Repriced};

/// The official driver by hand, with the concerns that lose nothing.
pub(crate) struct ByHand {
    client: Client,
    items: Collection<Stored>,
    outbox: Collection<Document>,
    versions: Versions,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    id: i64,
    version: i64,
    group: i64,
    document: Item,
}

impl Stored {
    fn new(id: i64, version: i64) -> Self {
        let document = Item::new(id, version);
        Self { id, version, group: document.group, document }
    }
}

impl ByHand {
    pub(crate) async fn fill(url: &str) -> anyhow::Result<Self> {
        let client = Client::with_uri_str(url).await?;
        let database = client.database("by_hand");
        let items = database.collection::<Stored>("item");
        items.create_index(IndexModel::builder().keys(doc! { "group": 1, "_id": 1 }).build()).await?;
        let outbox = database.collection("outbox");
        outbox.create_index(IndexModel::builder().keys(doc! { "sent_at": 1, "place": 1 }).build()).await?;
        let all: Vec<Stored> = (0..ITEMS).map(|id| Stored::new(id, 1)).collect();
        items.insert_many(all).await?;
        Ok(Self { client, items, outbox, versions: Versions::new() })
    }
}

#[async_trait]
impl Contestant for ByHand {
    async fn read(&self, id: i64) -> anyhow::Result<()> {
        let found = self.items.find_one(doc! { "_id": id }).await?.context("no item")?;
        ensure!(found.document.id == id, "another item");
        Ok(())
    }

    async fn page(&self, group: i64) -> anyhow::Result<()> {
        let asked = self.items.find(doc! { "group": group }).sort(doc! { "_id": 1 }).limit(51).batch_size(51);
        let mut cursor = asked.await?;
        let mut found = Vec::new();
        while cursor.advance().await? {
            found.push(cursor.deserialize_current()?);
        }
        ensure!(found.len() == 51, "no whole page");
        Ok(())
    }

    async fn change(&self, ids: Range<i64>) -> anyhow::Result<()> {
        let mut session = self.client.start_session().await?;
        let options = TransactionOptions::builder()
            .write_concern(WriteConcern::majority())
            .read_concern(ReadConcern::snapshot())
            .build();
        session.start_transaction().with_options(options).await?;
        let first = ids.start;
        for id in ids {
            let version = self.versions.of(id);
            let written = Stored::new(id, version + 1);
            let expected = doc! { "_id": id, "version": version };
            let replaced = self.items.replace_one(expected, &written).session(&mut session).await?;
            ensure!(replaced.matched_count == 1, "the item {id} has another version");
            self.versions.set(id, version + 1);
        }
        let version = self.versions.of(first);
        let payload = bson::serialize_to_bson(&Repriced { item: first, price: 255 + version })?;
        #[expect(clippy::disallowed_methods, reason = "it is written by hand, as without us")]
        let event = Uuid::now_v7().to_string();
        let event = doc! {
            "_id": event, "name": "repriced", "entity": first, "version": version, "payload": payload, "sent_at": null,
        };
        self.outbox.insert_one(event).session(&mut session).await?;
        Ok(session.commit_transaction().await?)
    }
}
