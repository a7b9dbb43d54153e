use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use async_trait::async_trait;
use staffa::settings::Storage;
use staffa::{Context, Page, Repository, Schema, Store, Versioned};

use super::ITEMS;
use super::contestant::{Contestant, Versions};
use super::item::{BY_GROUP, Item, Repriced};

/// How many items one unit of the filling has.
const BATCH: i64 = 500;

/// The port over whatever adapter the URL names.
pub(crate) struct Ours {
    ctx: Context,
    store: Arc<dyn Store>,
    items: Repository<Item>,
    versions: Versions,
}

impl Ours {
    pub(crate) async fn fill(ctx: &Context, url: &str) -> anyhow::Result<Self> {
        let schemas = vec![Schema::of::<Item>()];
        let opened = staffa::open_store(ctx, url, "bench", &Storage::default(), schemas).await;
        let store = opened.map_err(|error| anyhow!("{error}"))?.store();
        for first in (0..ITEMS).step_by(usize::try_from(BATCH)?) {
            let mut unit = store.unit();
            for id in first..(first + BATCH).min(ITEMS) {
                unit.insert(Item::new(id, 1));
            }
            unit.commit(ctx).await?;
        }
        let items = Repository::new(&store);
        Ok(Self { ctx: ctx.clone(), store, items, versions: Versions::new() })
    }
}

#[async_trait]
impl Contestant for Ours {
    async fn read(&self, id: i64) -> anyhow::Result<()> {
        let item = self.items.find(&self.ctx, id).await?.context("no item")?;
        ensure!(item.value.id == id, "another item");
        Ok(())
    }

    async fn page(&self, group: i64) -> anyhow::Result<()> {
        let page = self.items.range(&self.ctx, &BY_GROUP, (group,), Page::first()).await?;
        ensure!(page.items.len() == 50 && page.next.is_some(), "no whole page");
        Ok(())
    }

    async fn change(&self, ids: Range<i64>) -> anyhow::Result<()> {
        let mut unit = self.store.unit();
        let mut first = None;
        for id in ids {
            let version = self.versions.of(id);
            let written = unit.update(Versioned { version, value: Item::new(id, version + 1) });
            self.versions.set(id, written.version);
            first.get_or_insert(written);
        }
        let first = first.context("no items")?;
        unit.emit(&first, Repriced { item: first.value.id, price: first.value.price });
        Ok(unit.commit(&self.ctx).await?)
    }
}
