#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::Timestamp;
use crate::instruments::BoxFuture;

pub(super) fn now() -> Instant {
    // The same as the standard library's but in a test that paused tokio's time.
    tokio::time::Instant::now().into_std()
}

pub(super) fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().plus(since_epoch)
}

pub(super) fn sleep_until(at: Instant) -> BoxFuture<'static, ()> {
    Box::pin(tokio::time::sleep_until(at.into()))
}
