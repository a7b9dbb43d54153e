use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use staffa_context::Context;

use super::{Faults, Slow};
use crate::memory::Memory;
use crate::{Error, Moving, Result, Schema, Store};

/// Opens an adapter's stores for the suite.
#[async_trait]
pub trait Open: Send + Sync + 'static {
    /// The store at this place, empty when it is opened there for the first time; later it is the same store, opened
    /// again as another process would, with other schemas perhaps. The suite closes the earlier handle first, unless
    /// [`Ability::Share`] or [`Ability::Roll`] says that it need not. A place is 1 to 60 of `a-z`, `0-9` and `_`.
    ///
    /// # Errors
    ///
    /// Those of the adapter.
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>>;

    /// Removes what is at this place, closed or not. Called once a case is over.
    async fn remove(&self, ctx: &Context, place: &str) {
        let _ = (ctx, place);
    }

    /// Whether its stores can do this. [`Ability::Reopen`] alone, unless it says otherwise.
    fn can(&self, ability: Ability) -> bool {
        ability == Ability::Reopen
    }

    /// A handle for moving the store at this place, beside those that are open there: [`Ability::Move`].
    ///
    /// # Errors
    ///
    /// Those of the adapter.
    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        let _ = (ctx, place, schemas);
        Err(Error::Unusable("these stores are not moved".into()))
    }

    /// The line to its server: [`Ability::Faults`].
    fn faults(&self) -> Option<&dyn Faults> {
        None
    }

    /// A handle of its own on the store at this place, which is open with [`super::schemas`] as this one is, and whose
    /// statements can be made slow: [`Ability::Slow`].
    ///
    /// # Errors
    ///
    /// Those of the adapter.
    async fn slow(&self, ctx: &Context, place: &str) -> Result<Arc<dyn Slow>> {
        let _ = (ctx, place);
        Err(Error::Unusable("these stores have no slow statements".into()))
    }

    /// The sessions that the server has for this place and that are idle inside a transaction or still executing, in
    /// words, one each: asked by a connection of its own, which it leaves out. Empty for a store without a server.
    ///
    /// # Errors
    ///
    /// Those of the server.
    async fn leftovers(&self, ctx: &Context, place: &str) -> Result<Vec<String>> {
        let _ = (ctx, place);
        Ok(Vec::new())
    }

    /// How many rounds cases take that try something at random, or at one await point after the other: 100 unless it
    /// says otherwise.
    fn rounds(&self) -> usize {
        100
    }
}

/// What not every store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ability {
    /// Being opened again with what it held.
    Reopen,
    /// Being open several times at once with the same schemas, as processes would that share a server.
    Share,
    /// Being open at once with older and newer schemas, as it is while a service is replaced.
    Roll,
    /// Being paused and moved: [`Open::moving`].
    Move,
    /// Being cut off from its server: [`Open::faults`].
    Faults,
    /// Running a statement for as long as one likes: [`Open::slow`].
    Slow,
}

/// Opens stores in memory.
#[derive(Debug, Default)]
pub struct Memories(Mutex<BTreeMap<String, Arc<Memory>>>);

impl Memories {
    fn memory(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<Memory>> {
        ctx.check()?;
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = match places.get(place) {
            Some(before) => before.reopen(schemas)?,
            None => Memory::open(schemas)?,
        };
        places.insert(place.to_owned(), Arc::clone(&memory));
        Ok(memory)
    }
}

#[async_trait]
impl Open for Memories {
    async fn open(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Store>> {
        Ok(self.memory(ctx, place, schemas)?)
    }

    async fn remove(&self, _ctx: &Context, place: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }

    fn can(&self, ability: Ability) -> bool {
        matches!(ability, Ability::Reopen | Ability::Share | Ability::Move)
    }

    async fn moving(&self, ctx: &Context, place: &str, schemas: Vec<Schema>) -> Result<Arc<dyn Moving>> {
        Ok(self.memory(ctx, place, schemas)?)
    }
}
