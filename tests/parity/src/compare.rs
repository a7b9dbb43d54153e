//! The native answers, held against those of the machine that this runs on.
use std::error::Error;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;

use crate::case::Case;

/// How many bytes of an answer a difference shows.
const SHOWN: usize = 200;

/// Answers each case and holds the answer against the native one, byte for byte; gives how many cases there were.
/// `native` is what the build script wrote of the same cases.
///
/// # Errors
/// How many answers differ and how the first one does, with its case; or there are not as many native answers as
/// cases.
pub fn compare(native: &[u8], cases: impl Iterator<Item = Case>) -> Result<u32, Box<dyn Error>> {
    let mut natives = BufReader::new(GzDecoder::new(native)).split(b'\n');
    let (mut compared, mut different, mut first) = (0, 0, None);
    for case in cases {
        let native =
            natives.next().ok_or_else(|| format!("there is no native answer to {}", case.name))??;
        let here = case.answer()?;
        compared += 1;
        if native != here {
            different += 1;
            first.get_or_insert_with(|| difference(&case, &native, &here));
        }
    }
    if natives.next().is_some() {
        return Err(format!("there are more native answers than the {compared} cases").into());
    }
    match first {
        None => Ok(compared),
        Some(first) => Err(format!("{different} of {compared} answers differ; the first: {first}").into()),
    }
}

fn difference(case: &Case, native: &[u8], here: &[u8]) -> String {
    let at = native.iter().zip(here).take_while(|(native, here)| native == here).count();
    let basket = serde_json::to_string(&case.basket).unwrap_or_default();
    format!(
        "{}, from byte {at} on\n  native: …{}…\n    here: …{}…\n  basket: {basket}\n     now: {}",
        case.name,
        around(native, at),
        around(here, at),
        case.now,
    )
}

fn around(answer: &[u8], at: usize) -> String {
    let start = at.saturating_sub(SHOWN / 2);
    let end = answer.len().min(start + SHOWN);
    String::from_utf8_lossy(&answer[start..end]).into_owned()
}
