//! The ids of a read of many: checked and folded before a store sees them, and what it saw put back as it was asked for.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use staffa_context::Context;

use crate::{Entity, Error, Part, Result, Seen, Store, Versioned, entity, repository};

/// The most ids of one read of many, repeated ones counted each time.
pub const IDS_MAX: usize = 1_000;

/// Ids that somebody asked for.
pub(crate) struct Ids {
    /// Each once, in the order in which they were first asked for.
    parts: Vec<Part>,
    /// Which of them each place of the answer is for.
    places: Vec<usize>,
}

impl Ids {
    /// Refuses more than [`IDS_MAX`], and an id that no store takes.
    pub(crate) fn of<E: Entity>(ids: impl IntoIterator<Item: Borrow<E::Id>>) -> Result<Self> {
        let asked = ids.into_iter().take(IDS_MAX + 1).map(|id| entity::id::<E>(id.borrow()));
        let asked = asked.collect::<Result<Vec<Part>>>()?;
        if asked.len() > IDS_MAX {
            return Err(Error::invalid("ids", format!("more than {IDS_MAX}")));
        }
        Ok(Self::fold(asked))
    }

    fn fold(asked: Vec<Part>) -> Self {
        let mut known = BTreeMap::new();
        let mut parts = Vec::with_capacity(asked.len());
        let mut places = Vec::with_capacity(asked.len());
        for id in asked {
            let place = *known.entry(id).or_insert_with_key(|id| {
                parts.push(id.clone());
                parts.len() - 1
            });
            places.push(place);
        }
        Self { parts, places }
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What the store has at each of the parts; for none it is not asked.
    pub(crate) async fn read<S>(&self, ctx: &Context, store: &S, kind: &'static str) -> Result<Vec<Seen>>
    where
        S: Store + ?Sized,
    {
        ctx.check()?;
        if self.parts.is_empty() {
            return Ok(Vec::new());
        }
        let seen = store.get_many(ctx, kind, &self.parts).await?;
        if seen.len() == self.parts.len() {
            return Ok(seen);
        }
        let (got, asked) = (seen.len(), self.parts.len());
        Err(Error::Unusable(format!("the store answered {got} of {asked} ids: its adapter is at fault")))
    }

    /// The entities of what was read, in the order asked.
    pub(crate) fn entities<E: Entity>(&self, seen: Vec<Seen>) -> Result<Vec<Option<Versioned<E>>>> {
        let entities = seen.into_iter().map(repository::entity).collect::<Result<Vec<_>>>()?;
        if entities.len() == self.places.len() {
            return Ok(entities);
        }
        Ok(self.places.iter().map(|place| entities[*place].clone()).collect())
    }
}
