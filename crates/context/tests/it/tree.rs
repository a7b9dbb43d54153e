use std::time::Duration;

use proptest::prelude::*;
use staffa_context::{Cancel, Cause, Context, ManualClock};

use crate::hand::{Woken, paused, poll};

/// One step in the life of a tree; a number picks one of the contexts made so far.
#[derive(Clone, Debug)]
enum Step {
    Timeout(usize, u64),
    Cancellable(usize),
    Value(usize),
    Shield(usize),
    Cancel(usize),
    Advance(u64),
    Look(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..64_usize;
    prop_oneof![
        3 => (which.clone(), 0..50_u64).prop_map(|(of, millis)| Step::Timeout(of, millis)),
        3 => which.clone().prop_map(Step::Cancellable),
        1 => which.clone().prop_map(Step::Value),
        1 => which.clone().prop_map(Step::Shield),
        2 => which.clone().prop_map(Step::Cancel),
        2 => (0..20_u64).prop_map(Step::Advance),
        2 => which.clone().prop_map(Step::Look),
        1 => which.prop_map(Step::Drop),
    ]
}

/// What the tree should be, in the plainest words: no laziness, no sharing.
struct Model {
    nodes: Vec<Node>,
    now: u64,
}

struct Node {
    parent: Option<usize>,
    deadline: Option<u64>,
    cause: Option<Cause>,
}

impl Model {
    fn add(&mut self, parent: usize, timeout: Option<u64>) {
        let inherited = self.nodes[parent].deadline;
        let cause = self.nodes[parent].cause.clone();
        let is_cancelled = cause.as_ref().is_some_and(|cause| *cause != Cause::DeadlineExceeded);
        // What has been cancelled gets no new deadline.
        let own = timeout.filter(|_| !is_cancelled).map(|timeout| self.now + timeout);
        let deadline = [inherited, own].into_iter().flatten().min();
        self.nodes.push(Node { parent: Some(parent), deadline, cause });
        self.expire();
    }

    fn add_root(&mut self) {
        self.nodes.push(Node { parent: None, deadline: None, cause: None });
    }

    fn advance(&mut self, by: u64) {
        self.now += by;
        self.expire();
    }

    fn expire(&mut self) {
        let now = self.now;
        for node in &mut self.nodes {
            if node.deadline.is_some_and(|deadline| deadline <= now) {
                node.cause.get_or_insert(Cause::DeadlineExceeded);
            }
        }
    }

    fn cancel(&mut self, top: usize, cause: &Cause) {
        for at in 0..self.nodes.len() {
            if self.is_under(at, top) {
                self.nodes[at].cause.get_or_insert_with(|| cause.clone());
            }
        }
    }

    fn is_under(&self, mut at: usize, top: usize) -> bool {
        loop {
            if at == top {
                return true;
            }
            let Some(parent) = self.nodes[at].parent else { return false };
            at = parent;
        }
    }
}

struct Tree {
    clock: ManualClock,
    contexts: Vec<Option<(Context, Option<Cancel>)>>,
    model: Model,
}

impl Tree {
    fn new() -> Self {
        let (root, clock) = paused();
        let mut model = Model { nodes: Vec::new(), now: 0 };
        model.add_root();
        Self { clock, contexts: vec![Some((root, None))], model }
    }

    fn take(&mut self, step: &Step, number: usize) {
        match step {
            Step::Timeout(of, millis) => self.derive(*of, |ctx, model, of| {
                model.add(of, Some(*millis));
                (ctx.with_timeout(Duration::from_millis(*millis)), None)
            }),
            Step::Cancellable(of) => self.derive(*of, |ctx, model, of| {
                model.add(of, None);
                let (child, cancel) = ctx.with_cancel();
                (child, Some(cancel))
            }),
            Step::Value(of) => self.derive(*of, |ctx, model, of| {
                model.add(of, None);
                (ctx.with_value(number), None)
            }),
            Step::Shield(of) => self.derive(*of, |ctx, model, _| {
                model.add_root();
                (ctx.shielded(), None)
            }),
            Step::Cancel(of) => self.cancel(*of, &Cause::cancelled(number.to_string())),
            Step::Advance(millis) => {
                self.model.advance(*millis);
                self.clock.advance(Duration::from_millis(*millis));
            }
            Step::Look(of) => self.check(of % self.contexts.len()),
            Step::Drop(of) => {
                let of = of % self.contexts.len();
                self.contexts[of] = None;
            }
        }
    }

    fn derive(
        &mut self,
        of: usize,
        how: impl FnOnce(&Context, &mut Model, usize) -> (Context, Option<Cancel>),
    ) {
        let of = of % self.contexts.len();
        let Some((parent, _)) = &self.contexts[of] else { return };
        let (child, cancel) = how(parent, &mut self.model, of);
        self.contexts.push(Some((child, cancel)));
    }

    fn cancel(&mut self, of: usize, cause: &Cause) {
        let of = of % self.contexts.len();
        if let Some((_, Some(cancel))) = &self.contexts[of] {
            cancel.cancel(cause.clone());
            self.model.cancel(of, cause);
        }
    }

