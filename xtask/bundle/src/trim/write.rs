//! The module that is left.

use anyhow::{Context, Result};
use wasm_encoder::Encode as _;

use super::cut::Cuts;
use super::live::Live;
use super::module::Module;
use crate::binary::{HEADER_LEN, sized};

const CUSTOM: u8 = 0;
const ELEMENTS: u8 = 9;
const CODE: u8 = 10;
const DATA: u8 = 11;

/// No local of its own; it traps; it ends.
const STUB: [u8; 3] = [0, 0x00, 0x0b];

pub(super) fn module(module: &Module<'_>, cuts: &Cuts, live: &Live) -> Result<Vec<u8>> {
    let dead = live.dead(module);
    let (header, mut left) = module.bytes.split_at_checked(HEADER_LEN).context("it is no module")?;
    let mut made = header.to_vec();
    while let [kind, after @ ..] = left {
        left = after;
        let section = sized(&mut left)?;
        let start = module.bytes.len() - left.len() - section.len();
        let written = match *kind {
            CUSTOM if is_the_linkers(section)? => continue,
            ELEMENTS => elements(module, live, section, start)?,
            CODE => code(module, cuts, live),
            DATA => {
                section.iter().zip(&dead[start..]).map(|(byte, dead)| if *dead { 0 } else { *byte }).collect()
            }
            _ => section.to_vec(),
        };
        made.push(*kind);
        written.encode(&mut made);
    }
    Ok(made)
}

fn is_the_linkers(mut section: &[u8]) -> Result<bool> {
    let name = sized(&mut section)?;
    Ok(name == b"linking" || name.starts_with(b"reloc."))
}

/// Functions that are not reached keep their index, and are but a trap: the bindings' generator leaves them out.
fn code(module: &Module<'_>, cuts: &Cuts, live: &Live) -> Vec<u8> {
    let mut made = Vec::new();
    module.bodies.len().encode(&mut made);
    for (place, body) in module.bodies.iter().enumerate() {
        if !live.has(place) {
            STUB.encode(&mut made);
            continue;
        }
        let mut kept = Vec::new();
        let mut from = body.range().start;
        for cut in cuts.get(place) {
            kept.extend_from_slice(&module.bytes[from..cut.start]);
            from = cut.end;
        }
        kept.extend_from_slice(&module.bytes[from..body.range().end]);
        kept.encode(&mut made);
    }
    made
}

/// The same table, with one and the same function wherever one is that is not reached.
fn elements(module: &Module<'_>, live: &Live, section: &[u8], start: usize) -> Result<Vec<u8>> {
    let is_dead =
        |index: &&u32| index.checked_sub(module.imports).is_some_and(|place| !live.has(place as usize));
    let stub = module.pointed.iter().find(is_dead);
    let before = module.elements.start.checked_sub(start).context("the table lies elsewhere")?;
    let mut made = section[..before].to_vec();
    module.pointed.len().encode(&mut made);
    for index in &module.pointed {
        let kept = stub.filter(|_| is_dead(&index)).unwrap_or(index);
        kept.encode(&mut made);
    }
    Ok(made)
}
