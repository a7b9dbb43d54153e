use std::pin::pin;
use std::task::Poll;

use staffa_channel::{Reason, SendError, TryRecvError, bounded};
use staffa_context::{Cause, Context};

use crate::poll;

#[tokio::test]
async fn values_arrive_in_order() {
    let ctx = Context::background();
    for capacity in [0, 1, 7] {
        let (tx, rx) = bounded(capacity);
        let send = async {
            for value in 0..1_000 {
                tx.send(&ctx, value).await.unwrap();
            }
            tx.close();
        };
        let receive = async {
            let mut received = Vec::new();
            while let Some(value) = rx.recv(&ctx).await.unwrap() {
                received.push(value);
            }
            received
        };
        let ((), received) = futures_util::future::join(send, receive).await;
        assert_eq!(received, (0..1_000).collect::<Vec<_>>(), "capacity {capacity}");
    }
}

#[test]
fn a_rendezvous_send_completes_only_when_a_receiver_took_the_value() {
    let ctx = Context::background();
    let (tx, rx) = bounded(0);
    let mut send = pin!(tx.send(&ctx, 'a'));
    assert_eq!(poll(send.as_mut()), Poll::Pending);
    assert_eq!(poll(send.as_mut()), Poll::Pending);
    assert_eq!(poll(pin!(rx.recv(&ctx))), Poll::Ready(Ok(Some('a'))));
    assert_eq!(poll(send.as_mut()), Poll::Ready(Ok(())));
}

#[test]
fn a_bounded_send_waits_only_for_room() {
    let ctx = Context::background();
    let (tx, rx) = bounded(2);
    assert_eq!(poll(pin!(tx.send(&ctx, 1))), Poll::Ready(Ok(())));
    assert_eq!(poll(pin!(tx.send(&ctx, 2))), Poll::Ready(Ok(())));
    let mut third = pin!(tx.send(&ctx, 3));
    assert_eq!(poll(third.as_mut()), Poll::Pending);
    assert_eq!(rx.len(), 2);
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(poll(third.as_mut()), Poll::Ready(Ok(())));
    assert_eq!((rx.try_recv(), rx.try_recv(), rx.try_recv()), (Ok(2), Ok(3), Err(TryRecvError::Empty)));
}

#[test]
fn a_send_does_not_overtake_one_that_waits() {
    let ctx = Context::background();
    let (tx, rx) = bounded(1);
    tx.try_send(1).unwrap();
    let mut waiting = pin!(tx.send(&ctx, 2));
    assert_eq!(poll(waiting.as_mut()), Poll::Pending);
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(tx.try_send(3), Err(SendError { value: 3, reason: Reason::Full }));
    assert_eq!(rx.try_recv(), Ok(2));
}

#[test]
fn try_send_on_a_rendezvous_needs_a_receiver_that_waits() {
    let ctx = Context::background();
    let (tx, rx) = bounded(0);
    assert_eq!(tx.try_send(1), Err(SendError { value: 1, reason: Reason::Full }));
    let mut receive = pin!(rx.recv(&ctx));
    assert_eq!(poll(receive.as_mut()), Poll::Pending);
    assert_eq!(tx.try_send(1), Ok(()));
    assert_eq!(tx.try_send(2), Err(SendError { value: 2, reason: Reason::Full }));
    assert_eq!(poll(receive.as_mut()), Poll::Ready(Ok(Some(1))));
}

#[test]
fn an_ended_context_neither_sends_nor_receives() {
    let (ctx, cancel) = Context::background().with_cancel();
    let (tx, rx) = bounded(1);
    tx.try_send(1).unwrap();
    cancel.cancel(Cause::ClientGone);
    assert_eq!(poll(pin!(rx.recv(&ctx))), Poll::Ready(Err(Cause::ClientGone)));
    assert_eq!(rx.try_recv(), Ok(1));
    let refused = SendError { value: 2, reason: Reason::Ended(Cause::ClientGone) };
    assert_eq!(poll(pin!(tx.send(&ctx, 2))), Poll::Ready(Err(refused)));
}

#[test]
fn a_send_whose_context_ends_gives_its_value_back() {
    let (ctx, cancel) = Context::background().with_cancel();
    for capacity in [0, 1] {
        let (tx, rx) = bounded(capacity);
        for value in 0..capacity {
            tx.try_send(value).unwrap();
        }
        let (ctx, cancel_send) = ctx.with_cancel();
        let mut send = pin!(tx.send(&ctx, 9));
        assert_eq!(poll(send.as_mut()), Poll::Pending);
        cancel_send.cancel(Cause::cancelled("enough"));
        let refused = SendError { value: 9, reason: Reason::Ended(Cause::cancelled("enough")) };
        assert_eq!(poll(send.as_mut()), Poll::Ready(Err(refused)));
        assert_eq!(rx.len(), capacity);
    }
    drop(cancel);
}

#[test]
fn a_send_that_was_taken_succeeds_even_if_its_context_ended_since() {
    let (ctx, cancel) = Context::background().with_cancel();
    let (tx, rx) = bounded(0);
    let mut send = pin!(tx.send(&ctx, 'a'));
    assert_eq!(poll(send.as_mut()), Poll::Pending);
    assert_eq!(rx.try_recv(), Ok('a'));
    cancel.cancel(Cause::ClientGone);
    assert_eq!(poll(send.as_mut()), Poll::Ready(Ok(())));
}

#[tokio::test]
async fn receivers_are_branches_of_a_select() {
    let ctx = Context::background();
    let (left, from_left) = bounded(0);
    let (right, from_right) = bounded(0);
    let send = async {
        for value in 0..100 {
            let tx = if value % 3 == 0 { &left } else { &right };
            tx.send(&ctx, value).await.unwrap();
        }
        left.close();
        right.close();
    };
    let receive = async {
        let mut received = Vec::new();
        loop {
            let value = tokio::select! {
                value = from_left.recv(&ctx) => value,
                value = from_right.recv(&ctx) => value,
            };
            let Some(value) = value.unwrap() else { break received };
            received.push(value);
        }
    };
    let ((), received) = futures_util::future::join(send, receive).await;
    assert_eq!(received, (0..100).collect::<Vec<_>>());
}
