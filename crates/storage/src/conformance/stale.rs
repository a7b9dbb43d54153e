//! What of an older build's rows is stale for a newer one, and what becomes of those that cannot be keyed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::test::{commit, find, holds, insert, insert_all, same};
use super::{Broken, Case, Outcome, Test, case};
use crate::{Entity, Error, Index, Indexes, Page, Repository, Result, Schema, Store};

pub(super) const CASES: &[Case] = &[
    case!(stale::a_new_shape_alone_makes_no_row_stale, "a build whose shape is newer and whose indexes are the same reads by them at once, however much the old build writes", needs Roll),
    case!(stale::two_rows_with_one_new_unique_key_are_told_of, "a read by a new unique index never gives two rows of an old build that have one key: it is unavailable until one of them is changed", needs Roll),
];

/// More rows than a read keys by itself.
const MANY: i64 = 1_100;

/// What the old build knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Then {
    id: i64,
    code: String,
}

/// The same with a field more, of which no index knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shaped {
    id: i64,
    code: String,
    note: Option<String>,
}

/// The same with a unique index more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Keyed {
    id: i64,
    code: String,
}

const BY_CODE: Index<Then, String> = Index::new("code", |then| then.code.clone());
const SHAPED_BY_CODE: Index<Shaped, String> = Index::new("code", |shaped| shaped.code.clone());
const KEYED_BY_CODE: Index<Keyed, String> = Index::new("code", |keyed| keyed.code.clone());
const ONE_OF_CODE: Index<Keyed, String> = Index::unique("one_of_code", |keyed| keyed.code.clone());

impl Entity for Then {
    type Id = i64;
    const KIND: &'static str = "stale";
    const INDEXES: Indexes<Self> = &[&BY_CODE];
    fn id(&self) -> &i64 {
        &self.id
    }
}

impl Entity for Shaped {
    type Id = i64;
    const KIND: &'static str = "stale";
    const SHAPE: u32 = 2;
    const INDEXES: Indexes<Self> = &[&SHAPED_BY_CODE];
    fn id(&self) -> &i64 {
        &self.id
    }
    fn upgrade(_shape: u32, mut document: Value) -> Result<Value> {
        document["note"] = Value::Null;
        Ok(document)
    }
}

impl Entity for Keyed {
    type Id = i64;
    const KIND: &'static str = "stale";
    const SHAPE: u32 = 2;
    const INDEXES: Indexes<Self> = &[&KEYED_BY_CODE, &ONE_OF_CODE];
    fn id(&self) -> &i64 {
        &self.id
    }
    fn upgrade(_shape: u32, document: Value) -> Result<Value> {
        Ok(document)
    }
}

fn then(id: i64, code: &str) -> Then {
    Then { id, code: code.into() }
}

async fn a_new_shape_alone_makes_no_row_stale(test: &Test<'_>) -> Outcome {
    let old = test.store(vec![Schema::of::<Then>()]).await?;
    insert_all(test, &old, &(0..MANY).map(|id| then(id, "a")).collect::<Vec<_>>()).await?;
    let new = test.store(vec![Schema::of::<Shaped>()]).await?;
    new.ping(test.ctx).await?;
    insert_all(test, &old, &(MANY..2 * MANY).map(|id| then(id, "b")).collect::<Vec<_>>()).await?;
    for code in ["a", "b"] {
        let (repository, page) = (Repository::<Shaped>::new(&new), Page::first().limit(1_000));
        let page = repository.range(test.ctx, &SHAPED_BY_CODE, (code.to_owned(),), page).await?;
        same(code, page.items.len(), 1_000)?;
    }
    new.ping(test.ctx).await?;
    Ok(())
}

/// The ids that have this code, by the new unique index.
async fn with_code(test: &Test<'_>, store: &Arc<dyn Store>, code: &str) -> Result<Vec<i64>> {
    let repository = Repository::<Keyed>::new(store);
    let page = repository.range(test.ctx, &ONE_OF_CODE, (code.to_owned(),), Page::first()).await?;
    Ok(page.items.iter().map(|keyed| keyed.id).collect())
}

async fn two_rows_with_one_new_unique_key_are_told_of(test: &Test<'_>) -> Outcome {
    let old = test.store(vec![Schema::of::<Then>()]).await?;
    insert(test, &old, then(1, "a")).await?;
    let new = test.store(vec![Schema::of::<Keyed>()]).await?;
    same("at first", with_code(test, &new, "a").await?, vec![1])?;
    let second = insert(test, &old, then(2, "a")).await?;
    for _ in 0..3 {
        match with_code(test, &new, "a").await {
            Err(Error::Unavailable(words)) => holds(&words, words.contains("one_of_code"))?,
            other => return Err(Broken(format!("two rows with one key: {other:?}"))),
        }
    }
    holds("by id they are read", find::<Keyed>(test, &new, &2).await?.is_some())?;
    commit(test, &old, |unit| unit.update(second.map(|then| Then { code: "b".into(), ..then }))).await?;
    same("the first", with_code(test, &new, "a").await?, vec![1])?;
    same("the second, changed", with_code(test, &new, "b").await?, vec![2])
}
