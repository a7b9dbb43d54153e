//! Stores that are opened again, by other binaries too.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::test::{commit, find, holds, insert, insert_all, refused, same, whole};
use super::things::{Account, Counted, Item, account, schemas};
use super::{Case, Outcome, Test, case};
use crate::{
    Entity, Error, Index, Indexes, Kept, Page, Range, Repository, Result, Schema, Unsent, Versioned,
};

pub(super) const CASES: &[Case] = &[
    case!(shape::a_store_opened_again_holds_what_it_held, "a store that is closed and opened again holds its entities, absences, events, answers and unique keys", needs Reopen),
    case!(shape::an_older_document_is_lifted, "a document of an older shape is lifted when it is read, by id and by index, and is written in the new shape", needs Reopen),
    case!(shape::a_newer_document_is_not_overwritten, "an older binary reads no document of a newer shape, and neither overwrites nor deletes one", needs Reopen),
    case!(shape::a_new_index_serves_what_was_there, "an index that is new serves reads once its backfill over all documents, older shapes too, is whole", needs Reopen),
    case!(shape::a_new_unique_index_over_duplicates_is_refused, "a store whose documents break a new unique index is not opened with it, and keeps its data", needs Reopen),
];

/// The first shape of a kind: a name in one text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Older {
    id: i64,
    name: String,
}

const OLDER_NAME: Index<Older, String> = Index::new("name", |older| older.name.clone());

impl Entity for Older {
    type Id = i64;
    const KIND: &'static str = "person";
    const INDEXES: Indexes<Self> = &[&OLDER_NAME];
    fn id(&self) -> &i64 {
        &self.id
    }
}

/// The second shape: a given and a family name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Newer {
    id: i64,
    given: String,
    family: Option<String>,
}

const NEWER_NAME: Index<Newer, String> = Index::new("name", |newer| match &newer.family {
    Some(family) => format!("{} {family}", newer.given),
    None => newer.given.clone(),
});
const FAMILY: Index<Newer, (Option<String>, String)> =
    Index::new("family", |newer| (newer.family.clone(), newer.given.clone()));

fn lift(document: Value) -> Result<Value> {
    let older: Older =
        serde_json::from_value(document).map_err(|error| Error::Unusable(error.to_string()))?;
    let (given, family) = match older.name.split_once(' ') {
        Some((given, family)) => (given.to_owned(), Some(family.to_owned())),
        None => (older.name.clone(), None),
    };
    Ok(json!({ "id": older.id, "given": given, "family": family }))
}

impl Entity for Newer {
    type Id = i64;
    const KIND: &'static str = "person";
    const SHAPE: u32 = 2;
    const INDEXES: Indexes<Self> = &[&NEWER_NAME, &FAMILY];
    fn id(&self) -> &i64 {
        &self.id
    }
    fn upgrade(_shape: u32, document: Value) -> Result<Value> {
        lift(document)
    }
}

/// The first shape again, whose names may not meet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Strict(Older);

const STRICT_NAME: Index<Strict, String> = Index::unique("only_name", |strict| strict.0.name.clone());

impl Entity for Strict {
    type Id = i64;
    const KIND: &'static str = "person";
    const INDEXES: Indexes<Self> = &[&STRICT_NAME];
    fn id(&self) -> &i64 {
        &self.0.id
    }
}

fn older(id: i64, name: &str) -> Older {
    Older { id, name: name.into() }
}

fn newer(id: i64, given: &str, family: Option<&str>) -> Newer {
    Newer { id, given: given.into(), family: family.map(Into::into) }
}

async fn a_store_opened_again_holds_what_it_held(test: &Test<'_>) -> Outcome {
    let store = test.store(schemas()).await?;
    let gone = insert(test, &store, account("gone", 1)).await?;
    let item = Item { code: Some("x".into()), rank: Some(1), ..Item::named(1, "a") };
    let kept =
        Kept { scope: "s".into(), key: "k".into(), digest: [3; 32], answer: json!([1]), at: test.ctx.wall() };
    let kept_too = kept.clone();
    let made = commit(test, &store, |unit| {
        unit.delete(gone);
        let made = unit.insert(item.clone());
        unit.emit(&made, Counted(json!(1)));
        made
    });
    let made = made.await?;
    store.commit(test.ctx, crate::Commit { kept: Some(kept), ..Default::default() }).await?;
    let events = store.unsent(test.ctx, Unsent::all(9)).await?;

    let store = test.reopen(store, schemas()).await?;
    same("the item", find::<Item>(test, &store, &1).await?, Some(made))?;
    same("the outbox", store.unsent(test.ctx, Unsent::all(9)).await?, events)?;
    same("the answer", store.kept(test.ctx, "s", "k").await?, Some(kept_too))?;
    let mut unit = store.unit();
    unit.get::<Account>(test.ctx, "gone".to_owned()).await?;
    same("the version of what comes back", unit.insert(account("gone", 2)).version, 3)?;
    unit.commit(test.ctx).await?;
    let second = insert(test, &store, Item { id: 2, rank: None, ..item }).await;
    refused("a taken code", second, &super::test::duplicate::<Item>("code"))
}

