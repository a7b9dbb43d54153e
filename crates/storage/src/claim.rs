//! Whether an operation is still wanted, as its caller and whoever works for it settle it between them.
//!
//! Invariants:
//! 1. A claim is open, then left by the caller or held by the commit, whichever comes first.
//! 2. What the caller left is never committed; from the beginning of the commit on, nothing stops it.

use std::sync::atomic::{AtomicU8, Ordering};

use staffa_context::{Cause, Context};

use crate::{Error, Result};

const OPEN: u8 = 0;
const LEFT: u8 = 1;
const HELD: u8 = 2;
/// Held, and left by its caller meanwhile.
const HELD_LEFT: u8 = 3;

/// What an adapter asks before it commits. Both sides may ask at any time; it costs an atomic.
#[derive(Debug)]
pub struct Claim {
    ctx: Context,
    state: AtomicU8,
}

impl Claim {
    /// An open claim of an operation under this context.
    pub fn new(ctx: Context) -> Self {
        Self { ctx, state: AtomicU8::new(OPEN) }
    }

    /// The context of the operation.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// Why the work must stop; `None` while it is wanted, and from the beginning of its commit on.
    pub fn ended(&self) -> Option<Cause> {
        match self.state.load(Ordering::Acquire) {
            HELD | HELD_LEFT => None,
            LEFT => Some(self.ctx.cause().unwrap_or_else(|| Cause::cancelled("the caller left"))),
            _ => self.ctx.cause(),
        }
    }

    /// [`Error::Ended`] with the cause once the work must stop.
    ///
    /// # Errors
    ///
    /// That one alone.
    pub fn check(&self) -> Result<()> {
        self.ended().map_or(Ok(()), |cause| Err(Error::Ended(cause)))
    }

    /// Says that the commit begins; `false` when the work is no longer wanted, or the commit has begun before.
    pub fn hold(&self) -> bool {
        self.ctx.cause().is_none() && self.turn(OPEN, HELD)
    }

    /// Whether the commit has begun.
    pub fn is_held(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), HELD | HELD_LEFT)
    }

    /// Says that the commit that was to begin does not. A caller that left meanwhile has then left.
    pub fn unhold(&self) {
        if !self.turn(HELD, OPEN) {
            self.turn(HELD_LEFT, LEFT);
        }
    }

    /// Says that nobody waits any more; whether that was before the commit began.
    pub fn leave(&self) -> bool {
        let open = self.turn(OPEN, LEFT);
        if !open {
            self.turn(HELD, HELD_LEFT);
        }
        open
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_its_caller_left_is_not_held() {
        let claim = Claim::new(Context::background());
        assert!(claim.leave());
        assert!(!claim.hold());
        assert_eq!(claim.ended(), Some(Cause::cancelled("the caller left")));
    }

    #[test]
    fn nothing_stops_what_is_held() {
        let (ctx, cancel) = Context::background().with_cancel();
        let claim = Claim::new(ctx);
        assert!(claim.hold());
        cancel.cancel(Cause::DeadlineExceeded);
        assert!(!claim.leave());
        assert_eq!((claim.ended(), claim.is_held()), (None, true));
    }

    #[test]
    fn a_caller_that_left_while_it_was_held_has_left_once_it_is_not() {
        let claim = Claim::new(Context::background());
        assert!(claim.hold());
        assert!(!claim.leave());
        claim.unhold();
        assert!(!claim.hold());
        assert!(claim.check().is_err());
    }

    #[test]
    fn what_is_no_longer_held_may_be_held_again() {
        let claim = Claim::new(Context::background());
        assert!(claim.hold() && !claim.hold());
        claim.unhold();
        assert!(claim.hold());
    }
}
