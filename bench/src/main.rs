//! Benchmarks beside their rivals.
fn main() {}
