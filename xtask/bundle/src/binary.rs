//! How a module's file spells lengths and numbers, read: `wasm_encoder::Encode` writes them.

use anyhow::{Context, Result, bail};

/// What comes before the first section.
pub(crate) const HEADER_LEN: usize = 8;

/// Bytes with their length before them.
pub(crate) fn sized<'a>(left: &mut &'a [u8]) -> Result<&'a [u8]> {
    let len = usize::try_from(number(left)?)?;
    let (bytes, after) = left.split_at_checked(len).context("the module ends too early")?;
    *left = after;
    Ok(bytes)
}

/// A number of seven bits a byte, the lowest first (LEB128).
pub(crate) fn number(left: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for place in 0..5 {
        let (byte, after) = left.split_first().context("the module ends too early")?;
        *left = after;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    bail!("a number has more than 32 bits")
}
