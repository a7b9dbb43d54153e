//! The table of the crate's first page, row by row.
use std::pin::pin;
use std::task::Poll;

use staffa_channel::{Reason, Receiver, SendError, Sender, TryRecvError, bounded};
use staffa_context::Context;

use crate::poll;

/// Every way to close, once with buffered values.
fn check(
    case: &str,
    close: impl Fn(Sender<i32>, Receiver<i32>) -> (Option<Sender<i32>>, Option<Receiver<i32>>),
) {
    let ctx = Context::background();
    let (tx, rx) = bounded(2);
    tx.try_send(1).unwrap();
    let (tx, rx) = close(tx, rx);
    if let Some(tx) = tx {
        let refused = SendError { value: 2, reason: Reason::Closed };
        assert_eq!(poll(pin!(tx.send(&ctx, 2))), Poll::Ready(Err(refused.clone())), "{case}");
        assert_eq!(tx.try_send(2), Err(refused), "{case}");
        assert!(tx.is_closed(), "{case}");
        tx.close();
    }
    if let Some(rx) = rx {
        assert_eq!(poll(pin!(rx.recv(&ctx))), Poll::Ready(Ok(Some(1))), "{case}");
        assert_eq!(poll(pin!(rx.recv(&ctx))), Poll::Ready(Ok(None)), "{case}");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed), "{case}");
    }
}

#[test]
fn a_closed_channel_refuses_sends_and_gives_what_is_buffered() {
    check("the sender closes", |tx, rx| {
        tx.close();
        (Some(tx), Some(rx))
    });
    check("the receiver closes", |tx, rx| {
        rx.close();
        (Some(tx), Some(rx))
    });
    check("the last sender is dropped", |tx, rx| {
        let other = tx.clone();
        drop(tx);
        assert!(!other.is_closed());
        drop(other);
        (None, Some(rx))
    });
    check("the last receiver is dropped", |tx, rx| {
        let other = rx.clone();
        drop(rx);
        assert!(!tx.is_closed());
        drop(other);
        (Some(tx), None)
    });
}

#[test]
fn a_send_that_waits_while_it_closes_gives_its_value_back() {
    let ctx = Context::background();
    let (tx, rx) = bounded(0);
    let mut send = pin!(tx.send(&ctx, 1));
    assert_eq!(poll(send.as_mut()), Poll::Pending);
    tx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(poll(send.as_mut()), Poll::Ready(Err(SendError { value: 1, reason: Reason::Closed })));
}

#[test]
fn a_receive_that_waits_while_it_closes_gives_none() {
    let ctx = Context::background();
    let (tx, rx) = bounded::<i32>(0);
    let mut receive = pin!(rx.recv(&ctx));
    assert_eq!(poll(receive.as_mut()), Poll::Pending);
    drop(tx);
    assert_eq!(poll(receive.as_mut()), Poll::Ready(Ok(None)));
}

#[test]
fn the_last_receiver_drops_what_is_buffered() {
    let value = std::sync::Arc::new(());
    let (tx, rx) = bounded(1);
    tx.try_send(std::sync::Arc::clone(&value)).unwrap();
    drop(rx);
    assert_eq!(std::sync::Arc::strong_count(&value), 1);
}
