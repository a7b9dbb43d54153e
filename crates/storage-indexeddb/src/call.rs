//! One call of a script between its caller, whose future is `Send`, and the page's own task, which waits for the promise.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_channel::oneshot;
use js_sys::Promise;
use serde_json::Value;
use staffa_context::{BoxFuture, Context, parse};
use staffa_storage::{Error, Result};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::error::failure;
use crate::scripts;
use crate::table::Tables;

/// A call under way: dropped, it is stopped, which takes its transaction back unless that has begun to commit.
pub(crate) struct Call(pub(crate) u32);

/// Where the script's answer comes.
type Answer = oneshot::Receiver<Option<String>>;

impl Call {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// What became of it. Once the context ends it is stopped, and has a while to say how it ended; the outcome of one
    /// that writes is unknown after that. Boxed, so that a page links one of it.
    pub(crate) fn answer<'a>(
        self,
        ctx: &'a Context,
        tables: &'a Tables,
        mut answer: Answer,
        late: Late,
    ) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            // The whole call goes in, which is stopped when it is dropped.
            let call = self;
            let cause = match ctx.run(&mut answer).await {
                Ok(told) => return read(told, tables),
                Err(cause) => cause,
            };
            scripts::stop(call.0);
            match ctx.shielded().with_timeout(late.wait).run(answer).await {
                Ok(told) => match read(told, tables) {
                    Err(Error::Ended(_)) => Err(Error::Ended(cause)),
                    outcome => outcome,
                },
                Err(_) if late.writes => {
                    Err(Error::Unknown("the browser does not end the transaction".into()))
                }
                Err(_) => Err(Error::Ended(cause)),
            }
        })
    }
}

/// What a call is given after its context's end.
#[derive(Clone, Copy)]
pub(crate) struct Late {
    /// How long.
    pub(crate) wait: Duration,
    /// Whether something may have happened.
    pub(crate) writes: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        scripts::stop(self.0);
    }
}

/// Waits for the promise of a script in the page's own task.
pub(crate) fn waiting(promise: Promise) -> Answer {
    let (reply, answer) = oneshot::channel();
    local(async move {
        let told = JsFuture::from(promise).await;
        // A caller that left does not listen.
        let _ = reply.send(told.ok().and_then(|told| told.as_string()));
    });
    answer
}

#[expect(clippy::disallowed_methods, reason = "a group's tasks are `Send`; these hold the browser's handles")]
fn local(task: impl Future<Output = ()> + 'static) {
    spawn_local(task);
}

fn read(told: Result<Option<String>, oneshot::Canceled>, tables: &Tables) -> Result<Value> {
    let told = told.ok().flatten().and_then(|told| parse(told.as_bytes()).ok());
    let Some(Value::Array(mut told)) = told else {
        return Err(Error::Unusable("a script of the store has a fault".into()));
    };
    match told.first().and_then(Value::as_str) {
        Some("") => Ok(told.pop().unwrap_or_default()),
        _ => Err(failure(&told, tables)),
    }
}
