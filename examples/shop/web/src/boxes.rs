//! The drawing of a packed box: a three-quarter view, in whole millimetres.
//!
//! A point is drawn at `(0.866 · (x − y), 0.5 · (x + y) − z)`: the box is seen from above, over its corner where both x
//! and y are largest. Units are painted from the back to the front. Of two that cover each other on the page, one is
//! before the other along some axis and behind it along none.
use std::fmt::Write;

use shop_core::quote::packing::{Packing, Parcel, Placement};
use shop_core::{Quote, Size};

use crate::basket::COLOURS;
use crate::html::Html;
use crate::text;

/// What of a packing is looked at, and from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The parcel, counted from 0.
    pub parcel: usize,
    /// Quarter turns.
    pub turn: u8,
    /// How many units are shown, in the order in which they were packed; all when none.
    pub units: Option<usize>,
}

/// A block in space, after the quarter turns.
#[derive(Clone, Copy)]
struct Block {
    item: u32,
    low: [i32; 3],
    high: [i32; 3],
}

impl Block {
    fn new(placed: &Placement, inner: Size, turn: u8) -> Self {
        let (at, size) = turned(placed, inner, turn);
        let low = [at.x, at.y, at.z].map(signed);
        let high = [at.x + size.x, at.y + size.y, at.z + size.z].map(signed);
        Self { item: placed.item, low, high }
    }

    /// Whether this one must be painted before the other.
    fn is_behind(&self, other: &Self) -> bool {
        let before = |one: &Self, other: &Self| (0..3).any(|axis| one.high[axis] <= other.low[axis]);
        before(self, other) && !before(other, self)
    }

    fn depth(&self) -> i32 {
        self.low.iter().sum()
    }
}

/// Millimetres within a box, which is at most 600 long.
fn signed(millimetres: u32) -> i32 {
    i32::try_from(millimetres).unwrap_or(i32::MAX)
}

/// Where a unit lies and how it extends once the box is turned by so many quarters.
fn turned(placed: &Placement, inner: Size, turn: u8) -> (Size, Size) {
    let Placement { at, size, .. } = *placed;
    let behind_x = inner.x.saturating_sub(at.x + size.x);
    let behind_y = inner.y.saturating_sub(at.y + size.y);
    let across = Size::new(size.y, size.x, size.z);
    match turn % 4 {
        0 => (at, size),
        1 => (Size::new(at.y, behind_x, at.z), across),
        2 => (Size::new(behind_x, behind_y, at.z), size),
        _ => (Size::new(behind_y, at.x, at.z), across),
    }
}

/// The units from the back to the front.
fn painted(parcel: &Parcel, look: Look) -> Vec<Block> {
    let shown = look.units.unwrap_or(parcel.placements.len());
    let placed = parcel.placements.iter().take(shown);
    let mut left: Vec<Block> = placed.map(|placed| Block::new(placed, parcel.inner, look.turn)).collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = |block: &Block| !left.iter().any(|other| other.is_behind(block));
        // Blocks that hide each other in a ring have no order; then the farthest goes first.
        let farthest = || (0..left.len()).min_by_key(|at| left[*at].depth());
        let next = left.iter().position(free).or_else(farthest).unwrap_or(0);
        order.push(left.remove(next));
    }
    order
}

type Point = [i32; 3];

fn projected([x, y, z]: Point) -> (i32, i32) {
    ((x - y) * 866 / 1_000, (x + y) / 2 - z)
}

fn polygon(svg: &mut String, class: &str, points: &[Point]) {
    svg.push_str("<polygon class=\"");
    svg.push_str(class);
    svg.push_str("\" points=\"");
    for point in points {
        let (x, y) = projected(*point);
        // Writing to a string cannot fail.
        let _ = write!(svg, "{x},{y} ");
    }
    svg.push_str("\"/>");
}

