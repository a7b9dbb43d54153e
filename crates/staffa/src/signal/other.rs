use std::io;

/// What asks a process to stop: Ctrl-C.
pub(crate) struct Signals;

/// The number that shells give to an interrupt.
const INTERRUPT: i32 = 2;

impl Signals {
    /// The first [`Signals::next`] takes the signal over.
    #[expect(clippy::unnecessary_wraps, reason = "it fails on other systems")]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// The number of the next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the system ends the process by itself.
            std::future::pending::<()>().await;
        }
        INTERRUPT
    }
}
