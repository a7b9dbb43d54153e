//! The linker leaves its tables in the module: `xtask-bundle` leaves out by them what only a panic needs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=--emit-relocs");
}
