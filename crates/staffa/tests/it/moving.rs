//! A store is copied whole, whatever cuts the copy.

use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::json;
use staffa::moving::{self, Copy, Step};
use staffa::storage::memory::Memory;
use staffa::storage::{Commit, Kept, Moving, Section, Unsent};
use staffa::{Cause, Context, Schema, Store};

use crate::orders::{Order, Placed};

fn schemas() -> Vec<Schema> {
    moving::with_progress(vec![Schema::of::<Order>()])
}

fn open() -> Arc<Memory> {
    Memory::open(schemas()).unwrap()
}

fn sections() -> Vec<Section> {
    moving::sections(&schemas())
}

/// More than two pages of orders, some of them changed or deleted, events that were sent or not, and answers.
async fn filled(ctx: &Context) -> Arc<Memory> {
    let memory = open();
    let store: Arc<dyn Store> = memory.clone();
    for n in 0..1_100_u32 {
        let mut unit = store.unit();
        let order = unit.insert(Order { number: format!("{n:04}"), units: n });
        unit.emit(&order, Placed { units: n });
        unit.commit(ctx).await.unwrap();
        if n % 10 < 2 {
            let mut unit = store.unit();
            if n % 10 == 0 {
                unit.update(order.map(|order| Order { units: 0, ..order }));
            } else {
                unit.delete(order);
            }
            unit.commit(ctx).await.unwrap();
        }
        let key = n.to_string();
        let kept = Kept {
            scope: "POST /orders".into(),
            key,
            digest: [7; 32],
            answer: json!({ "n": n }),
            at: ctx.wall(),
        };
        store.commit(ctx, Commit { kept: Some(kept), ..Commit::default() }).await.unwrap();
    }
    let sent: Vec<_> =
        store.unsent(ctx, Unsent::all(300)).await.unwrap().iter().map(|event| event.id).collect();
    store.mark_sent(ctx, &sent).await.unwrap();
    memory
}

fn job<'a>(from: &'a Memory, to: &'a Arc<dyn Moving>, sections: &'a [Section]) -> Copy<'a> {
    Copy { from, source: "memory", to, sections, verify: true }
}

#[tokio::test]
async fn a_copy_that_is_cut_after_any_page_goes_on_and_is_whole() {
    let ctx = &Context::background();
    let (from, sections) = (filled(ctx).await, sections());
    from.freeze(ctx, true).await.unwrap();
    let to: Arc<dyn Moving> = open();
    let mut cuts = 0;
    let held = loop {
        let (cut, cancel) = ctx.with_cancel();
        let mut pages = 0;
        let mut observe = |step: Step| {
            pages += usize::from(matches!(step, Step::Copied(_)));
            if pages == 2 {
                cancel.cancel(Cause::cancelled("killed"));
            }
        };
        match moving::copy(&cut, job(&from, &to, &sections), &mut observe).await {
            Ok(held) => break held,
            Err(error) => assert!(error.to_string().contains("killed"), "{error}"),
        }
        cuts += 1;
        assert!(cuts < 100, "it does not get on");
        assert!(to.is_frozen(ctx).await.unwrap(), "nobody may write into a part of a copy");
    };
    assert!(cuts > 5, "{cuts}");
    assert_eq!(held.records(), 1_100 * 3);
    assert!(!to.is_frozen(ctx).await.unwrap());
    assert_eq!(moving::verify(ctx, &*from, &*to, &sections, &mut |_| ()).await.unwrap(), held);
    let of = |store: Arc<dyn Store>| async move {
        store.unsent(ctx, Unsent::all(2_000)).await.unwrap().iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(of(to.clone()).await, of(from).await, "what is unsent, in its order");
}

#[tokio::test]
async fn what_would_lose_or_mix_data_is_refused() {
    let ctx = &Context::background();
    let (from, sections) = (filled(ctx).await, sections());
    let to: Arc<dyn Moving> = open();
    let refused = async |from: &Memory, to: &Arc<dyn Moving>, words: &str| {
        let error = moving::copy(ctx, job(from, to, &sections), &mut |_| ()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(&from, &to, "the source is not frozen").await;
    from.freeze(ctx, true).await.unwrap();
    let itself: Arc<dyn Moving> = from.clone();
    refused(&from, &itself, "the target has other data (order)").await;

    moving::copy(ctx, job(&from, &to, &sections), &mut |_| ()).await.unwrap();
    refused(&from, &to, "a whole copy of memory already").await;
    assert!(moving::is_copied(ctx, &to).await.unwrap());

    let store: Arc<dyn Store> = to.clone();
    let mut unit = store.unit();
    unit.insert(Order { number: "new".into(), units: 1 });
    unit.commit(ctx).await.unwrap();
    let differs = moving::verify(ctx, &*from, &*to, &sections, &mut |_| ()).await.unwrap_err();
    assert!(differs.to_string().contains("order: 1100 records here, 1101 there"), "{differs}");
}

#[tokio::test]
async fn a_source_that_was_thawed_and_changed_is_not_gone_on_with() {
    let ctx = &Context::background();
    let (from, sections) = (filled(ctx).await, sections());
    from.freeze(ctx, true).await.unwrap();
    let to: Arc<dyn Moving> = open();
    let (cut, cancel) = ctx.with_cancel();
    let mut observe = |step: Step| {
        if matches!(step, Step::Copied(_)) {
            cancel.cancel(Cause::cancelled("killed"));
        }
    };
    moving::copy(&cut, job(&from, &to, &sections), &mut observe).await.unwrap_err();

    from.freeze(ctx, false).await.unwrap();
    let store: Arc<dyn Store> = from.clone();
    let mut unit = store.unit();
    let order = unit.get::<Order>(ctx, "0002".to_owned()).await.unwrap().unwrap();
    unit.update(order);
    unit.commit(ctx).await.unwrap();
    from.freeze(ctx, true).await.unwrap();
    let error = moving::copy(ctx, job(&from, &to, &sections), &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("the source was changed since the copy began (order: "), "{error}");
    let other = Copy { source: "elsewhere", ..job(&from, &to, &sections) };
    let error = moving::copy(ctx, other, &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("has a part of a copy of memory"), "{error}");
}

#[tokio::test]
async fn a_source_that_is_thawed_in_mid_copy_is_noticed() {
    let ctx = &Context::background();
    let (from, sections) = (filled(ctx).await, sections());
    from.freeze(ctx, true).await.unwrap();
    let to: Arc<dyn Moving> = open();
    let mut observe = |step: Step| {
        if matches!(step, Step::Copied(_)) {
            from.freeze(ctx, false).now_or_never().unwrap().unwrap();
        }
    };
    let error = moving::copy(ctx, job(&from, &to, &sections), &mut observe).await.unwrap_err();
    assert!(error.to_string().contains("the source was thawed while it was copied"), "{error}");
    assert!(to.is_frozen(ctx).await.unwrap(), "nobody may write into what may lack something");
    assert!(!moving::is_copied(ctx, &to).await.unwrap());
}
