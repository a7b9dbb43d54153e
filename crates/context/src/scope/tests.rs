#![expect(clippy::disallowed_methods, reason = "the tests are below the clock")]

use std::task::Waker;

use super::*;

fn known(scope: &Scope) -> (usize, usize) {
    let links = scope.links();
    (links.children.len(), links.waiting.len())
}

#[test]
fn a_dropped_child_is_forgotten_by_its_parent() {
    let root = Scope::root();
    let children: Vec<_> = (0..10).map(|_| Scope::child(&root)).collect();
    assert_eq!(known(&root), (10, 0));
    drop(children);
    assert_eq!(known(&root), (0, 0));
    for _ in 0..1_000 {
        drop(Scope::child(&root));
    }
    assert!(root.links().children.capacity() <= 16);
}

#[test]
fn a_dropped_parent_is_kept_by_its_children_and_goes_with_the_last() {
    let root = Scope::root();
    let parent = Scope::child(&root);
    let child = Scope::child(&parent);
    drop(parent);
    assert_eq!(known(&root), (1, 0));
    drop(child);
    assert_eq!(known(&root), (0, 0));
}

#[test]
fn a_waiter_is_forgotten_when_it_stops() {
    let scope = Scope::root();
    let mut key = None;
    assert!(scope.wait(&mut key, Waker::noop()));
    assert!(scope.wait(&mut key, Waker::noop()));
    assert_eq!(known(&scope), (0, 1));
    scope.stop_waiting(key.unwrap_or(usize::MAX));
    assert_eq!(known(&scope), (0, 0));
}

#[test]
fn an_ended_scope_registers_nobody() {
    let scope = Scope::root();
    scope.cancel(&Cause::ClientGone, Instant::now());
    let _child = Scope::child(&scope);
    assert!(!scope.wait(&mut None, Waker::noop()));
    assert_eq!(known(&scope), (0, 0));
}

#[test]
fn an_end_never_comes_before_a_time_at_which_the_scope_was_seen_open() {
    let now = Instant::now();
    let later = now + std::time::Duration::from_secs(1);
    let scope = Scope::root();
    let child = Scope::child(&scope);
    assert!(scope.end_by(later).is_none());
    // A cancellation that read the clock before the look, and came after it.
    scope.cancel(&Cause::ClientGone, now);
    for scope in [scope, child] {
        let end = scope.end().map(|end| (end.cause(Some(later)), end.cause(None)));
        assert_eq!(end, Some((Cause::DeadlineExceeded, Cause::ClientGone)));
    }
}
