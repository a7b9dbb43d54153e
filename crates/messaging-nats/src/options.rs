use std::time::Duration;

/// How a bus over NATS works. What services share a bus must say the same of its streams.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the names of streams and subjects begin with; `staffa` by default. The path of the URL says it, too:
    /// `nats://host:4222/shop`. 1 to 40 of `a-z`, `A-Z`, `0-9`, `_` and `-`.
    pub prefix: String,
    /// How long to try to reach a server that is starting or away when the bus is opened, within the context; 10 s by default.
    pub connect_wait: Duration,
    /// How many servers of a cluster keep each event; 1 by default.
    pub replicas: usize,
    /// How long an event is kept, 30 days by default. A consumer that is away for longer misses events.
    pub max_age: Duration,
    /// How many bytes of events are kept at most; no limit of its own by default. When they are reached, or the disk of the
    /// server is full, publishing is refused, and events wait in the outboxes.
    pub max_bytes: Option<u64>,
    /// Within which time an event that is published again is dropped by its id; 2 minutes by default.
    pub dedup: Duration,
    /// After which time without a sign of life another process takes a consumer over; 6 s by default, at least 1 s. What the
    /// first had in hand is handed over after as much again.
    pub lease: Duration,
    /// How many events a consumer has in hand at most, those that wait for their entity included; 256 by default.
    pub in_hand_max: usize,
    /// How many entities' events of a consumer are handled at once at most; 16 by default.
    pub entities_max: usize,
    /// How long an event waits for those of other entities that the same consumer has begun, so that their effects do not get
    /// in each other's way; 1 s by default.
    pub turn: Duration,
    /// How long handling one event may take; 30 s by default.
    pub timeout: Duration,
    /// How long an entity is held after its event failed first; it doubles with each failure. 100 ms by default.
    pub backoff: Duration,
    /// How long an entity is held at most; 30 s by default.
    pub backoff_max: Duration,
    /// After how many failures an event is put aside as dead; 20 by default. Those that say nothing of the event do not
    /// count: of kind unavailable, exhausted, deadline exceeded or cancelled. The count begins anew in another process.
    pub attempts_max: u32,
    /// How many entities of a consumer may be held by dead events before it takes nothing new; 1,000 by default.
    pub held_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: "staffa".to_owned(),
            connect_wait: Duration::from_secs(10),
            replicas: 1,
            max_age: Duration::from_secs(30 * 86_400),
            max_bytes: None,
            dedup: Duration::from_secs(120),
            lease: Duration::from_secs(6),
            in_hand_max: 256,
            entities_max: 16,
            turn: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            attempts_max: 20,
            held_max: 1_000,
        }
    }
}

impl Options {
    /// How long to wait after so many failures in a row.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.backoff_max)
    }

    /// How often a consumer shows that it lives.
    pub(crate) fn beat(&self) -> Duration {
        self.lease / 3
    }
}
