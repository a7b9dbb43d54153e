use std::fmt;
use std::marker::PhantomData;

use crate::{Bound, KeyPart, Part, PartType, Result};

/// What a read by an index with key `K` covers: equality on leading parts, then one range or text prefix.
///
/// Leading parts alone are a range: `()` is everything, `(customer,)` all of a customer. More is said on the part
/// that follows them, whose type is checked:
///
/// ```
/// use staffa_storage::Range;
///
/// let june: Range<(String, i64)> = Range::of(("EIRE".into(),)).from(20_110_601).to(20_110_701).descending().into();
/// let boxes: Range<String> = Range::of(()).prefix("BOX").into();
/// ```
pub struct Range<K> {
    pub(crate) equal: Result<Vec<Part>>,
    pub(crate) bound: Result<Bound>,
    pub(crate) descending: bool,
    key: PhantomData<fn() -> K>,
}

impl<K> Range<K> {
    /// These leading parts, to say more about the part that follows them. `()` leads everything.
    pub fn of<L: Leading<K>>(leading: L) -> Following<K, L::Next> {
        Following { range: Self::new(leading.parts()), from: None, to: None, next: PhantomData }
    }

    fn new(equal: Result<Vec<Part>>) -> Self {
        Self { equal, bound: Ok(Bound::All), descending: false, key: PhantomData }
    }

    /// Reverses the whole order, the id included.
    #[must_use]
    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }
}

impl<K> fmt::Debug for Range<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Range")
            .field("equal", &self.equal)
            .field("bound", &self.bound)
            .field("descending", &self.descending)
            .finish()
    }
}

/// A [`Range`] in the making; `N` is the type of the part that follows its leading ones.
#[must_use]
pub struct Following<K, N> {
    range: Range<K>,
    from: Option<Result<Part>>,
    to: Option<Result<Part>>,
    next: PhantomData<fn(N)>,
}

impl<K, N> Following<K, N> {
    /// Reverses the whole order, the id included.
    pub fn descending(mut self) -> Self {
        self.range.descending = true;
        self
    }
}

impl<K, N: KeyPart> Following<K, N> {
    /// Where the following part begins, included. Without it none parts, which come first, are covered too.
    pub fn from(mut self, part: N) -> Self {
        self.from = Some(part.part());
        self
    }

    /// Where the following part ends, excluded.
    pub fn to(mut self, part: N) -> Self {
        self.to = Some(part.part());
        self
    }

    /// Text that begins with this, byte for byte; it takes the place of `from` and `to`. The following part must be
    /// text, which is checked when this is compiled.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Range<K> {
        const { assert!(matches!(N::TYPE, PartType::Text), "only a text part has a prefix") };
        self.range.bound = Ok(Bound::Prefix(prefix.into()));
        self.range
    }
}

impl<K, N> From<Following<K, N>> for Range<K> {
    fn from(following: Following<K, N>) -> Self {
        let Following { mut range, from, to, .. } = following;
        if from.is_some() || to.is_some() {
            range.bound = between(from, to);
        }
        range
    }
}

fn between(from: Option<Result<Part>>, to: Option<Result<Part>>) -> Result<Bound> {
    Ok(Bound::Range { from: from.transpose()?, to: to.transpose()? })
}

impl<K, N> fmt::Debug for Following<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following")
            .field("range", &self.range)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish()
    }
}

/// The leading parts of a key `K`: a tuple of none to all of them.
pub trait Leading<K> {
    /// The type of the part that follows; [`Whole`] when none does.
    type Next;

    /// The parts.
    ///
    /// # Errors
    ///
    /// Those of [`KeyPart::part`].
    fn parts(self) -> Result<Vec<Part>>;
}

/// No part follows: the key is whole.
#[derive(Clone, Copy, Debug)]
pub enum Whole {}

macro_rules! leading {
    ($([$($key:ident),*] $of:ty: ($($lead:ident.$place:tt),*) then $next:ty;)*) => {$(
        impl<$($key: KeyPart),*> Leading<$of> for ($($lead,)*) {
            type Next = $next;

            fn parts(self) -> Result<Vec<Part>> {
                Ok(vec![$(self.$place.part()?),*])
            }
        }

        impl<$($key: KeyPart),*> From<($($lead,)*)> for Range<$of> {
            fn from(leading: ($($lead,)*)) -> Self {
                Self::new(Leading::<$of>::parts(leading))
            }
        }
    )*};
}

leading! {
    [A] A: () then A;
    [A] A: (A.0) then Whole;
    [A] (A,): () then A;
    [A] (A,): (A.0) then Whole;
    [A, B] (A, B): () then A;
    [A, B] (A, B): (A.0) then B;
    [A, B] (A, B): (A.0, B.1) then Whole;
    [A, B, C] (A, B, C): () then A;
    [A, B, C] (A, B, C): (A.0) then B;
    [A, B, C] (A, B, C): (A.0, B.1) then C;
    [A, B, C] (A, B, C): (A.0, B.1, C.2) then Whole;
    [A, B, C, D] (A, B, C, D): () then A;
    [A, B, C, D] (A, B, C, D): (A.0) then B;
    [A, B, C, D] (A, B, C, D): (A.0, B.1) then C;
    [A, B, C, D] (A, B, C, D): (A.0, B.1, C.2) then D;
    [A, B, C, D] (A, B, C, D): (A.0, B.1, C.2, D.3) then Whole;
}
