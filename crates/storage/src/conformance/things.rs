//! The entities of the suite.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use staffa_context::Timestamp;
use uuid::Uuid;

use crate::{Entity, Happened, Index, Indexes, KeyPart, Schema};

/// An entity with any content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Doc {
    pub(super) id: String,
    pub(super) value: Value,
}

impl Entity for Doc {
    type Id = String;
    const KIND: &'static str = "doc";
    fn id(&self) -> &String {
        &self.id
    }
}

/// An entity with a key of every type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) rank: Option<i64>,
    pub(super) at: Option<Timestamp>,
    pub(super) open: bool,
    pub(super) tag: Option<Uuid>,
    pub(super) code: Option<String>,
    pub(super) note: String,
}

pub(super) const NAME: Index<Item, String> = Index::new("name", |item| item.name.clone());
pub(super) const RANK: Index<Item, Option<i64>> = Index::new("rank", |item| item.rank);
pub(super) const NAME_AT: Index<Item, (String, Option<Timestamp>)> =
    Index::new("name_at", |item| (item.name.clone(), item.at));
/// A key of four parts, three of them optional.
type Wide = (bool, Option<Uuid>, Option<String>, Option<i64>);

pub(super) const WIDE: Index<Item, Wide> =
    Index::new("wide", |item| (item.open, item.tag, item.code.clone(), item.rank));
pub(super) const CODE: Index<Item, Option<String>> = Index::unique("code", |item| item.code.clone());
pub(super) const NAME_RANK: Index<Item, (String, Option<i64>)> =
    Index::unique("name_rank", |item| (item.name.clone(), item.rank));

impl Entity for Item {
    type Id = i64;
    const KIND: &'static str = "item";
    const INDEXES: Indexes<Self> = &[&NAME, &RANK, &NAME_AT, &WIDE, &CODE, &NAME_RANK];
    fn id(&self) -> &i64 {
        &self.id
    }
}

impl Item {
    pub(super) fn named(id: i64, name: impl Into<String>) -> Self {
        Self { id, name: name.into(), ..Self::default() }
    }
}

/// An entity that is nothing but its id and a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally<I> {
    pub(super) id: I,
    pub(super) count: i64,
}

/// What a [`Tally`] may be named by.
pub(super) trait TallyId:
    KeyPart + Clone + Send + Sync + Serialize + for<'de> Deserialize<'de> + 'static
{
    const KIND: &'static str;
}

impl TallyId for String {
    const KIND: &'static str = "text_tally";
}

impl TallyId for Uuid {
    const KIND: &'static str = "uuid_tally";
}

impl TallyId for Timestamp {
    const KIND: &'static str = "time_tally";
}

impl<I: TallyId> Entity for Tally<I> {
    type Id = I;
    const KIND: &'static str = I::KIND;
    fn id(&self) -> &I {
        &self.id
    }
}

/// A tally with a text for its id.
pub(super) type Account = Tally<String>;

pub(super) fn account(id: &str, count: i64) -> Account {
    Account { id: id.into(), count }
}

/// An event with any payload.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Counted(pub(super) Value);

impl Happened for Counted {
    const NAME: &'static str = "counted";
}

/// Every kind of the suite but those of other shapes: what most cases open stores with.
pub fn schemas() -> Vec<Schema> {
    vec![
        Schema::of::<Doc>(),
        Schema::of::<Item>(),
        Schema::of::<Account>(),
        Schema::of::<Tally<Uuid>>(),
        Schema::of::<Tally<Timestamp>>(),
    ]
}

/// Numbers that are the same in every run (splitmix64).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `sides`, which is not 0.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll() % sides as u64).unwrap_or(0)
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
