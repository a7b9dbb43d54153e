#![expect(clippy::disallowed_methods, reason = "this is the spawner, and the source of identifiers")]

use uuid::Uuid;

use crate::instruments::{Abort, BoxFuture};

pub(super) fn uuid() -> Uuid {
    Uuid::now_v7()
}

pub(super) fn spawn(task: BoxFuture<'static, ()>) -> Box<dyn Abort> {
    Box::new(tokio::spawn(task).abort_handle())
}

impl Abort for tokio::task::AbortHandle {
    fn abort(&self) {
        tokio::task::AbortHandle::abort(self);
    }
}

pub(super) fn spawn_blocking(work: Box<dyn FnOnce() + Send>) {
    tokio::task::spawn_blocking(work);
}
