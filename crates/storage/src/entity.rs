use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{DeclaredIndex, Document, Error, IndexSchema, KeyPart, Part, Result, Schema, value};

/// The indexes of an entity: `&[&CODE, &PRICE]`.
pub type Indexes<E> = &'static [&'static dyn DeclaredIndex<E>];

/// A thing with an id, kept as one document.
///
/// Its document is what `serde` makes of it, and MUST be a map of fields (a struct). See [`crate::value`] for what
/// a document may hold.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use staffa_storage::{Entity, Index, Indexes};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// pub struct Product { pub code: String, pub pence: i64 }
///
/// pub const PRICE: Index<Product, i64> = Index::new("price", |product| product.pence);
///
/// impl Entity for Product {
///     type Id = String;
///     const KIND: &'static str = "product";
///     const INDEXES: Indexes<Self> = &[&PRICE];
///     fn id(&self) -> &String { &self.code }
/// }
/// ```
pub trait Entity: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// What names it among its kind. Never none.
    type Id: KeyPart + Clone + Send + Sync;

    /// The name of the kind, in stores and events: 1 to 40 of `a-z`, `0-9` and `_`, a letter first. Renaming it
    /// loses what was stored under the old name.
    const KIND: &'static str;

    /// The shape of the document that this binary writes. Raise it when older documents no longer deserialise.
    const SHAPE: u32 = 1;

    /// What it can be read by besides its id.
    const INDEXES: Indexes<Self> = &[];

    /// Its id, which MUST NOT change while it lives.
    fn id(&self) -> &Self::Id;

    /// Lifts a document of an older shape to [`Entity::SHAPE`], whenever one is read.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] unless it is overridden.
    fn upgrade(shape: u32, document: Value) -> Result<Value> {
        drop(document);
        Err(Error::Unusable(format!("{} has no upgrade from shape {shape}", Self::KIND)))
    }
}

impl Schema {
    /// What an adapter has to know of this kind.
    pub fn of<E: Entity>() -> Self {
        let indexes = E::INDEXES
            .iter()
            .map(|index| IndexSchema { name: index.name(), unique: index.is_unique(), parts: index.types() })
            .collect();
        Self { kind: E::KIND, shape: E::SHAPE, id: E::Id::TYPE, indexes, keys: stored_keys::<E> }
    }
}

fn stored_keys<E: Entity>(shape: u32, document: Value) -> Result<Vec<Vec<Part>>> {
    keys(&decode::<E>(shape, Document::Value(document))?)
}

/// The key of every index, each checked.
pub(crate) fn keys<E: Entity>(entity: &E) -> Result<Vec<Vec<Part>>> {
    E::INDEXES.iter().map(|index| index.key(entity)).collect()
}

/// The id, checked.
pub(crate) fn id<E: Entity>(id: &E::Id) -> Result<Part> {
    let part = id.part()?;
    let path = || format!("{}.id", E::KIND);
    if part == Part::None {
        return Err(Error::invalid(path(), "an id is never none"));
    }
    value::check_key(path, std::slice::from_ref(&part))?;
    Ok(part)
}

/// The entity of a stored document of this or an older shape.
pub(crate) fn decode<E: Entity>(shape: u32, document: Document) -> Result<E> {
    let document = match shape.cmp(&E::SHAPE) {
        std::cmp::Ordering::Equal => document,
        std::cmp::Ordering::Less => Document::Value(E::upgrade(shape, document.value()?)?),
        std::cmp::Ordering::Greater => {
            return Err(Error::NewerShape { kind: E::KIND.into(), id: String::new(), shape });
        }
    };
    document.read().map_err(|error| Error::Unusable(format!("a stored {} does not fit: {error}", E::KIND)))
}
