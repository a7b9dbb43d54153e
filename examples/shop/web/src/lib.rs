//! The shop's page: the core in the browser.
//!
//! What is shown is made by functions of values to markup, which know no browser and are tested natively. `page` holds
//! the state, calls the services through the contract's endpoints and puts the markup where it belongs. The quote is
//! computed by the core in a worker: this same module, started there by `worker.js`.

pub mod basket;
pub mod behind;
pub mod boxes;
pub mod html;
pub mod orders;
pub mod products;
pub mod quoted;
pub mod recorder;
pub mod rules;
pub mod text;
pub mod work;

#[cfg(target_arch = "wasm32")]
mod page;
#[cfg(target_arch = "wasm32")]
pub use page::{compute, on, start};