/// One parcel as an SVG image; its label says what is drawn.
pub fn svg(parcel: &Parcel, look: Look, label: &str) -> String {
    let [width, depth] = if look.turn.is_multiple_of(2) {
        [parcel.inner.x, parcel.inner.y]
    } else {
        [parcel.inner.y, parcel.inner.x]
    };
    let whole = [width, depth, parcel.inner.z].map(signed);
    let mut svg = open(whole, label);
    walls(&mut svg, whole);
    for block in painted(parcel, look) {
        unit(&mut svg, &block);
    }
    front(&mut svg, whole);
    svg.push_str("</svg>");
    svg
}

fn open([x, y, z]: Point, label: &str) -> String {
    const MARGIN: i32 = 6;
    let (left, _) = projected([0, y, 0]);
    let (right, _) = projected([x, 0, 0]);
    let mut html = Html::new();
    html.put("<svg role=img data-testid=box viewBox=\"").number(left - MARGIN).put(" ").number(-z - MARGIN);
    html.put(" ").number(right - left + 2 * MARGIN).put(" ").number((x + y) / 2 + z + 2 * MARGIN);
    html.put("\" aria-label=\"").text(label).put("\">");
    html.take()
}

fn walls(svg: &mut String, [x, y, z]: Point) {
    polygon(svg, "floor", &[[0, 0, 0], [x, 0, 0], [x, y, 0], [0, y, 0]]);
    polygon(svg, "wall", &[[0, 0, 0], [x, 0, 0], [x, 0, z], [0, 0, z]]);
    polygon(svg, "wall", &[[0, 0, 0], [0, y, 0], [0, y, z], [0, 0, z]]);
}

fn front(svg: &mut String, [x, y, z]: Point) {
    polygon(svg, "edge", &[[x, 0, 0], [x, y, 0], [x, y, z], [x, 0, z]]);
    polygon(svg, "edge", &[[0, y, 0], [x, y, 0], [x, y, z], [0, y, z]]);
}

fn unit(svg: &mut String, block: &Block) {
    let ([a, b, c], [x, y, z]) = (block.low, block.high);
    let colour = ["c", &(block.item as usize % COLOURS).to_string()].concat();
    polygon(svg, &[&colour, " top"].concat(), &[[a, b, z], [x, b, z], [x, y, z], [a, y, z]]);
    polygon(svg, &[&colour, " right"].concat(), &[[x, b, c], [x, y, c], [x, y, z], [x, b, z]]);
    polygon(svg, &[&colour, " left"].concat(), &[[a, y, c], [x, y, c], [x, y, z], [a, y, z]]);
}

/// What a parcel is, in a line: `Box 1 of 3: medium, 32 × 24 × 16 cm, 2.40 kg, 12 units`.
pub fn caption(packing: &Packing, at: usize) -> String {
    if let Some(bulk) = &packing.bulk {
        let boxes = text::count(bulk.boxes, "box", "boxes");
        let units = text::grouped(bulk.units);
        return [
            units.as_str(),
            " units go as bulk in ",
            &boxes,
            " (",
            &bulk.kind,
            "); nothing is placed one by one.",
        ]
        .concat();
    }
    let Some(parcel) = packing.parcels.get(at) else { return "Nothing to pack.".to_owned() };
    let units = text::count(u64::try_from(parcel.placements.len()).unwrap_or(u64::MAX), "unit", "units");
    let (one, all) = ((at + 1).to_string(), packing.parcels.len().to_string());
    let (inner, weight) = (text::size(parcel.inner), text::weight(parcel.grams));
    ["Box ", &one, " of ", &all, ": ", &parcel.kind, ", ", &inner, ", ", &weight, ", ", &units].concat()
}

/// What lies in a parcel, with the colours of the drawing: list items.
pub fn legend(quote: &Quote, parcel: &Parcel) -> String {
    let mut html = Html::new();
    for (item, code) in quote.packing.items.iter().enumerate() {
        let units = parcel.placements.iter().filter(|placed| placed.item as usize == item).count();
        if units == 0 {
            continue;
        }
        let line = quote.lines.iter().find(|line| line.code == *code);
        html.put("<li><i class=\"swatch c")
            .number(item % COLOURS)
            .put("\"></i>")
            .number(units)
            .put(" × <span class=name>");
        html.text(line.map_or(code.as_str(), |line| line.description.trim())).put("</span></li>");
    }
    html.take()
}

