//! One box while it is packed.
//!
//! Invariants:
//! 1. Placements lie inside the box and do not overlap.
//! 2. A point's room is, along each axis, the way from the point to the nearest placement or wall that a ray meets.
//!    A unit that is larger than the room on any axis cannot lie there; one that is not may still overlap what lies
//!    beside the rays, and is checked.
//! 3. Points are in the order of height, depth, width.
use super::{BOX_UNITS_MAX, BoxKind, Item, Parcel, Placement, QuoteError, Steps};
use crate::Size;

pub(super) struct Load {
    kind: BoxKind,
    /// The least sides of any unit that may still come, sorted: a point with less room is of no use.
    floor: [u32; 3],
    placements: Vec<Placement>,
    points: Vec<Point>,
    volume: u64,
    grams: u64,
}

struct Point {
    at: Size,
    room: Size,
    /// The last item that was tried here and did not fit. It never will: room only shrinks.
    refused: Option<usize>,
    /// The placement that was last in the way: most likely it is again.
    blocker: usize,
}

/// What a unit looks like to a point.
struct Shape {
    turned: Vec<Size>,
    shortest: u32,
    longest: u32,
}

impl Load {
    /// An empty box for units whose sides, sorted, are at least `floor`.
    pub(super) fn new(kind: BoxKind, floor: [u32; 3]) -> Self {
        let corner = Point { at: Size::new(0, 0, 0), room: kind.inner, refused: None, blocker: 0 };
        Self { kind, floor, placements: Vec::new(), points: vec![corner], volume: 0, grams: 0 }
    }

    /// Says that no unit with lesser sides than these, sorted, comes any more.
    pub(super) fn raise_floor(&mut self, floor: [u32; 3]) {
        if floor != self.floor {
            self.floor = floor;
            self.points.retain(|point| has_room(point.room, floor));
        }
    }

    /// Places as many of these units as fit, at most `units`; gives how many.
    pub(super) fn fill(
        &mut self,
        steps: &mut Steps<'_>,
        at: usize,
        item: &Item,
        units: u64,
    ) -> Result<u64, QuoteError> {
        let shape = Shape::of(item.size);
        let mut placed = 0;
        while placed < units && self.takes(item) {
            let Some((point, size)) = self.find(steps, at, &shape)? else { break };
            self.place(Placement { item: u32::try_from(at).unwrap_or(u32::MAX), at: point, size });
            self.grams += u64::from(item.grams);
            placed += 1;
        }
        Ok(placed)
    }

    /// The same units in a box of this kind, if it takes them all.
    pub(super) fn packed_into(
        &self,
        steps: &mut Steps<'_>,
        kind: BoxKind,
        items: &[Item],
    ) -> Result<Option<Self>, QuoteError> {
        if self.volume > kind.inner.volume() || self.grams > u64::from(kind.load_max) {
            return Ok(None);
        }
        let sides = self.placements.iter().map(|placed| sorted(placed.size));
        let floor = sides.reduce(least).unwrap_or_default();
        let mut smaller = Self::new(kind, floor);
        // Units of one item lie next to each other in the list, as they were placed.
        for run in self.placements.chunk_by(|one, other| one.item == other.item) {
            let at = run[0].item as usize;
            let units = run.iter().fold(0, |units, _| units + 1);
            if smaller.fill(steps, at, &items[at], units)? < units {
                return Ok(None);
            }
        }
        Ok(Some(smaller))
    }

    pub(super) fn into_parcel(self) -> Parcel {
        Parcel {
            kind: self.kind.name.to_owned(),
            inner: self.kind.inner,
            grams: self.grams + u64::from(self.kind.tare),
            placements: self.placements,
        }
    }

    /// Whether one more is within the limits of number, weight and volume.
    fn takes(&self, item: &Item) -> bool {
        self.placements.len() < BOX_UNITS_MAX
            && self.grams + u64::from(item.grams) <= u64::from(self.kind.load_max)
            && self.volume + item.size.volume() <= self.kind.inner.volume()
    }

    /// The first point where a unit can lie, and how it is turned there.
    fn find(
        &mut self,
        steps: &mut Steps<'_>,
        item: usize,
        shape: &Shape,
    ) -> Result<Option<(Size, Size)>, QuoteError> {
        for point in &mut self.points {
            if point.refused == Some(item) {
                continue;
            }
            steps.step()?;
            if let Some(size) = point.takes(shape, &self.placements) {
                return Ok(Some((point.at, size)));
            }
            point.refused = Some(item);
        }
        Ok(None)
    }

    fn place(&mut self, placed: Placement) {
        self.volume += placed.size.volume();
        for point in &mut self.points {
            point.room = cut(point.at, point.room, &placed);
        }
        self.points.retain(|point| has_room(point.room, self.floor));
        self.placements.push(placed);
        for at in self.extreme_points(&placed) {
            self.add(at);
        }
    }

