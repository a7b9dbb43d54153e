use std::time::Duration;

use staffa_context::{Cause, Context, Instant};

/// A channel that gives one value after a while: see [`after`].
#[derive(Debug)]
pub struct Timer {
    at: Option<Instant>,
    fired: bool,
}

/// A channel that gives a value once every period: see [`tick`].
#[derive(Debug)]
pub struct Ticker {
    /// `None` when it is beyond what the clock can count: it never comes.
    next: Option<Instant>,
    every: Duration,
}

/// A timer that gives the current instant once, `duration` from now. It runs no task, so dropping it leaks nothing.
pub fn after(ctx: &Context, duration: Duration) -> Timer {
    // A time beyond what the clock can count never comes.
    Timer { at: ctx.clock().now().checked_add(duration), fired: false }
}

/// A ticker that gives the current instant every `period`, first one period from now.
///
/// Ticks that nobody received in time are left out, as Go does; the rhythm is kept. It runs no task. A period of
/// zero is taken as one nanosecond.
pub fn tick(ctx: &Context, period: Duration) -> Ticker {
    let every = period.max(Duration::from_nanos(1));
    Ticker { next: ctx.clock().now().checked_add(every), every }
}

impl Timer {
    /// Receives the instant; `None` when it was received before.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// The cause, when the context ended first.
    pub async fn recv(&mut self, ctx: &Context) -> Result<Option<Instant>, Cause> {
        if self.fired {
            return Ok(None);
        }
        match self.at {
            Some(at) => ctx.run(ctx.clock().sleep_until(at)).await?,
            None => return Err(ctx.done().await),
        }
        self.fired = true;
        Ok(Some(ctx.clock().now()))
    }
}

impl Ticker {
    /// Receives the next tick.
    ///
    /// Cancel-safe: a tick that was not received is still to come.
    ///
    /// # Errors
    /// The cause, when the context ended first.
    pub async fn recv(&mut self, ctx: &Context) -> Result<Instant, Cause> {
        let Some(next) = self.next else { return Err(ctx.done().await) };
        ctx.run(ctx.clock().sleep_until(next)).await?;
        let now = ctx.clock().now();
        let late = now.saturating_duration_since(next).as_nanos() / self.every.as_nanos();
        let skipped = u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1);
        self.next = next.checked_add(self.every.saturating_mul(skipped));
        Ok(now)
    }
}
