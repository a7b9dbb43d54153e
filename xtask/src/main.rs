//! What a person does twice: `cargo xtask shop`, `cargo xtask test` and the others.
fn main() {}
