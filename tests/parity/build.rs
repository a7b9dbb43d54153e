//! Answers every case on this machine, for the tests in the browser to compare with: one answer a line, compressed.
#![expect(unreachable_pub, reason = "the modules are those of the library")]
use std::env;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

#[path = "src/case.rs"]
mod case;
#[path = "src/random.rs"]
mod random;
#[path = "src/shipped.rs"]
mod shipped;

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "src", "../../examples/shop/data"] {
        println!("cargo::rerun-if-changed={input}");
    }
    if env::var("CARGO_CFG_TARGET_ARCH")? == "wasm32" {
        let shipped = shipped::Shipped::read()?;
        write("random.jsonl.gz", random::cases(&shipped))?;
        write("invoices.jsonl.gz", shipped.cases())?;
    }
    Ok(())
}

fn write(name: &str, cases: impl Iterator<Item = case::Case>) -> Result<(), Box<dyn Error>> {
    let folder = env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?;
    let mut answers = GzEncoder::new(File::create(Path::new(&folder).join(name))?, Compression::fast());
    for case in cases {
        let answer = case.answer().map_err(|error| format!("{}: {error}", case.name))?;
        answers.write_all(&answer)?;
        answers.write_all(b"\n")?;
    }
    answers.finish()?;
    Ok(())
}
