//! The page's task that holds the browser's handles: each operation runs in a local task of its own beside it, since
//! IndexedDB itself puts what meets in order.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;

use futures_channel::{mpsc, oneshot};
use futures_core::Stream;
use staffa_storage::Result;
use wasm_bindgen_futures::spawn_local;

use crate::call::{self, Call};
use crate::connection::Database;
use crate::operation::{Answer, Operation};

/// What the task is asked for. Each caller waits for its answer, so no more wait here than there are callers.
pub(crate) enum Asked {
    /// To run an operation: where its answer goes, and what stops it.
    Work(Operation, oneshot::Sender<Result<Answer>>, oneshot::Receiver<()>),
    /// To close once the operations under way have ended; then the sender is dropped.
    Close(oneshot::Sender<()>),
}

/// Runs what is asked until the store is closed, or dropped.
pub(crate) async fn serve(database: Database, mut asked: mpsc::UnboundedReceiver<Asked>) {
    let database = Rc::new(database);
    let (lives, mut ended) = mpsc::unbounded::<()>();
    let mut closer = None;
    while let Some(next) = next(&mut asked).await {
        match next {
            Asked::Work(operation, reply, stop) => {
                let (database, lives) = (Rc::clone(&database), lives.clone());
                local(async move {
                    let call = Call::default();
                    let result = call::until(stop, &call, operation.run(&database, &call)).await;
                    // A caller that left does not listen.
                    let _ = reply.send(result);
                    drop(lives);
                });
            }
            Asked::Close(done) => {
                closer = Some(done);
                break;
            }
        }
    }
    database.close();
    drop(lives);
    // It gives nothing: it ends with the last operation.
    while next(&mut ended).await.is_some() {}
    drop(closer);
}

#[expect(clippy::disallowed_methods, reason = "a group's tasks are `Send`; these hold the browser's handles")]
fn local(task: impl Future<Output = ()> + 'static) {
    spawn_local(task);
}

async fn next<T>(stream: &mut mpsc::UnboundedReceiver<T>) -> Option<T> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}
