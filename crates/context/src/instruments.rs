use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use crate::{BlockingPool, Clock, Meter, SystemClock, Tracer};

/// A boxed future that moves between threads: what a port held as `Arc<dyn …>` returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes identifiers and randomness. Simulation seeds it.
pub trait Ids: Send + Sync + 'static {
    /// A new identifier that sorts by the time of its making (version 7) unless the source says otherwise.
    fn uuid(&self) -> Uuid;

    /// 64 random bits, for jitter and span ids. Not for secrets.
    fn random(&self) -> u64;
}

/// Identifiers from the operating system's or the browser's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn uuid(&self) -> Uuid {
        system::uuid()
    }

    fn random(&self) -> u64 {
        SEQUENCE.with(|state| {
            state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
            mix(state.get())
        })
    }
}

thread_local! {
    /// Each thread's place in the sequence, from a random start: asking the system each time costs 20 times more.
    static SEQUENCE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    // Without randomness two processes would make the same identifiers, so there is nothing to fall back to.
    getrandom::u64().expect("the operating system or browser has a source of randomness")
}

/// The output function of SplitMix64, by Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Stops a spawned task at its next await point.
pub trait Abort: Send + Sync + 'static {
    /// Drops the task's future unless it has ended; later calls do nothing.
    fn abort(&self);
}

/// Starts tasks. Library and service code reaches it through a group only.
pub trait Spawner: Send + Sync + 'static {
    /// Runs `task` until it ends or is aborted.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Box<dyn Abort>;

    /// Runs `work` where it may block: a bounded pool on a server; in the browser the one thread, at its next turn.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);
}

/// Tasks on tokio's current runtime on a server, outside of which it panics; on the page's or worker's one thread in
/// the browser.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemSpawner;

impl Spawner for SystemSpawner {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Box<dyn Abort> {
        system::spawn(task)
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        system::spawn_blocking(work);
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[path = "instruments/native.rs"]
mod system;
#[cfg(target_arch = "wasm32")]
#[path = "instruments/browser.rs"]
mod system;

/// What a process measures, names and starts things with. A root context is made with them; children inherit them.
#[derive(Clone)]
pub struct Instruments {
    /// Tells and waits for time.
    pub clock: Arc<dyn Clock>,
    /// Makes identifiers.
    pub ids: Arc<dyn Ids>,
    /// Starts tasks.
    pub spawner: Arc<dyn Spawner>,
    /// Limits the blocking work that runs at once.
    pub blocking: BlockingPool,
    /// The service that the work belongs to, for log records; empty when it has no name.
    pub service: &'static str,
    /// Records spans; `None` records nothing, and costs nothing.
    pub tracer: Option<Arc<dyn Tracer>>,
    /// Records metrics; `None` records nothing.
    pub meter: Option<Arc<dyn Meter>>,
}

impl Default for Instruments {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            spawner: Arc::new(SystemSpawner),
            blocking: BlockingPool::default(),
            service: "",
            tracer: None,
            meter: None,
        }
    }
}

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instruments")
            .field("service", &self.service)
            .field("tracer", &self.tracer.is_some())
            .field("meter", &self.meter.is_some())
            .finish_non_exhaustive()
    }
}
