//! The shop's services in one binary.
fn main() {}
