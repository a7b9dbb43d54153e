use std::any::Any;
use std::future::Future;
use std::time::Duration;

use staffa_context::{Context, Fail, Kind};

use crate::Error;

/// How often [`retry`] runs its work at most.
pub const ATTEMPTS_MAX: u32 = 10;

const BACKOFF_FIRST: Duration = Duration::from_millis(2);
const BACKOFF_MAX: Duration = Duration::from_millis(250);

/// Runs `work`, and runs the whole of it again as long as it ends in [`Error::Conflict`].
///
/// At most 10 times, with a backoff that doubles from 2 ms to 250 ms, half of it random, and never longer than the
/// context's budget: a run that could not begin in time is not made. `work` MUST begin a new unit and read again.
/// A conflict is found as the error itself, as one of its sources, or in a [`staffa_context::Failure`] that was made of it.
///
/// # Errors
///
/// The last one of `work`, whatever it is.
pub async fn retry<T, E, F>(ctx: &Context, mut work: impl FnMut() -> F) -> Result<T, E>
where
    E: Fail,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = BACKOFF_FIRST;
    let mut attempt = 1;
    loop {
        let error = match work().await {
            Err(error) if attempt < ATTEMPTS_MAX && is_conflict(&error) => error,
            other => return other,
        };
        if !pause(ctx, jitter(ctx, backoff)).await {
            return Err(error);
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
        attempt += 1;
    }
}

/// Whether there was time for this pause.
async fn pause(ctx: &Context, pause: Duration) -> bool {
    ctx.remaining().is_none_or(|remaining| remaining > pause) && ctx.sleep(pause).await.is_ok()
}

/// Half of the backoff and a random part of the other half, so that those who met once do not meet again.
fn jitter(ctx: &Context, backoff: Duration) -> Duration {
    let half = backoff / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(ctx.instruments().ids.random() % micros.max(1))
}

fn is_conflict(error: &impl Fail) -> bool {
    // A `dyn Error` links how each of its types is debugged, which a page does without.
    let own: &dyn Any = error;
    if let Some(Error::Conflict { .. }) = own.downcast_ref() {
        return true;
    }
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(Error::Conflict { .. }) = error.downcast_ref() {
            return true;
        }
        source = error.source();
    }
    error.kind() == Kind::Conflict && Error::is_conflict_details(&error.details())
}
