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
}

impl Load {
    pub(super) fn new(kind: BoxKind) -> Self {
        let corner = Point { at: Size::new(0, 0, 0), room: kind.inner, refused: None };
        Self { kind, placements: Vec::new(), points: vec![corner], volume: 0, grams: 0 }
    }

    /// Places as many of these units as fit, at most `units`; gives how many.
    pub(super) fn fill(
        &mut self,
        steps: &mut Steps<'_>,
        at: usize,
        item: &Item,
        units: u64,
    ) -> Result<u64, QuoteError> {
        let turned = item.size.turned();
        let mut placed = 0;
        while placed < units && self.takes(item) {
            let Some((point, size)) = self.find(steps, at, &turned)? else { break };
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
        let mut smaller = Self::new(kind);
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

    fn find(
        &mut self,
        steps: &mut Steps<'_>,
        item: usize,
        turned: &[Size],
    ) -> Result<Option<(Size, Size)>, QuoteError> {
        for at in 0..self.points.len() {
            if self.points[at].refused == Some(item) {
                continue;
            }
            steps.step()?;
            let point = &self.points[at];
            let found = turned.iter().find(|size| size.fits(point.room) && self.is_free(point.at, **size));
            if let Some(size) = found {
                return Ok(Some((point.at, *size)));
            }
            self.points[at].refused = Some(item);
        }
        Ok(None)
    }

    fn is_free(&self, at: Size, size: Size) -> bool {
        !self.placements.iter().any(|other| {
            at.x < other.at.x + other.size.x
                && other.at.x < at.x + size.x
                && at.y < other.at.y + other.size.y
                && other.at.y < at.y + size.y
                && at.z < other.at.z + other.size.z
                && other.at.z < at.z + size.z
        })
    }

    fn place(&mut self, placed: Placement) {
        self.volume += placed.size.volume();
        for point in &mut self.points {
            point.room = cut(point.at, point.room, &placed);
        }
        self.points.retain(|point| has_volume(point.room));
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
        if has_volume(room) {
            self.points.insert(place, Point { at, room, refused: None });
        }
    }
}

fn has_volume(room: Size) -> bool {
    room.x > 0 && room.y > 0 && room.z > 0
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