async fn an_older_document_is_lifted(test: &Test<'_>) -> Outcome {
    let store = test.store(vec![Schema::of::<Older>()]).await?;
    insert_all(test, &store, &[older(1, "Ada Lovelace"), older(2, "Plato")]).await?;
    let store = test.reopen(store, vec![Schema::of::<Newer>()]).await?;
    let ada = find::<Newer>(test, &store, &1).await?;
    let want = Versioned { version: 1, value: newer(1, "Ada", Some("Lovelace")) };
    same("by id", ada.clone(), Some(want))?;
    let repository = Repository::<Newer>::new(&store);
    let plato =
        whole(test.ctx, async || repository.first(test.ctx, &NEWER_NAME, "Plato".to_owned()).await).await?;
    same("by index", plato.map(|plato| plato.value), Some(newer(2, "Plato", None)))?;
    let Some(ada) = ada else { return holds("Ada is there", false) };
    commit(test, &store, |unit| unit.update(ada.map(|ada| Newer { given: "Augusta".into(), ..ada }))).await?;
    let found = find::<Newer>(test, &store, &1).await?;
    same("after a write", found.map(|ada| ada.value), Some(newer(1, "Augusta", Some("Lovelace"))))
}

async fn a_newer_document_is_not_overwritten(test: &Test<'_>) -> Outcome {
    let store = test.store(vec![Schema::of::<Newer>()]).await?;
    insert_all(test, &store, &[newer(1, "Ada", Some("Lovelace"))]).await?;
    let store = test.reopen(store, vec![Schema::of::<Older>()]).await?;
    let error = || Error::NewerShape { kind: "person".into(), id: "1".into(), shape: 2 };
    refused("a read", find::<Older>(test, &store, &1).await, &error())?;
    let old = Versioned { version: 1, value: older(1, "Ada") };
    let written = commit(test, &store, |unit| {
        unit.insert(older(2, "Plato"));
        unit.update(old.clone());
    });
    refused("an update", written.await, &error())?;
    let deleted = commit(test, &store, |unit| unit.delete(old)).await;
    refused("a deletion", deleted, &error())?;
    insert(test, &store, older(3, "Hypatia")).await?;

    let store = test.reopen(store, vec![Schema::of::<Newer>()]).await?;
    let found = find::<Newer>(test, &store, &1).await?;
    let want = Versioned { version: 1, value: newer(1, "Ada", Some("Lovelace")) };
    same("the document", found, Some(want))?;
    same("beside the refused update", find::<Newer>(test, &store, &2).await?, None)?;
    let lifted = find::<Newer>(test, &store, &3).await?;
    same("what the older binary wrote", lifted.map(|found| found.value), Some(newer(3, "Hypatia", None)))
}

async fn a_new_index_serves_what_was_there(test: &Test<'_>) -> Outcome {
    let store = test.store(vec![Schema::of::<Older>()]).await?;
    let names = ["Ada Lovelace", "Plato", "Annabella Lovelace", "Alan Turing"];
    let people: Vec<Older> = (0..).zip(names).map(|(id, name)| older(id, name)).collect();
    insert_all(test, &store, &people).await?;
    // More than one batch of a backfill.
    let many: Vec<Older> = (10..2_510).map(|id| older(id, &format!("N{id} Many"))).collect();
    insert_all(test, &store, &many).await?;
    let store = test.reopen(store, vec![Schema::of::<Newer>()]).await?;
    insert(test, &store, newer(4, "Byron", Some("Lovelace"))).await?;
    let repository = Repository::<Newer>::new(&store);
    let lovelaces = (Some("Lovelace".to_owned()),);
    let read = async || repository.range(test.ctx, &FAMILY, lovelaces.clone(), Page::first()).await;
    let page = whole(test.ctx, read).await?;
    let given: Vec<String> = page.items.into_iter().map(|person| person.value.given).collect();
    same("the Lovelaces", given, ["Ada", "Annabella", "Byron"].map(str::to_owned).to_vec())?;
    let page = repository.range(test.ctx, &FAMILY, Range::of((None,)), Page::first()).await?;
    same("without a family", page.items.iter().map(|person| person.id).collect::<Vec<_>>(), vec![1])?;
    let (mut total, mut cursor) = (0, None);
    loop {
        let page = Page::after(cursor).limit(1_000);
        let page = repository.range(test.ctx, &FAMILY, (Some("Many".to_owned()),), page).await?;
        total += page.items.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    same("the many", total, many.len())
}

async fn a_new_unique_index_over_duplicates_is_refused(test: &Test<'_>) -> Outcome {
    let store = test.store(vec![Schema::of::<Older>()]).await?;
    insert_all(test, &store, &[older(1, "same"), older(2, "same")]).await?;
    let opened = test.try_reopen(store, vec![Schema::of::<Strict>()]).await;
    let store = match opened {
        Err(Error::Duplicate { .. } | Error::Unusable(_)) => test.store(vec![Schema::of::<Older>()]).await?,
        Err(error) => return Err(error.into()),
        Ok(_) => return holds("it is refused", false),
    };
    same("the data", find::<Older>(test, &store, &2).await?.map(|found| found.value), Some(older(2, "same")))
}
