//! The first import of a store: one that was cut is done again at the next start.
//!
//! An import is several commits. A mark is kept from before the first of them until after the last, so that a part of
//! the list is never taken for the whole.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use staffa::storage::Entity;
use staffa::{Context, Failure, Repository, Schema, Store, Versioned};

/// Says that a first import has begun, and has not come to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Begun {
    name: String,
}

impl Entity for Begun {
    type Id = String;
    const KIND: &'static str = "first_import";

    fn id(&self) -> &String {
        &self.name
    }
}

/// The schemas of a store that may be imported into.
pub(crate) fn marked(mut schemas: Vec<Schema>) -> Vec<Schema> {
    schemas.push(Schema::of::<Begun>());
    schemas
}

/// The name of the one mark of a store.
const NAME: &str = "begun";

/// The mark of an import that is to be made: the store is empty, or one was cut. None where there is nothing to do.
pub(crate) async fn begin(
    ctx: &Context,
    store: &Arc<dyn Store>,
    is_empty: bool,
) -> Result<Option<Versioned<Begun>>, Failure> {
    let found = Repository::<Begun>::new(store).find(ctx, NAME.to_owned()).await?;
    if found.is_some() || !is_empty {
        return Ok(found);
    }
    let mut unit = store.unit();
    let begun = unit.insert(Begun { name: NAME.to_owned() });
    unit.commit(ctx).await?;
    Ok(Some(begun))
}

/// Takes the mark away.
pub(crate) async fn end(
    ctx: &Context,
    store: &Arc<dyn Store>,
    begun: Versioned<Begun>,
) -> Result<(), Failure> {
    let mut unit = store.unit();
    unit.delete(begun);
    Ok(unit.commit(ctx).await?)
}

/// Takes the mark away where there is one: what a person imports is the list from now on.
pub(crate) async fn forget(ctx: &Context, store: &Arc<dyn Store>) -> Result<(), Failure> {
    match begin(ctx, store, false).await? {
        Some(begun) => end(ctx, store, begun).await,
        None => Ok(()),
    }
}
