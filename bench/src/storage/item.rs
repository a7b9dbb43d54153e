use serde::{Deserialize, Serialize};
use staffa::storage::{Entity, Happened, Index, Indexes};

use super::GROUP;

/// What is stored: a document of about 300 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) group: i64,
    pub(crate) name: String,
    pub(crate) price: i64,
    pub(crate) tags: Vec<String>,
    pub(crate) notes: String,
}

/// Items by their group.
pub(crate) const BY_GROUP: Index<Item, i64> = Index::new("group", |item| item.group);

impl Entity for Item {
    type Id = i64;
    const KIND: &'static str = "item";
    const INDEXES: Indexes<Self> = &[&BY_GROUP];

    fn id(&self) -> &i64 {
        &self.id
    }
}

impl Item {
    /// The item in this version: only its price differs.
    pub(crate) fn new(id: i64, version: i64) -> Self {
        Self {
            id,
            group: id / GROUP,
            name: format!("WHITE HANGING HEART T-LIGHT HOLDER {id}"),
            price: 255 + version,
            tags: ["hanging", "white", "heart", "light"].map(str::to_owned).into(),
            notes: "a product of the shop's own size, with words that a person reads ".repeat(2),
        }
    }
}

/// An item has another price.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Repriced {
    pub(crate) item: i64,
    pub(crate) price: i64,
}

impl Happened for Repriced {
    const NAME: &'static str = "repriced";
}
