//! Leaves out of a module what only a panic needs: its words, its places in the source, and all that writes them.
//!
//! A page aborts where it panics, so that all of that work ends in a trap. Here the trap comes at once: a call of a function
//! that never returns and asks nothing of the bindings is left out, with the straight code before it, whose results nobody
//! sees. Then the functions and the data that nothing leads to any more go, as the linker would have left them out. The
//! linker's own tables say what leads to what (`--emit-relocs`, see the page's `build.rs`); they go too.
//!
//! After a trap no more than the trap itself is seen of an instance: `boot.js` says that the page has stopped.

use anyhow::Result;

mod cut;
mod live;
mod module;
mod write;

use cut::Cuts;
use live::Live;
use module::Module;

/// The module without what only a panic needs.
pub(crate) fn trim(bytes: &[u8]) -> Result<Vec<u8>> {
    let module = Module::read(bytes)?;
    let cuts = Cuts::of(&module)?;
    let live = Live::of(&module, &cuts);
    write::module(&module, &cuts, &live)
}

#[cfg(test)]
mod tests;
