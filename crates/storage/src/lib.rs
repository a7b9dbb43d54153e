//! The storage port: entities, indexes, units of work, outbox, kept answers and the in-memory adapter.
//!
//! A core keeps [`Entity`]s in a [`Store`] that it holds as `Arc<dyn Store>` and whose technology it does not know. It
//! reads them by id, one or many, or by a declared [`Index`] through a [`Repository`], and writes them through a [`Unit`], which
//! commits all of its changes, their events and one answer together, or nothing. There is no query language: a read
//! is equality on the leading parts of a key, then one range or prefix, in pages with a [`Cursor`].
//!
//! ```
//! use std::sync::Arc;
//! use serde::{Deserialize, Serialize};
//! use staffa_context::Context;
//! use staffa_storage::memory::Memory;
//! use staffa_storage::{Entity, Happened, Index, Indexes, Page, Range, Repository, Result, Schema, Store, Unsent, retry};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Product { code: String, description: String, pence: i64 }
//!
//! const DESCRIPTION: Index<Product, String> = Index::new("description", |product| product.description.clone());
//! const PRICE: Index<Product, (i64, String)> = Index::new("price", |product| (product.pence, product.code.clone()));
//!
//! impl Entity for Product {
//!     type Id = String;
//!     const KIND: &'static str = "product";
//!     const INDEXES: Indexes<Self> = &[&DESCRIPTION, &PRICE];
//!     fn id(&self) -> &String { &self.code }
//! }
//!
//! #[derive(Serialize)]
//! struct PriceChanged { pence: i64 }
//!
//! impl Happened for PriceChanged {
//!     const NAME: &'static str = "price_changed";
//! }
//!
//! # async fn example() -> Result<()> {
//! let ctx = &Context::background();
//! let store: Arc<dyn Store> = Memory::open(vec![Schema::of::<Product>()])?;
//!
//! let mut unit = store.unit();
//! unit.insert(Product { code: "22423".into(), description: "REGENCY CAKESTAND 3 TIER".into(), pence: 12_75 });
//! unit.insert(Product { code: "84879".into(), description: "ASSORTED COLOUR BIRD ORNAMENT".into(), pence: 1_69 });
//! unit.commit(ctx).await?;
//!
//! // A change of what is read: on a conflict with somebody else's the whole is run again.
//! retry(ctx, || async {
//!     let mut unit = store.unit();
//!     if let Some(product) = unit.get::<Product>(ctx, "84879".to_owned()).await? {
//!         let changed = unit.update(product.map(|product| Product { pence: 1_50, ..product }));
//!         unit.emit(&changed, PriceChanged { pence: changed.pence });
//!     }
//!     unit.commit(ctx).await
//! })
//! .await?;
//!
//! let products: Repository<Product> = Repository::new(&store);
//! let page = products.range(ctx, &PRICE, Range::of(()).from(1_00).to(2_00), Page::first()).await?;
//! assert_eq!(page.items[0].description, "ASSORTED COLOUR BIRD ORNAMENT");
//! assert_eq!((page.items[0].version, page.next), (2, None));
//!
//! let page = products.range(ctx, &DESCRIPTION, Range::of(()).prefix("REG"), Page::first()).await?;
//! assert_eq!(page.items[0].code, "22423");
//! assert_eq!(store.unsent(ctx, Unsent::all(10)).await?[0].name, "price_changed");
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
//! ```
//!
//! # What every store does alike
//!
//! What a value may be is in [`value`], what a key may be in [`KeyPart`], how text is ordered in [`Part`]. The contract
//! of an adapter is [`Store`]; its proof is the suite in `conformance`, which every adapter passes whole.
//!
//! # Features
//!
//! - `conformance`: the suite that every adapter passes, as plain async functions.
//! - `schemars`: JSON schemas of [`Versioned`], [`PageOf`] and [`Cursor`], which cross the wire.
//!
//! It knows no SQL, no driver and no runtime, and builds for `wasm32-unknown-unknown`.

mod claim;
mod commit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
mod document;
mod entity;
mod error;
mod ids;
mod index;
mod key;
pub mod memory;
mod migration;
mod moving;
mod outbox;
mod page;
mod part;
mod range;
mod repository;
mod retry;
mod scan;
mod schema;
pub mod segment;
mod store;
mod unit;
pub mod value;
mod versioned;
pub mod watch;

pub use claim::Claim;
pub use commit::{Commit, Event, Expect, Guard, Happened, Kept, Write};
pub use cursor::Cursor;
pub use document::Document;
pub use entity::{Entity, Indexes};
pub use error::Error;
pub use ids::IDS_MAX;
pub use index::{DeclaredIndex, Index};
pub use key::{Key, KeyPart};
pub use migration::{Migrate, Phase, Step};
pub use moving::{Exported, Mark, Moving, Record, Section};
pub use outbox::{Backlog, PARTITIONS, Partitions, Unsent, partition};
pub use page::{Page, PageOf};
pub use part::{Part, PartType};
pub use range::{Following, Leading, Range, Whole};
pub use repository::Repository;
pub use retry::{ATTEMPTS_MAX, retry};
pub use scan::{Bound, By, Found, Scan};
pub use schema::{IndexSchema, Schema};
pub use store::{Row, Seen, Store};
pub use unit::Unit;
pub use versioned::Versioned;

/// What storage operations give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
