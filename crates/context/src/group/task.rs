use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::answer::Answer;

/// The output of a group's task, to be awaited or not. Dropping it does not stop the task.
///
/// Awaiting it is cancel-safe by reference: `(&mut task).await` may be dropped and tried again.
pub struct Task<T> {
    name: &'static str,
    answer: Answer<T>,
}

impl<T> Task<T> {
    pub(super) fn new(name: &'static str, answer: Answer<T>) -> Self {
        Self { name, answer }
    }

    /// The task's name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskGone>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gone = TaskGone { task: self.name };
        Pin::new(&mut self.answer).poll(cx).map(|value| value.ok_or(gone))
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A task ended without an output: it failed, panicked or was aborted. The group tells why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskGone {
    /// The task's name.
    pub task: &'static str,
}

impl fmt::Display for TaskGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {:?} ended without an output; its group tells why", self.task)
    }
}

impl std::error::Error for TaskGone {}
