use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use staffa_channel::{Receiver, batch, bounded, map_concurrent, merge};
use staffa_context::{Cause, Context, Group, GroupError};

/// Longer than any test may take, so that only an end can make a batch.
const NEVER: Duration = Duration::from_secs(3_600);

async fn source(group: &Group<Cause>, values: std::ops::Range<u32>) -> Receiver<u32> {
    let (tx, rx) = bounded(0);
    group
        .spawn("source", move |ctx| async move {
            for value in values {
                if tx.send(&ctx, value).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await
        .unwrap();
    rx
}

async fn drain<T>(ctx: &Context, rx: Receiver<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(value) = rx.recv(ctx).await.unwrap() {
        all.push(value);
    }
    all
}

#[tokio::test]
async fn map_concurrent_maps_every_value_on_so_many_workers() {
    let ctx = Context::background();
    let group = Group::<Cause>::new(&ctx, "pipeline");
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let input = source(&group, 0..100).await;
    let (now, high) = (Arc::clone(&running), Arc::clone(&most));
    let doubled = map_concurrent(&group, input, 3, move |_, value| {
        let (now, high) = (Arc::clone(&now), Arc::clone(&high));
        async move {
            high.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(value * 2)
        }
    })
    .await
    .unwrap();
    let mut all = drain(&ctx, doubled).await;
    all.sort_unstable();
    assert_eq!(all, (0..100).map(|value| value * 2).collect::<Vec<_>>());
    assert!(most.load(Ordering::SeqCst) <= 3);
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_failing_stage_ends_the_whole_pipeline() {
    let ctx = Context::background();
    let group = Group::<Cause>::new(&ctx, "pipeline");
    let input = source(&group, 0..1_000_000).await;
    let output = map_concurrent(&group, input, 2, |_, value| async move {
        if value == 5 { Err(Cause::cancelled("five")) } else { Ok(value) }
    })
    .await
    .unwrap();
    while output.recv(&ctx).await.unwrap().is_some() {}
    let failed = group.wait().await.unwrap_err();
    assert!(
        matches!(failed, GroupError::Failed { error: Cause::Cancelled(ref words), .. } if words == "five"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_stage_ends_when_nobody_receives_from_it() {
    let ctx = Context::background();
    let group = Group::<Cause>::new(&ctx, "pipeline");
    let input = source(&group, 0..u32::MAX).await;
    let output = map_concurrent(&group, input, 2, |_, value| async move { Ok(value) }).await.unwrap();
    assert!(output.recv(&ctx).await.unwrap().is_some());
    drop(output);
    group.wait().await.unwrap();
}

#[tokio::test]
async fn batches_are_full_but_the_last() {
    let ctx = Context::background();
    let group = Group::<Cause>::new(&ctx, "pipeline");
    let input = source(&group, 0..10).await;
    let batches = drain(&ctx, batch(&group, input, 4, NEVER).await.unwrap()).await;
    assert_eq!(batches, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    group.wait().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_full_goes_on_in_time() {
    let ctx = Context::background();
    let group = Group::<Cause>::new(&ctx, "pipeline");
    let (tx, rx) = bounded(8);
    let batches = batch(&group, rx, 4, Duration::from_millis(10)).await.unwrap();
    tx.send(&ctx, 1).await.unwrap();
    assert_eq!(batches.recv(&ctx).await, Ok(Some(vec![1])));
    drop(tx);
    assert_eq!(batches.recv(&ctx).await, Ok(None));
    group.wait().await.unwrap();
}

#[tokio::test]
async fn merge_keeps_the_order_of_each_input() {
    let ctx = Context::background();
    let group = Group::<Cause>::new(&ctx, "pipeline");
    let inputs = vec![source(&group, 0..50).await, source(&group, 100..150).await];
    let all = drain(&ctx, merge(&group, inputs).await.unwrap()).await;
    let (low, high): (Vec<u32>, Vec<u32>) = all.into_iter().partition(|value| *value < 100);
    assert_eq!(low, (0..50).collect::<Vec<_>>());
    assert_eq!(high, (100..150).collect::<Vec<_>>());
    group.wait().await.unwrap();
}
