//! A page of a read, as callers ask for it.
use staffa_context::{Failure, Kind};
use staffa_storage::{Cursor, Page};

/// The page after this cursor, of 50 unless said otherwise and at most `most`.
pub(crate) fn page(after: Option<Cursor>, limit: Option<u32>, most: usize) -> Result<Page, Failure> {
    let page = Page::after(after);
    let Some(limit) = limit else { return Ok(page) };
    match usize::try_from(limit) {
        Ok(limit) if (1..=most).contains(&limit) => Ok(page.limit(limit)),
        _ => Err(Failure::new(Kind::Invalid, format!("`limit` is 1 to {most}"))),
    }
}
