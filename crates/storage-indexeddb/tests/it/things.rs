//! What the tests keep, and their hands on the browser beside the adapter.

use std::sync::Arc;
use std::time::Duration;

use js_sys::Promise;
use serde::{Deserialize, Serialize};
use staffa_context::Context;
use staffa_storage::{Entity, Index, Indexes, Result, Schema, Store, Versioned};
use staffa_storage_indexeddb::{Durability, IndexedDb, Options};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// A note, as an older page knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) id: i64,
    pub(crate) text: String,
}

impl Entity for Note {
    type Id = i64;
    const KIND: &'static str = "note";
    fn id(&self) -> &i64 {
        &self.id
    }
}

/// The same, as a newer page knows it: it is found by its text, which no other note has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Titled(pub(crate) Note);

pub(crate) const TEXT: Index<Titled, String> = Index::unique("text", |titled| titled.0.text.clone());

impl Entity for Titled {
    type Id = i64;
    const KIND: &'static str = "note";
    const INDEXES: Indexes<Self> = &[&TEXT];
    fn id(&self) -> &i64 {
        &self.0.id
    }
}

pub(crate) fn note(id: i64, text: &str) -> Note {
    Note { id, text: text.into() }
}

pub(crate) fn titled(id: i64, text: &str) -> Titled {
    Titled(note(id, text))
}

pub(crate) fn options() -> Options {
    Options {
        durability: Durability::Relaxed,
        blocked_wait: Duration::from_millis(300),
        ..Options::default()
    }
}

/// Opens the database of this name for one kind of entity.
pub(crate) async fn open<E: Entity>(ctx: &Context, name: &str) -> Result<Arc<dyn Store>> {
    Ok(IndexedDb::open(ctx, name, options(), vec![Schema::of::<E>()]).await?)
}

pub(crate) async fn insert<E: Entity>(
    ctx: &Context,
    store: &Arc<dyn Store>,
    entity: E,
) -> Result<Versioned<E>> {
    let mut unit = store.unit();
    let made = unit.insert(entity);
    unit.commit(ctx).await?;
    Ok(made)
}

/// What a script's promise gives. `request(it)` makes one of a request of IndexedDB.
pub(crate) async fn script(body: &str) -> JsValue {
    let head = "const request = (it) => new Promise((yes, no) => { it.onsuccess = () => yes(it.result); it.onerror = no; });";
    let promise: Promise = js_sys::eval(&format!("(async () => {{ {head} {body} }})()")).unwrap().into();
    JsFuture::from(promise).await.unwrap()
}