    /// The corners that a placement opens, each pushed along two axes until something stops it.
    fn extreme_points(&self, placed: &Placement) -> [Size; 6] {
        let Placement { at, size, .. } = *placed;
        let right = Size::new(at.x + size.x, at.y, at.z);
        let behind = Size::new(at.x, at.y + size.y, at.z);
        let above = Size::new(at.x, at.y, at.z + size.z);
        [
            self.pushed_y(right),
            self.pushed_z(right),
            self.pushed_x(behind),
            self.pushed_z(behind),
            self.pushed_x(above),
            self.pushed_y(above),
        ]
    }

    fn pushed_x(&self, point: Size) -> Size {
        let ends = self.placements.iter().filter(|other| covers_y(other, point) && covers_z(other, point));
        let end = ends.map(|other| other.at.x + other.size.x).filter(|end| *end <= point.x).max();
        Size { x: end.unwrap_or(0), ..point }
    }

    fn pushed_y(&self, point: Size) -> Size {
        let ends = self.placements.iter().filter(|other| covers_x(other, point) && covers_z(other, point));
        let end = ends.map(|other| other.at.y + other.size.y).filter(|end| *end <= point.y).max();
        Size { y: end.unwrap_or(0), ..point }
    }

    fn pushed_z(&self, point: Size) -> Size {
        let ends = self.placements.iter().filter(|other| covers_x(other, point) && covers_y(other, point));
        let end = ends.map(|other| other.at.z + other.size.z).filter(|end| *end <= point.z).max();
        Size { z: end.unwrap_or(0), ..point }
    }

    fn add(&mut self, at: Size) {
        let order = |point: &Point| (point.at.z, point.at.y, point.at.x);
        let Err(place) = self.points.binary_search_by_key(&(at.z, at.y, at.x), order) else { return };
        let inner = self.kind.inner;
        let walls = Size::new(
            inner.x.saturating_sub(at.x),
            inner.y.saturating_sub(at.y),
            inner.z.saturating_sub(at.z),
        );
        let room = self.placements.iter().fold(walls, |room, other| cut(at, room, other));
        if has_room(room, self.floor) {
            self.points.insert(place, Point { at, room, refused: None, blocker: 0 });
        }
    }
}

impl Shape {
    fn of(size: Size) -> Self {
        let [shortest, _, longest] = sorted(size);
        Self { turned: size.turned(), shortest, longest }
    }
}

impl Point {
    /// How a unit of this shape is turned to lie here, if it can.
    fn takes(&mut self, shape: &Shape, placements: &[Placement]) -> Option<Size> {
        let [shortest, _, longest] = sorted(self.room);
        if shortest < shape.shortest || longest < shape.longest {
            return None;
        }
        for size in shape.turned.iter().filter(|size| size.fits(self.room)) {
            if placements.get(self.blocker).is_some_and(|blocker| overlaps(self.at, *size, blocker)) {
                continue;
            }
            match placements.iter().position(|other| overlaps(self.at, *size, other)) {
                None => return Some(*size),
                Some(blocker) => self.blocker = blocker,
            }
        }
        None
    }
}

fn overlaps(at: Size, size: Size, other: &Placement) -> bool {
    at.x < other.at.x + other.size.x
        && other.at.x < at.x + size.x
        && at.y < other.at.y + other.size.y
        && other.at.y < at.y + size.y
        && at.z < other.at.z + other.size.z
        && other.at.z < at.z + size.z
}

fn has_room(room: Size, floor: [u32; 3]) -> bool {
    let [short, middle, long] = sorted(room);
    short >= floor[0] && middle >= floor[1] && long >= floor[2]
}

/// The sides, the shortest first.
pub(super) fn sorted(size: Size) -> [u32; 3] {
    let [low, high] = if size.x <= size.y { [size.x, size.y] } else { [size.y, size.x] };
    [low.min(size.z), low.max(size.z).min(high), high.max(size.z)]
}

/// The lesser of each side.
pub(super) fn least(one: [u32; 3], other: [u32; 3]) -> [u32; 3] {
    [one[0].min(other[0]), one[1].min(other[1]), one[2].min(other[2])]
}

/// What a placement leaves of the room at a point: nothing when it covers the point.
fn cut(at: Size, mut room: Size, placed: &Placement) -> Size {
    let (x, y, z) = (covers_x(placed, at), covers_y(placed, at), covers_z(placed, at));
    // A placement that begins at or before the point and reaches it covers it; the difference is then zero.
    if y && z && placed.at.x + placed.size.x > at.x {
        room.x = room.x.min(placed.at.x.saturating_sub(at.x));
    }
    if x && z && placed.at.y + placed.size.y > at.y {
        room.y = room.y.min(placed.at.y.saturating_sub(at.y));
    }
    if x && y && placed.at.z + placed.size.z > at.z {
        room.z = room.z.min(placed.at.z.saturating_sub(at.z));
    }
    room
}

fn covers_x(placed: &Placement, point: Size) -> bool {
    placed.at.x <= point.x && point.x < placed.at.x + placed.size.x
}

fn covers_y(placed: &Placement, point: Size) -> bool {
    placed.at.y <= point.y && point.y < placed.at.y + placed.size.y
}

fn covers_z(placed: &Placement, point: Size) -> bool {
    placed.at.z <= point.z && point.z < placed.at.z + placed.size.z
}
