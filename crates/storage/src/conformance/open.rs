use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use staffa_context::Context;

use crate::memory::Memory;
use crate::{Result, Schema, Store};

/// Opens an adapter's stores for the suite.
#[async_trait]
pub trait Open: Send + Sync {
    /// The store at this place, empty when it is opened there for the first time; later it is the same store, opened
    /// again as another process would, with other schemas perhaps. The suite closes the earlier handle first. A
    /// place is 1 to 60 of `a-z`, `0-9` and `_`.
    ///
    /// # Errors
    ///
    /// Those of the adapter.
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>>;

    /// Removes what is at this place, closed or not. Called once a case is over.
    async fn remove(&self, ctx: &Context, place: &str) {
        let _ = (ctx, place);
    }

    /// Whether its stores can do this. Everything, unless it says otherwise.
    fn can(&self, ability: Ability) -> bool {
        let _ = ability;
        true
    }
}

/// What not every store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ability {
    /// Being opened again with what it held.
    Reopen,
}

/// Opens stores in memory.
#[derive(Debug, Default)]
pub struct Memories(Mutex<BTreeMap<String, Arc<Memory>>>);

#[async_trait]
impl Open for Memories {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        ctx.check()?;
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = match places.get(place) {
            Some(before) => before.reopen(schemas)?,
            None => Memory::open(schemas)?,
        };
        places.insert(place.to_owned(), Arc::clone(&memory));
        Ok(memory)
    }

    async fn remove(&self, _ctx: &Context, place: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }
}
