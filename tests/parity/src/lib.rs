//! Whether a quote is the same in the browser as on the server, byte for byte.
//!
//! The page and the server run the same pure function, and an order rests on their agreement. Here both answer
//! the same cases, [`RANDOM`] random baskets and every invoice of the shipped file, each from the file's bytes to
//! the JSON of the quote or of the error: the build script natively, `tests/browser.rs` as WebAssembly in a
//! browser's worker, where [`compare`] holds the former against the latter. `tests/it.rs` shows, natively, that
//! the cases reach what they should, and that a difference is found and named.

mod case;
mod compare;
mod random;
mod shipped;

pub use case::Case;
pub use compare::compare;
pub use random::{RANDOM, cases as random};
pub use shipped::Shipped;
