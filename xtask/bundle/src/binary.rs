//! How a module's file spells lengths and numbers.

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

pub(crate) fn put_sized(made: &mut Vec<u8>, bytes: &[u8]) {
    put_number(made, bytes.len() as u64);
    made.extend_from_slice(bytes);
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

pub(crate) fn put_number(made: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        made.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    made.push(number as u8);
}
