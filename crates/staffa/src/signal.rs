#[cfg(not(unix))]
#[path = "signal/other.rs"]
mod system;
#[cfg(unix)]
#[path = "signal/unix.rs"]
mod system;

pub(crate) use system::Signals;
