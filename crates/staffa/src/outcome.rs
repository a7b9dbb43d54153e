use std::process::ExitCode;

/// How a process ended: its exit code.
///
/// A process that a second signal ended at once has 128 and the signal's number, as shells count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// 0: it was told to stop, and everything in hand was finished.
    Stopped = 0,
    /// 1: it did not start: a store or a port could not be had, or the composition failed.
    StartFailed = 1,
    /// 2: its settings or its command line are wrong; nothing was touched.
    SettingsWrong = 2,
    /// 3: it was told to stop, and what was still in hand after the drain bound was cancelled.
    DrainExceeded = 3,
    /// 4: a background job failed or panicked, and it stopped for that reason.
    JobFailed = 4,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}
