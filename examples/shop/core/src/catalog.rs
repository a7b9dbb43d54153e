//! The catalogue: browse products, find one, and give the prices that quotes rest on.
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use staffa_context::{Context, Failure, Kind, Timestamp};
use staffa_storage::{
    Cursor, Entity, Index, Indexes, Page, PageOf, Range, Repository, Schema, Store, Unit, Versioned, retry,
};

use crate::product::{PriceList, Product};
use crate::quote::LINES_MAX;
use crate::{Money, page};

/// Products by their code, byte for byte.
pub const CODE: Index<Product, String> = Index::unique("code", |product| product.code.clone());
/// Products by their description in ASCII capitals.
pub const DESCRIPTION: Index<Product, String> =
    Index::new("description", |product| product.description.to_ascii_uppercase());
/// Products by their list price in minor units.
pub const PRICE: Index<Product, i64> = Index::new("price", |product| product.price.minor());

impl Entity for Product {
    type Id = String;
    const KIND: &'static str = "product";
    const INDEXES: Indexes<Self> = &[&CODE, &DESCRIPTION, &PRICE];

    fn id(&self) -> &String {
        &self.code
    }
}

/// The catalogue's edition: its version rises with each change of any product, and is the price list's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    name: String,
    changed_at: Timestamp,
}

impl Edition {
    /// The name of the one edition.
    const NAME: &str = "catalogue";
}

impl Entity for Edition {
    type Id = String;
    const KIND: &'static str = "edition";

    fn id(&self) -> &String {
        &self.name
    }
}

/// The prices that quotes rest on. Orders reach them in the catalogue itself or over the wire.
#[async_trait]
pub trait Prices: Send + Sync + 'static {
    /// The list prices of these codes, at most [`LINES_MAX`], all of one moment. Unknown codes are left out.
    async fn of(&self, ctx: &Context, codes: Vec<String>) -> Result<PriceList, Failure>;
}

/// A read that takes its time, so that a visitor sees a cancelled statement stop in the store. An adapter's own
/// port: each store does it in its own words.
#[async_trait]
pub trait SlowReads: Send + Sync + 'static {
    /// Keeps the store busy with one statement for some seconds, or until the context ends.
    async fn read_slowly(&self, ctx: &Context) -> Result<(), Failure>;
}

/// How many products one call of [`Catalog::import`] takes.
pub const BATCH_MAX: usize = 500;

/// The catalogue.
pub struct Catalog {
    store: Arc<dyn Store>,
    products: Repository<Product>,
    slow: Option<Arc<dyn SlowReads>>,
}

/// What to browse: by description, by price or by code; by code when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Browse {
    /// How the code begins, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How the description begins. Capitals and small letters of ASCII are alike; blanks before it do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The lowest list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_from: Option<Money>,
    /// The highest list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_to: Option<Money>,
    /// Where the page begins: `next` of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// How many at most: 50 unless said otherwise, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Runs a slow statement first; refused unless the service's settings allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<bool>,
}

/// Which product is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProductOf {
    /// The stock code. Case counts.
    pub code: String,
}

/// Which prices are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PricesOf {
    /// The codes, at most 1,000.
    pub codes: Vec<String>,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Imported {
    /// Products that are new.
    pub added: u64,
    /// Products that were there and differ.
    pub changed: u64,
    /// Products that were there alike.
    pub unchanged: u64,
}

impl Catalog {
    /// What its store must know of.
    pub fn schemas() -> Vec<Schema> {
        vec![Schema::of::<Product>(), Schema::of::<Edition>()]
    }

    /// A catalogue that is kept in this store; without `slow`, slow reads are refused.
    pub fn new(store: Arc<dyn Store>, slow: Option<Arc<dyn SlowReads>>) -> Self {
        Self { products: Repository::new(&store), store, slow }
    }

    /// A page of products, in the order of what they are browsed by.
    ///
    /// # Errors
    /// `Invalid` for two things to browse by, a wrong cursor or limit; `Unsupported` for a slow read where none is
    /// allowed; and those of the store.
    pub async fn browse(&self, ctx: &Context, asked: Browse) -> Result<PageOf<Product>, Failure> {
        if asked.slow == Some(true) {
            self.slow()?.read_slowly(ctx).await?;
        }
        let page = page(asked.after, asked.limit, Page::LIMIT_MAX)?;
        let by_price = (asked.price_from.is_some() || asked.price_to.is_some())
            .then(|| prices_between(asked.price_from, asked.price_to));
        let found = match (asked.code, asked.description, by_price) {
            (None, None, None) => self.products.range(ctx, &CODE, (), page).await,
            (Some(code), None, None) => {
                self.products.range(ctx, &CODE, Range::of(()).prefix(code), page).await
            }
            (None, Some(description), None) => {
                let prefix = description.trim_start().to_ascii_uppercase();
                self.products.range(ctx, &DESCRIPTION, Range::of(()).prefix(prefix), page).await
            }
            (None, None, Some(prices)) => self.products.range(ctx, &PRICE, prices, page).await,
            _ => return Err(Failure::new(Kind::Invalid, "browse by code, by description or by price")),
        };
        Ok(found?)
    }

