use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use staffa_context::Context;

use crate::cursor::Fingerprint;
use crate::ids::Ids;
use crate::{
    Bound, By, Cursor, Entity, Error, Found, Index, Key, KeyPart, Page, PageOf, Part, PartType, Range,
    Result, Row, Scan, Seen, Store, Versioned, entity, index, value,
};

/// Reads the entities of one kind: by id, by many ids, or by a declared index.
///
/// Cheap to clone and safe to share. A read sees what was committed before it began; it is not guarded at the commit
/// of a unit, unlike [`crate::Unit::get`]. Dropping a read stops it in the store.
pub struct Repository<E> {
    store: Arc<dyn Store>,
    entity: PhantomData<fn() -> E>,
}

impl<E: Entity> Repository<E> {
    /// The entities of this kind in that store.
    pub fn new(store: &Arc<dyn Store>) -> Self {
        Self { store: Arc::clone(store), entity: PhantomData }
    }

    /// The entity with this id.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`], [`Error::Unavailable`], [`Error::Invalid`] for an id that no store takes,
    /// [`Error::NewerShape`], [`Error::Unusable`] for a document that does not fit.
    pub async fn find(&self, ctx: &Context, id: impl Borrow<E::Id>) -> Result<Option<Versioned<E>>> {
        let id = entity::id::<E>(id.borrow())?;
        entity(self.store.get(ctx, E::KIND, &id).await?)
    }

    /// The entities with these ids, in their order, all as of one moment and in one round trip or a few: `None` where there is none.
    /// An id may be there several times, and is answered each time. At most [`crate::IDS_MAX`]; for no ids the store is not asked.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::find`]; [`Error::Invalid`] at `ids` for too many.
    pub async fn find_many(
        &self,
        ctx: &Context,
        ids: impl IntoIterator<Item: Borrow<E::Id>>,
    ) -> Result<Vec<Option<Versioned<E>>>> {
        let ids = Ids::of::<E>(ids)?;
        let seen = ids.read(ctx, &*self.store, E::KIND).await?;
        ids.entities(seen)
    }

    /// A page of the entities that this range of the index covers, in its order.
    ///
    /// An entity whose key does not change while someone pages is given exactly once.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::find`]; [`Error::Invalid`] also at `cursor` and `limit`; [`Error::Unusable`] for an
    /// index that the entity does not declare.
    pub async fn range<K: Key>(
        &self,
        ctx: &Context,
        index: &Index<E, K>,
        range: impl Into<Range<K>>,
        page: Page,
    ) -> Result<PageOf<E>> {
        let place = self.place(index)?;
        let range = range.into();
        let path = || format!("{}.{}", E::KIND, index.name());
        let equal = range.equal.map_err(|error| error.at(path()))?;
        let bound = range.bound.map_err(|error| error.at(path()))?;
        let read = Read {
            by: By::Index(place),
            name: index.name(),
            types: K::types(),
            equal,
            bound,
            descending: range.descending,
        };
        self.read(ctx, read, page).await
    }

    /// The first entity with this key, the one with the smallest id; the only one if the index is unique.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::range`].
    pub async fn first<K: Key>(
        &self,
        ctx: &Context,
        index: &Index<E, K>,
        key: impl Borrow<K>,
    ) -> Result<Option<Versioned<E>>> {
        let scan = Scan {
            kind: E::KIND,
            by: By::Index(self.place(index)?),
            equal: index::checked(E::KIND, index.name(), key.borrow())?,
            bound: Bound::All,
            descending: false,
            after: None,
            limit: 1,
        };
        let found = self.store.scan(ctx, scan).await?.pop();
        found.map(|found| decode(found.row)).transpose()
    }

    /// A page of all entities, in the order of their ids.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::find`]; [`Error::Invalid`] also at `cursor` and `limit`.
    pub async fn all(&self, ctx: &Context, page: Page) -> Result<PageOf<E>> {
        let read = Read {
            by: By::Id,
            name: "id",
            types: vec![E::Id::TYPE],
            equal: Vec::new(),
            bound: Bound::All,
            descending: false,
        };
        self.read(ctx, read, page).await
    }

    fn place<K>(&self, index: &Index<E, K>) -> Result<usize> {
        E::INDEXES.iter().position(|declared| declared.name() == index.name()).ok_or_else(|| {
            Error::Unusable(format!("{} does not declare the index {}", E::KIND, index.name()))
        })
    }

