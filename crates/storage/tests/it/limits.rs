//! What queues, buffers or pages has a limit: the port's own, the same on every store.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use staffa_context::{Context, IdempotencyKey};
use staffa_storage::memory::Memory;
use staffa_storage::{
    Entity, Error, Happened, Index, IndexSchema, Indexes, Page, PartType, Repository, Schema, Store, Unit,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    id: i64,
    text: String,
}

const TEXT: Index<Note, (String, i64)> = Index::new("text", |note| (note.text.clone(), note.id));

impl Entity for Note {
    type Id = i64;
    const KIND: &'static str = "note";
    const INDEXES: Indexes<Self> = &[&TEXT];
    fn id(&self) -> &i64 {
        &self.id
    }
}

#[derive(Serialize)]
struct Noted;

impl Happened for Noted {
    const NAME: &'static str = "noted";
}

fn store() -> Arc<dyn Store> {
    Memory::open(vec![Schema::of::<Note>()]).unwrap()
}

fn note(id: i64) -> Note {
    Note { id, text: "a".into() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, at: &str) {
    assert!(matches!(&result, Err(Error::Invalid { path, .. }) if path == at), "{result:?}");
}

#[tokio::test]
async fn a_unit_remembers_a_thousand_entities() {
    let (store, ctx) = (store(), &Context::background());
    let mut unit = store.unit();
    let most = Unit::LEN_MAX as i64;
    for id in 0..most {
        assert_eq!(unit.get::<Note>(ctx, id).await, Ok(None));
    }
    refused(unit.get::<Note>(ctx, most).await, "unit");
    refused(unit.get_many::<Note>(ctx, [0, most]).await, "unit");
    assert_eq!(unit.get_many::<Note>(ctx, [0, most - 1]).await, Ok(vec![None, None]));
    assert_eq!(unit.get::<Note>(ctx, 0).await, Ok(None), "what it remembers may be read again");
    unit.commit(ctx).await.unwrap();
}

#[tokio::test]
async fn a_unit_emits_a_thousand_events() {
    let (store, ctx) = (store(), &Context::background());
    for (events, takes) in [(Unit::LEN_MAX, true), (Unit::LEN_MAX + 1, false)] {
        let mut unit = store.unit();
        let noted = unit.insert(note(events as i64));
        (0..events).for_each(|_| unit.emit(&noted, Noted));
        let result = unit.commit(ctx).await;
        if takes { result.unwrap() } else { refused(result, "unit") }
    }
}

#[tokio::test]
async fn a_page_has_a_thousand_entities_and_fifty_unless_it_says_otherwise() {
    let (store, ctx) = (store(), &Context::background());
    let notes: Repository<Note> = Repository::new(&store);
    let mut unit = store.unit();
    (0..60).for_each(|id| drop(unit.insert(note(id))));
    unit.commit(ctx).await.unwrap();
    assert_eq!(notes.all(ctx, Page::first()).await.unwrap().items.len(), 50);
    refused(notes.all(ctx, Page::first().limit(0)).await, "limit");
    refused(notes.all(ctx, Page::first().limit(1_001)).await, "limit");
    assert_eq!(notes.all(ctx, Page::first().limit(1_000)).await.unwrap().items.len(), 60);
}

#[tokio::test]
async fn a_key_has_1024_bytes_over_all_of_its_parts() {
    let (store, ctx) = (store(), &Context::background());
    for (len, takes) in [(1_016, true), (1_017, false)] {
        let mut unit = store.unit();
        unit.insert(Note { id: 1, text: "x".repeat(len) });
        let result = unit.commit(ctx).await;
        if takes { result.unwrap() } else { refused(result, "note.text") }
    }
}

#[tokio::test]
async fn a_kept_scope_and_key_have_1_to_255_bytes() {
    let (store, ctx) = (store(), &Context::background());
    for (text, takes) in [("", false), ("k", true), (&*"k".repeat(255), true), (&*"k".repeat(256), false)] {
        for (scope, key, at) in [(text, "key", "scope"), ("scope", text, "key")] {
            let key = IdempotencyKey { scope: scope.into(), key: key.into(), digest: [0; 32] };
            let ctx = ctx.with_value(key);
            let mut unit = store.unit();
            unit.answer(&ctx, &1);
            let result = unit.commit(&ctx).await;
            if takes { result.unwrap() } else { refused(result, at) }
        }
    }
}

#[test]
fn a_schema_that_no_store_takes_is_refused() {
    let check = |change: fn(&mut Schema), words: &str| {
        let mut schema = Schema::of::<Note>();
        change(&mut schema);
        let error = Schema::check(&[schema]).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    Schema::check(&[Schema::of::<Note>()]).unwrap();
    check(|schema| schema.indexes[0].parts = vec![PartType::Int; 5], "has not 1 to 4 parts");
    check(|schema| schema.indexes[0].parts = vec![], "has not 1 to 4 parts");
    check(|schema| schema.indexes[0].name = "id", "named id");
    check(|schema| schema.shape = 0, "shape");
    check(|schema| schema.kind = "Note", "is not 1 to 40 of a-z");
    check(|schema| schema.kind = "a2345678901234567890123456789012345678901", "is not 1 to 40");
    check(
        |schema| {
            let again = IndexSchema { unique: true, ..schema.indexes[0].clone() };
            schema.indexes.push(again);
        },
        "there are two",
    );
    assert!(Schema::check(&[Schema::of::<Note>(), Schema::of::<Note>()]).is_err());
}