#[cfg(test)]
mod tests {
    use shop_core::Size;
    use shop_core::quote::packing::{Bulk, Packing, Parcel, Placement};

    use super::{Look, caption, painted, projected, svg};

    fn parcel(placements: &[[u32; 7]]) -> Parcel {
        Parcel {
            kind: "small".into(),
            inner: Size::new(220, 160, 100),
            grams: 1_500,
            placements: placements.iter().map(|placed| Placement::from(*placed)).collect(),
        }
    }

    fn order(parcel: &Parcel, turn: u8) -> Vec<u32> {
        painted(parcel, Look { turn, ..Look::default() }).iter().map(|block| block.item).collect()
    }

    #[test]
    fn the_projection_is_the_stated_one() {
        assert_eq!(projected([0, 0, 0]), (0, 0));
        assert_eq!(projected([100, 0, 0]), (86, 50));
        assert_eq!(projected([0, 100, 0]), (-86, 50));
        assert_eq!(projected([100, 100, 100]), (0, 0));
    }

    #[test]
    fn what_is_in_front_is_painted_last() {
        // Three in a row along x, and one upon the first.
        let row = parcel(&[
            [0, 100, 0, 0, 50, 50, 50],
            [1, 0, 0, 0, 50, 50, 50],
            [2, 50, 0, 0, 50, 50, 50],
            [3, 0, 0, 50, 50, 50, 50],
        ]);
        let place = |order: &[u32], item| order.iter().position(|other| *other == item);
        let seen = order(&row, 0);
        assert!(place(&seen, 1) < place(&seen, 2) && place(&seen, 2) < place(&seen, 0));
        assert!(place(&seen, 1) < place(&seen, 3));
        // From the other side the row is reversed, and what lies above still comes after what lies below.
        let seen = order(&row, 2);
        assert!(place(&seen, 0) < place(&seen, 2) && place(&seen, 2) < place(&seen, 1));
        assert!(place(&seen, 1) < place(&seen, 3));
    }

    #[test]
    fn four_quarter_turns_come_back_and_nothing_leaves_the_box() {
        let one = parcel(&[[0, 10, 20, 30, 40, 50, 60]]);
        for turn in 0..8 {
            let blocks = painted(&one, Look { turn, ..Look::default() });
            let [width, depth] = if turn % 2 == 0 { [220, 160] } else { [160, 220] };
            let block = blocks[0];
            assert!(block.low.iter().all(|low| *low >= 0), "{turn}");
            assert!(block.high[0] <= width && block.high[1] <= depth && block.high[2] <= 100, "{turn}");
            assert_eq!(block.low, painted(&one, Look { turn: turn + 4, ..Look::default() })[0].low);
        }
    }

    #[test]
    fn fewer_units_can_be_shown() {
        let two = parcel(&[[0, 0, 0, 0, 50, 50, 50], [1, 50, 0, 0, 50, 50, 50]]);
        let faces = |units| svg(&two, Look { units, ..Look::default() }, "a <box>").matches(" top").count();
        assert_eq!((faces(None), faces(Some(1)), faces(Some(0))), (2, 1, 0));
        assert!(svg(&two, Look::default(), "a <box>").contains("a &lt;box&gt;"));
    }

    #[test]
    fn a_caption_says_what_is_drawn() {
        let packing = Packing { items: vec!["A".into()], parcels: vec![parcel(&[[0; 7]])], bulk: None };
        assert_eq!(caption(&packing, 0), "Box 1 of 1: small, 22 × 16 × 10 cm, 1.50 kg, 1 unit");
        assert_eq!(caption(&Packing::default(), 0), "Nothing to pack.");
        let bulk = Bulk { kind: "extra large".into(), boxes: 2, units: 12_000, grams: 1 };
        let packing = Packing { bulk: Some(bulk), ..Packing::default() };
        assert!(caption(&packing, 0).starts_with("12,000 units go as bulk in 2 boxes"));
    }
}