    async fn read(&self, ctx: &Context, read: Read, page: Page) -> Result<PageOf<E>> {
        page.check()?;
        read.check(E::KIND)?;
        let fingerprint = read.fingerprint(E::KIND);
        let after = page.after.map(|cursor| cursor.open(&fingerprint)).transpose()?;
        if !after.as_ref().is_none_or(|after| read.holds::<E>(after)) {
            return Err(Error::invalid("cursor", "its place is not in this read"));
        }
        let scan = Scan {
            kind: E::KIND,
            by: read.by,
            equal: read.equal,
            bound: read.bound,
            descending: read.descending,
            after,
            // One more than asked for tells whether there is a next page.
            limit: page.limit + 1,
        };
        let mut found = self.store.scan(ctx, scan).await?;
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|Found { row, key }| Cursor::new(&fingerprint, key, &row.id));
        let items = found.into_iter().map(|found| decode(found.row)).collect::<Result<_>>()?;
        Ok(PageOf { items, next })
    }
}

/// A read by index or id, but for its page.
struct Read {
    by: By,
    name: &'static str,
    types: Vec<PartType>,
    equal: Vec<Part>,
    bound: Bound,
    descending: bool,
}

impl Read {
    /// Refuses what no store takes: the bound counts as one more part of the key.
    fn check(&self, kind: &str) -> Result<()> {
        let path = || format!("{kind}.{}", self.name);
        let ends = match &self.bound {
            Bound::All => vec![],
            Bound::Range { from, to } => [from, to].into_iter().flatten().cloned().collect(),
            Bound::Prefix(prefix) => vec![Part::Text(prefix.clone())],
        };
        value::check_key(path, &self.equal)?;
        ends.iter().try_for_each(|end| value::check_key(path, std::slice::from_ref(end)))
    }

    /// Whether a cursor's place may come from this read: a forged one must not reach an adapter.
    fn holds<E: Entity>(&self, (key, id): &(Vec<Part>, Part)) -> bool {
        let keyed = match self.by {
            By::Id => key.is_empty(),
            By::Index(_) => key.len() == self.types.len() && key.starts_with(&self.equal),
        };
        let typed = key.iter().zip(&self.types).all(|(part, of)| part.is(*of));
        let bounded = key.get(self.equal.len()).is_none_or(|part| self.bound.covers(part));
        let takeable = |parts: &[Part]| value::check_key(String::new, parts).is_ok();
        let sized = takeable(key) && takeable(std::slice::from_ref(id));
        keyed && typed && bounded && sized && *id != Part::None && id.is(E::Id::TYPE)
    }

    fn fingerprint(&self, kind: &str) -> Fingerprint {
        Fingerprint::new(kind, self.name, &self.types, &self.equal, &self.bound, self.descending)
    }
}

/// The entity that a read by id saw.
pub(crate) fn entity<E: Entity>(seen: Seen) -> Result<Option<Versioned<E>>> {
    match seen {
        Seen::Row(row) => decode(row).map(Some),
        Seen::Absent { .. } => Ok(None),
    }
}

/// The entity of a row.
fn decode<E: Entity>(row: Row) -> Result<Versioned<E>> {
    let value = entity::decode(row.shape, row.document).map_err(|error| match error {
        Error::NewerShape { kind, shape, .. } => Error::NewerShape { kind, id: row.id.to_string(), shape },
        Error::Unusable(reason) => Error::Unusable(format!("{} {}: {reason}", E::KIND, row.id)),
        other => other,
    })?;
    Ok(Versioned { version: row.version, value })
}

impl<E> Clone for Repository<E> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), entity: PhantomData }
    }
}

impl<E: Entity> fmt::Debug for Repository<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("kind", &E::KIND).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use staffa_context::Context;

    use super::*;
    use crate::{Schema, memory::Memory};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        id: i64,
    }

    impl Entity for Note {
        type Id = i64;
        const KIND: &'static str = "note";
        const INDEXES: crate::Indexes<Self> = &[&TEXT];
        fn id(&self) -> &i64 {
            &self.id
        }
    }

    const TEXT: Index<Note, String> = Index::new("text", |note| note.id.to_string());

    #[tokio::test]
    async fn a_forged_cursor_whose_place_no_store_takes_is_refused() {
        let store: Arc<dyn Store> = Memory::open(vec![Schema::of::<Note>()]).expect("the schema is right");
        let notes: Repository<Note> = Repository::new(&store);
        let read = Fingerprint::new("note", "text", &[PartType::Text], &[], &Bound::All, false);
        let check = async |key: Part, id: Part, taken: bool| {
            let cursor = Cursor::new(&read, &[key], &id);
            let page = notes.range(&Context::background(), &TEXT, (), Page::after(cursor)).await;
            assert_eq!(page.is_ok(), taken, "{page:?}");
        };
        check(Part::Text("a".into()), Part::Int(1), true).await;
        check(Part::Text("a\0".into()), Part::Int(1), false).await;
        check(Part::Text("a".repeat(value::KEY_BYTES_MAX + 1)), Part::Int(1), false).await;
        check(Part::Int(1), Part::Int(1), false).await;
        check(Part::Text("a".into()), Part::Text("1".into()), false).await;
        check(Part::Text("a".into()), Part::None, false).await;
    }
}
