//! Cancel safety both ways: by random sequences of hand-polled futures against a count of what must be where,
//! and by a stress on several threads.
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use proptest::prelude::*;
use staffa_channel::{Reason, Receiver, SendError, Sender, bounded};
use staffa_context::{Cause, Context};

type Sent = Pin<Box<dyn Future<Output = (u32, Result<(), SendError<u32>>)>>>;
type Received = Pin<Box<dyn Future<Output = Result<Option<u32>, Cause>>>>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    TrySend,
    Receive,
    TryReceive,
    PollSend(usize),
    PollReceive(usize),
    DropSend(usize),
    DropReceive(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Send),
        1 => Just(Step::TrySend),
        3 => Just(Step::Receive),
        1 => Just(Step::TryReceive),
        4 => any::<usize>().prop_map(Step::PollSend),
        4 => any::<usize>().prop_map(Step::PollReceive),
        1 => any::<usize>().prop_map(Step::DropSend),
        1 => any::<usize>().prop_map(Step::DropReceive),
    ]
}

/// Counts its wake-ups, so that a receiver that must look is seen to be told so.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Receiving {
    future: Received,
    woken: Arc<Woken>,
    seen: usize,
}

struct World {
    tx: Sender<u32>,
    rx: Receiver<u32>,
    next: u32,
    sends: Vec<(u32, Sent)>,
    receives: Vec<Receiving>,
    /// Values whose sends succeeded or were dropped unseen: the first must arrive, the others may.
    sent: BTreeSet<u32>,
    dropped: BTreeSet<u32>,
    arrived: Vec<u32>,
}

impl World {
    fn new(capacity: usize) -> Self {
        let (tx, rx) = bounded(capacity);
        Self {
            tx,
            rx,
            next: 0,
            sends: Vec::new(),
            receives: Vec::new(),
            sent: BTreeSet::new(),
            dropped: BTreeSet::new(),
            arrived: Vec::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send => {
                let (tx, value) = (self.tx.clone(), self.value());
                let send = async move { (value, tx.send(&Context::background(), value).await) };
                self.sends.push((value, Box::pin(send)));
                self.poll_send(self.sends.len() - 1);
            }
            Step::TrySend => {
                let value = self.value();
                if self.tx.try_send(value).is_ok() {
                    self.sent.insert(value);
                }
            }
            Step::Receive => {
                let rx = self.rx.clone();
                let future = Box::pin(async move { rx.recv(&Context::background()).await });
                self.receives.push(Receiving { future, woken: Arc::default(), seen: 0 });
                self.poll_receive(self.receives.len() - 1);
            }
            Step::TryReceive => self.arrived.extend(self.rx.try_recv().ok()),
            Step::PollSend(at) if !self.sends.is_empty() => self.poll_send(at % self.sends.len()),
            Step::PollReceive(at) if !self.receives.is_empty() => self.poll_receive(at % self.receives.len()),
            Step::DropSend(at) if !self.sends.is_empty() => {
                let (value, _) = self.sends.swap_remove(at % self.sends.len());
                self.dropped.insert(value);
            }
            Step::DropReceive(at) if !self.receives.is_empty() => {
                self.receives.swap_remove(at % self.receives.len());
            }
            _ => {}
        }
    }

    fn value(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn poll_send(&mut self, at: usize) {
        let mut cx = TaskContext::from_waker(Waker::noop());
        if let Poll::Ready((value, sent)) = self.sends[at].1.as_mut().poll(&mut cx) {
            assert_eq!(sent, Ok(()));
            self.sent.insert(value);
            drop(self.sends.swap_remove(at));
        }
    }

    fn poll_receive(&mut self, at: usize) {
        let receiving = &mut self.receives[at];
        receiving.seen = receiving.woken.0.load(Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&receiving.woken));
        if let Poll::Ready(received) = receiving.future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            self.arrived.push(received.unwrap().unwrap());
            drop(self.receives.swap_remove(at));
        }
    }

    /// Polls only what was woken, as an executor does, until nothing moves.
    fn settle(&mut self) {
        loop {
            let woken = |receiving: &Receiving| receiving.woken.0.load(Ordering::Relaxed) > receiving.seen;
            match self.receives.iter().position(woken) {
                Some(at) => self.poll_receive(at),
                None => break,
            }
        }
    }
}