    fn check(&self, at: usize) {
        let Some((ctx, _)) = &self.contexts[at] else { return };
        let node = &self.model.nodes[at];
        assert_eq!(ctx.cause(), node.cause, "context {at}");
        let left =
            node.deadline.map(|deadline| Duration::from_millis(deadline.saturating_sub(self.model.now)));
        assert_eq!(ctx.remaining(), left, "context {at}");
        let parent = node.parent.and_then(|parent| self.contexts[parent].as_ref());
        if let Some(limit) = parent.and_then(|(parent, _)| parent.deadline()) {
            assert!(ctx.deadline().unwrap() <= limit, "context {at} outlives its parent");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 512 } else { 8_192 }))]

    /// A child never outlives its parent's deadline; a cancel reaches every descendant and nothing else; the first
    /// cause wins and never changes; and all that does not depend on who looked when.
    #[test]
    fn a_tree_behaves_as_its_model(steps in prop::collection::vec(step(), 1..80)) {
        let mut tree = Tree::new();
        for (number, step) in steps.iter().enumerate() {
            tree.take(step, number);
        }
        (0..tree.contexts.len()).for_each(|at| tree.check(at));
    }
}

#[test]
fn a_cancel_wakes_every_descendant_that_waits_and_nothing_else() {
    let (root, _clock) = paused();
    let (top, cancel) = root.with_cancel();
    let (below, _) = top.with_timeout(Duration::from_secs(9)).with_value(1_u8).with_cancel();
    let shielded = below.shielded();
    let waits = [&root, &top, &below, &shielded]
        .map(|ctx| (Box::pin(ctx.done()), <std::sync::Arc<Woken>>::default()));
    let mut waits = waits;
    for (done, woken) in &mut waits {
        assert!(woken.poll(done.as_mut()).is_pending());
    }
    cancel.cancel(Cause::ClientGone);
    assert_eq!(waits.each_ref().map(|(_, woken)| woken.times()), [0, 1, 1, 0]);
    let ended = waits.each_mut().map(|(done, _)| poll(done.as_mut()).is_ready());
    assert_eq!(ended, [false, true, true, false]);
}

#[test]
fn a_context_born_of_an_ended_one_has_ended() {
    let (ctx, cancel) = Context::background().with_cancel();
    cancel.cancel(Cause::ShuttingDown);
    cancel.cancel(Cause::ClientGone);
    let (child, late) = ctx.with_timeout(Duration::from_secs(1)).with_cancel();
    late.cancel(Cause::ClientGone);
    assert_eq!(child.check(), Err(Cause::ShuttingDown));
}

#[test]
fn dropping_the_handle_ends_nothing() {
    let (ctx, cancel) = Context::background().with_cancel();
    drop(cancel);
    assert_eq!(ctx.check(), Ok(()));
}

/// Runs where a recursion of this depth would overflow.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(128 * 1024).spawn(work).unwrap().join().unwrap();
}

const DEEP: usize = 100_000;

#[test]
fn a_deep_chain_of_contexts_is_cancelled_and_dropped_without_recursion() {
    on_a_small_stack(|| {
        let (mut ctx, cancel) = Context::background().with_cancel();
        for _ in 0..DEEP {
            ctx = ctx.with_cancel().0;
        }
        cancel.cancel(Cause::ClientGone);
        assert_eq!(ctx.cause(), Some(Cause::ClientGone));
    });
    on_a_small_stack(|| {
        let mut ctx = Context::background();
        for _ in 0..DEEP {
            ctx = ctx.with_cancel().0;
        }
        assert_eq!(ctx.cause(), None);
    });
}

#[test]
fn a_deep_chain_of_values_is_dropped_without_recursion() {
    on_a_small_stack(|| {
        let mut ctx = Context::background().with_value("first");
        for number in 0..DEEP {
            ctx = ctx.with_value(number);
        }
        assert_eq!((ctx.value::<&str>(), ctx.value::<usize>()), (Some(&"first"), Some(&(DEEP - 1))));
    });
}

#[test]
fn threads_that_derive_wait_and_drop_while_another_cancels_all_see_the_end() {
    for round in 0..100 {
        let (root, cancel) = paused().0.with_cancel();
        let root = &root;
        let kept = std::thread::scope(|scope| {
            let threads = [0, 1, 2].map(|thread| scope.spawn(move || churn(root, thread)));
            // Sometimes at once, sometimes when all are busy.
            for _ in 0..round * 500 {
                std::hint::spin_loop();
            }
            cancel.cancel(Cause::ShuttingDown);
            threads.map(|thread| thread.join().unwrap())
        });
        for ctx in kept.iter().flatten() {
            assert_eq!(ctx.check(), Err(Cause::ShuttingDown));
        }
    }
}

/// Derives, waits and drops until the root ends: what is left then.
fn churn(root: &Context, thread: usize) -> Vec<Context> {
    let mut kept: Vec<Context> = vec![root.clone()];
    let woken = <std::sync::Arc<Woken>>::default();
    while root.check().is_ok() {
        let parent = &kept[(kept.len() * 7 + thread) % kept.len()];
        let (child, own) = parent.with_timeout(Duration::from_secs(60)).with_cancel();
        let seen = child.clone();
        let mut done = Box::pin(seen.done());
        let pending = woken.poll(done.as_mut().as_mut()).is_pending();
        assert!(pending || root.check().is_err());
        drop(done);
        if kept.len().is_multiple_of(5) {
            own.cancel(Cause::ClientGone);
        } else {
            kept.push(child);
        }
        if kept.len() > 50 {
            kept.drain(1..40);
        }
    }
    kept
}