    fn slow(&self) -> Result<&dyn SlowReads, Failure> {
        let words = "slow reads are off; the setting `slow` of the catalogue turns them on";
        self.slow.as_deref().ok_or_else(|| Failure::new(Kind::Unsupported, words))
    }

    /// One product.
    ///
    /// # Errors
    /// `NotFound`, and those of the store.
    pub async fn find(&self, ctx: &Context, asked: ProductOf) -> Result<Versioned<Product>, Failure> {
        let found = self.products.find(ctx, &asked.code).await?;
        found.ok_or_else(|| {
            Failure::new(Kind::NotFound, "there is no such product; look at the case of its code")
        })
    }

    /// The list prices of some codes, all of one edition. Codes that are unknown are left out.
    ///
    /// # Errors
    /// `TooLarge` for more than [`LINES_MAX`] codes; `Unavailable` while an import is changing the catalogue; and
    /// those of the store.
    pub async fn prices_of(&self, ctx: &Context, asked: PricesOf) -> Result<PriceList, Failure> {
        let mut codes = asked.codes;
        if codes.len() > LINES_MAX {
            return Err(Failure::new(Kind::TooLarge, format!("ask for at most {LINES_MAX} codes at once")));
        }
        codes.sort_unstable();
        codes.dedup();
        for _ in 0..PRICE_READS_MAX {
            let version = self.edition(ctx).await?;
            let products = self.products.find_many(ctx, &codes).await?;
            // Every change of a product raises the edition in the same commit, so these prices are this edition's.
            if self.edition(ctx).await? == version {
                let products = products.into_iter().flatten().map(|product| product.value).collect();
                return Ok(PriceList { version, products });
            }
        }
        Err(Failure::new(Kind::Unavailable, "the catalogue is being changed; try again shortly"))
    }

    /// 0 before the first import.
    async fn edition(&self, ctx: &Context) -> Result<i64, Failure> {
        let editions: Repository<Edition> = Repository::new(&self.store);
        Ok(editions.find(ctx, Edition::NAME.to_owned()).await?.map_or(0, |edition| edition.version))
    }

    /// Adds products or changes those that are there, at most [`BATCH_MAX`], in one commit. Products that are there
    /// alike are not written, so that importing twice changes nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn import(&self, ctx: &Context, products: &[Product]) -> Result<Imported, Failure> {
        retry(ctx, || async {
            let mut unit = self.store.unit();
            let mut imported = Imported::default();
            let found = unit.get_many::<Product>(ctx, products.iter().map(|product| &product.code)).await?;
            for (product, found) in products.iter().zip(found) {
                upsert(&mut unit, product, found, &mut imported);
            }
            if imported.added + imported.changed > 0 {
                raise_edition(ctx, &mut unit).await?;
                unit.commit(ctx).await?;
            }
            Ok(imported)
        })
        .await
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("slow", &self.slow.is_some()).finish_non_exhaustive()
    }
}

/// How often prices are read again when an import comes between.
const PRICE_READS_MAX: u32 = 5;

/// Both ends included.
fn prices_between(from: Option<Money>, to: Option<Money>) -> Range<i64> {
    let mut range = Range::of(());
    if let Some(from) = from {
        range = range.from(from.minor());
    }
    if let Some(to) = to {
        range = range.to(to.minor().saturating_add(1));
    }
    range.into()
}

fn upsert(
    unit: &mut Unit<'_>,
    product: &Product,
    found: Option<Versioned<Product>>,
    imported: &mut Imported,
) {
    match found {
        None => {
            unit.insert(product.clone());
            imported.added += 1;
        }
        Some(found) if found.value == *product => imported.unchanged += 1,
        Some(found) => {
            unit.update(found.map(|_| product.clone()));
            imported.changed += 1;
        }
    }
}

async fn raise_edition(ctx: &Context, unit: &mut Unit<'_>) -> Result<(), Failure> {
    let edition = Edition { name: Edition::NAME.to_owned(), changed_at: ctx.wall() };
    match unit.get::<Edition>(ctx, &edition.name).await? {
        Some(found) => unit.update(found.map(|_| edition)),
        None => unit.insert(edition),
    };
    Ok(())
}

/// In one process, and in tests, the catalogue itself is the port.
#[async_trait]
impl Prices for Catalog {
    async fn of(&self, ctx: &Context, codes: Vec<String>) -> Result<PriceList, Failure> {
        self.prices_of(ctx, PricesOf { codes }).await
    }
}