proptest! {
    #[test]
    fn no_value_is_lost_doubled_or_left_while_a_receiver_sleeps(
        capacity in 0_usize..4,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(capacity);
        for step in steps {
            world.take(step);
        }
        world.settle();
        // A receiver that still sleeps proves that nothing is there to take.
        if !world.receives.is_empty() {
            prop_assert!(world.rx.try_recv().is_err(), "a receiver sleeps beside a value");
        }
        while let Ok(value) = world.rx.try_recv() {
            world.arrived.push(value);
        }
        while !world.sends.is_empty() {
            world.poll_send(0);
        }
        let arrived: BTreeSet<u32> = world.arrived.iter().copied().collect();
        prop_assert_eq!(arrived.len(), world.arrived.len(), "a value arrived twice");
        prop_assert!(world.sent.is_subset(&arrived), "a value was lost");
        let known: BTreeSet<u32> = world.sent.union(&world.dropped).copied().collect();
        prop_assert!(arrived.is_subset(&known), "a value arrived whose send says otherwise");
    }
}

/// Four senders and four receivers, each of whose waits is cancelled at random by a deadline of microseconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stress_of_random_cancellation_loses_and_doubles_nothing() {
    const VALUES: usize = 2_000;
    for capacity in [0, 1, 16] {
        let (tx, rx) = bounded(capacity);
        let senders: Vec<_> =
            (0..4).map(|n| tokio::spawn(send_all(tx.clone(), n * VALUES, VALUES))).collect();
        let receivers: Vec<_> = (0..4).map(|_| tokio::spawn(receive_all(rx.clone()))).collect();
        drop((tx, rx));
        for sender in senders {
            sender.await.unwrap();
        }
        let mut received = Vec::new();
        for receiver in receivers {
            received.extend(receiver.await.unwrap());
        }
        received.sort_unstable();
        assert_eq!(received, (0..4 * VALUES).collect::<Vec<_>>(), "capacity {capacity}");
    }
}

async fn send_all(tx: Sender<usize>, from: usize, count: usize) {
    let root = Context::background();
    for mut value in from..from + count {
        loop {
            let ctx = root.with_timeout(impatience(&root));
            match tx.send(&ctx, value).await {
                Ok(()) => break,
                Err(SendError { value: back, reason: Reason::Ended(_) }) => value = back,
                Err(refused) => panic!("{refused}"),
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn receive_all(rx: Receiver<usize>) -> Vec<usize> {
    let root = Context::background();
    let mut received = Vec::new();
    loop {
        let ctx = root.with_timeout(impatience(&root));
        // Half of the cancellations come by dropping the future, half by its own context.
        let value = if root.instruments().ids.random().is_multiple_of(2) {
            ctx.run(rx.recv(&root)).await.and_then(|value| value)
        } else {
            rx.recv(&ctx).await
        };
        match value {
            Ok(Some(value)) => received.push(value),
            Ok(None) => return received,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

fn impatience(ctx: &Context) -> std::time::Duration {
    std::time::Duration::from_micros(ctx.instruments().ids.random() % 200)
}

/// A waker that holds a side of the channel, as one does that is the last to hold its task.
struct Holding(#[expect(dead_code, reason = "it is dropped with the waker")] (Sender<u32>, Receiver<u32>));

impl Wake for Holding {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn the_last_waker_of_a_task_may_drop_the_channel_with_it() {
    let ctx = Context::background();
    let (tx, rx) = bounded(0);
    let holding = || Waker::from(Arc::new(Holding((tx.clone(), rx.clone()))));
    let mut receive = Box::pin(rx.recv(&ctx));
    // Each poll lets go of the waker before.
    for _ in 0..2 {
        assert!(receive.as_mut().poll(&mut TaskContext::from_waker(&holding())).is_pending());
    }
    drop(receive);
    let mut send = Box::pin(tx.send(&ctx, 1));
    for _ in 0..2 {
        assert!(send.as_mut().poll(&mut TaskContext::from_waker(&holding())).is_pending());
    }
    drop(send);
    let mut send = Box::pin(tx.send(&ctx, 2));
    assert!(send.as_mut().poll(&mut TaskContext::from_waker(&holding())).is_pending());
    tx.close();
    let sent = send.as_mut().poll(&mut TaskContext::from_waker(&holding()));
    assert_eq!(sent, Poll::Ready(Err(SendError { value: 2, reason: Reason::Closed })));
}
