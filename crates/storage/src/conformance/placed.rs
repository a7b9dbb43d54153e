//! A commit of every part that a commit may have, and which parts of it happened.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::json;
use staffa_context::{Cancel, Cause, Context, IdempotencyKey};

use super::test::find;
use super::things::{Account, Counted, Item, account};
use super::{Broken, Outcome, Test};
use crate::{Error, Result, Store, Unsent};

/// A write of two kinds with an event and an answer, as one commit under this key.
pub(super) async fn place(ctx: &Context, store: &Arc<dyn Store>, key: &str) -> Result<()> {
    let ctx = &ctx.with_value(IdempotencyKey { scope: "place".into(), key: key.into(), digest: [0; 32] });
    let mut unit = store.unit();
    // The marks are the last and first in the order of writing.
    let made = unit.insert(Item { code: Some(key.into()), ..Item::named(number(key), key) });
    unit.insert(account(key, 1));
    unit.emit(&made, Counted(json!(key)));
    unit.answer(ctx, &json!(key));
    unit.commit(ctx).await
}

fn number(key: &str) -> i64 {
    key.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or(-1)
}

/// Which parts of such a commit are there.
pub(super) async fn parts(test: &Test<'_>, store: &Arc<dyn Store>, key: &str) -> Outcome<[bool; 4]> {
    let event = store.unsent(test.ctx, Unsent::all(1_000)).await?;
    Ok([
        event.iter().any(|event| event.payload == json!(key)),
        store.kept(test.ctx, "place", key).await?.is_some(),
        find::<Item>(test, store, &number(key)).await?.is_some(),
        find::<Account>(test, store, &key.to_owned()).await?.is_some(),
    ])
}

/// Whether such a commit happened. Its end may come a moment after it was dropped, also between two of the reads.
pub(super) async fn happened(test: &Test<'_>, store: &Arc<dyn Store>, key: &str) -> Outcome<bool> {
    let mut seen = [false; 4];
    for _ in 0..50 {
        seen = parts(test, store, key).await?;
        if seen == [seen[0]; 4] {
            return Ok(seen[0]);
        }
        test.ctx.sleep(Duration::from_millis(10)).await.map_err(Error::from)?;
    }
    Err(Broken(format!("a part of {key} happened: event, answer, item, account: {seen:?}")))
}

/// Ends the context after so many polls, and gives what the operation makes of it, and whether the context was ended
/// before the operation was.
pub(super) async fn cancelled_after<F: Future>(
    polls: usize,
    cancel: &Cancel,
    future: F,
) -> (F::Output, bool) {
    let mut left = polls;
    let mut future = pin!(future);
    poll_fn(|cx| {
        if left == 0 {
            cancel.cancel(Cause::ClientGone);
        }
        let pending = future.as_mut().poll(cx);
        let cancelled = left == 0;
        left = left.saturating_sub(1);
        match pending {
            Poll::Ready(output) => Poll::Ready((output, cancelled)),
            Poll::Pending => {
                if left == 0 && !cancelled {
                    cancel.cancel(Cause::ClientGone);
                }
                Poll::Pending
            }
        }
    })
    .await
}
