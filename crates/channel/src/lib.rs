//! CSP channels: rendezvous and bounded, select, timers and pipeline stages
