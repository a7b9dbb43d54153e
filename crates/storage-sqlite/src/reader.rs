//! The threads that read.

use std::sync::Arc;

use rusqlite::Connection;
use staffa_storage::Result;

use crate::queue::Queue;
use crate::worker::{self, Hold, Job};

/// Starts a thread that reads with this connection until the queue is closed and empty.
pub(crate) fn start(mut connection: Connection, queue: Arc<Queue<Job>>, hold: Hold) -> Result<()> {
    worker::start("sqlite-reader", move || {
        while let Some(read) = queue.pop() {
            worker::at_rest(&mut connection, read);
        }
        drop(connection);
        drop(hold);
    })
}
