use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::Timestamp;
use crate::instruments::BoxFuture;

pub(super) fn now() -> Instant {
    Instant::now()
}

pub(super) fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().plus(since_epoch)
}

pub(super) fn sleep_until(at: Instant) -> BoxFuture<'static, ()> {
    Box::pin(tokio::time::sleep_until(at.into()))
}
