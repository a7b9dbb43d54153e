//! The shop's endpoints as values, and typed clients as ports.
//!
//! Services handle these values, and the page, `shop replay` and other services call them: path, method, request,
//! response and error are written once, here. Requests and responses are the core's own types.

mod behind;
pub mod catalog;
pub mod inventory;
pub mod orders;
pub mod quote;
pub mod reporting;

pub use behind::{BEHIND, Behind, BehindOf, Passage};
