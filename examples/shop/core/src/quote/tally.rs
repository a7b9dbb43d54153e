//! Sums by code.

/// How many of each code, in the order of codes. A basket is short: a sorted list is less code than a tree.
#[derive(Debug, Default)]
pub(super) struct Tally<'a>(Vec<(&'a str, i64)>);

impl<'a> Tally<'a> {
    pub(super) fn add(&mut self, code: &'a str, count: i64) {
        match self.place(code) {
            // At most LINES_MAX × QUANTITY_MAX: far below 64 bits.
            Ok(at) => self.0[at].1 += count,
            Err(at) => self.0.insert(at, (code, count)),
        }
    }

    pub(super) fn of(&self, code: &str) -> i64 {
        self.place(code).map_or(0, |at| self.0[at].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, i64)> {
        self.0.iter().copied()
    }

    fn place(&self, code: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (*other).cmp(code))
    }
}
