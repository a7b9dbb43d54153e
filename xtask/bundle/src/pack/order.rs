//! Which function lies beside which.

use std::collections::{HashMap, VecDeque};

/// How far back gzip looks, less what one function may take.
const WINDOW: usize = 28 << 10;

/// What is compared: sequences of so many bytes.
const SEQUENCE: usize = 5;

/// The places of these codes in an order in which each has much in common with those shortly before it.
pub(super) fn side_by_side(codes: &[&[u8]]) -> Vec<usize> {
    let mut window = Window::of(codes);
    let mut left: Vec<usize> = (0..codes.len()).collect();
    let mut order = Vec::with_capacity(codes.len());
    while let Some(at) = window.best(&left) {
        let next = left.remove(at);
        window.add(next, codes[next].len());
        order.push(next);
    }
    order
}

/// The codes that came last, and what the others have in common with them.
struct Window {
    /// Sequences of each code.
    sequences: Vec<Vec<usize>>,
    /// The codes that have each sequence.
    having: Vec<Vec<usize>>,
    /// How many codes of the window have each sequence.
    count: Vec<u32>,
    /// How many sequences of each code are in the window.
    common: Vec<usize>,
    last: VecDeque<(usize, usize)>,
    len: usize,
}

impl Window {
    fn of(codes: &[&[u8]]) -> Self {
        let mut numbers = HashMap::new();
        let mut having: Vec<Vec<usize>> = Vec::new();
        for (code, bytes) in codes.iter().enumerate() {
            for sequence in bytes.windows(SEQUENCE) {
                let number = *numbers.entry(sequence).or_insert(having.len());
                if number == having.len() {
                    having.push(Vec::new());
                }
                if having[number].last() != Some(&code) {
                    having[number].push(code);
                }
            }
        }
        // What one code has alone, or very many have, says nothing.
        having.retain(|codes_having| (2..=codes.len() / 6).contains(&codes_having.len()));
        let mut sequences = vec![Vec::new(); codes.len()];
        for (number, codes) in having.iter().enumerate() {
            codes.iter().for_each(|code| sequences[*code].push(number));
        }
        let (count, common) = (vec![0; having.len()], vec![0; codes.len()]);
        Self { sequences, having, count, common, last: VecDeque::new(), len: 0 }
    }

    /// Which of the codes that are left is mostly in the window, the longest of several.
    fn best(&self, left: &[usize]) -> Option<usize> {
        let part = |code: usize| {
            let len = self.sequences[code].len();
            // A short code has much in common by chance.
            (self.common[code] * 1_000 / (len + 8), len)
        };
        (0..left.len()).max_by_key(|at| part(left[*at]))
    }

    fn add(&mut self, code: usize, len: usize) {
        self.last.push_back((code, len));
        self.len += len;
        for sequence in &self.sequences[code] {
            self.count[*sequence] += 1;
            if self.count[*sequence] == 1 {
                self.having[*sequence].iter().for_each(|code| self.common[*code] += 1);
            }
        }
        while self.len > WINDOW && self.last.len() > 1 {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some((code, len)) = self.last.pop_front() else { return };
        self.len -= len;
        for sequence in &self.sequences[code] {
            self.count[*sequence] -= 1;
            if self.count[*sequence] == 0 {
                self.having[*sequence].iter().for_each(|code| self.common[*code] -= 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn what_has_much_in_common_lies_side_by_side() {
        let code = |from: u8| (0..40).map(|at| from ^ at).collect::<Vec<u8>>();
        let (one, other) = (code(64), code(128));
        let longer = |code: &[u8]| [code, b"and more"].concat();
        let codes = [one.clone(), other.clone(), longer(&one), longer(&other)];
        // The words that both longer ones have are in a sixth of many more codes only.
        let many: Vec<Vec<u8>> = codes.into_iter().chain((0..20).map(|at| vec![at; 4])).collect();
        let order = side_by_side(&many.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let place = |code: usize| order.iter().position(|placed| *placed == code);
        let is_beside = |a, b| place(a).zip(place(b)).is_some_and(|(a, b)| a.abs_diff(b) == 1);
        assert!(is_beside(0, 2) && is_beside(1, 3), "{order:?}");
    }
}
