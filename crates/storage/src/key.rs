use staffa_context::Timestamp;
use uuid::Uuid;

use crate::{Error, Part, PartType, Result};

/// A value that may be an id or a part of an index's key.
///
/// A newtype takes over the part that it wraps:
///
/// ```
/// use staffa_storage::{KeyPart, Part, PartType, Result};
///
/// #[derive(Clone)]
/// pub struct CustomerId(pub i64);
///
/// impl KeyPart for CustomerId {
///     const TYPE: PartType = i64::TYPE;
///     fn part(&self) -> Result<Part> { self.0.part() }
/// }
/// ```
pub trait KeyPart {
    /// The type of its parts.
    const TYPE: PartType;

    /// The part. It MUST be of [`KeyPart::TYPE`] or none.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a number above `i64::MAX`.
    fn part(&self) -> Result<Part>;
}

/// The key of an index: one [`KeyPart`] or a tuple of up to four.
pub trait Key {
    /// The types of its parts, in order.
    fn types() -> Vec<PartType>;

    /// Its parts, in order.
    ///
    /// # Errors
    ///
    /// Those of [`KeyPart::part`].
    fn parts(&self) -> Result<Vec<Part>>;
}

macro_rules! key_part {
    ($($type:ty => $part:ident, |$value:ident| $make:expr;)*) => {$(
        impl KeyPart for $type {
            const TYPE: PartType = PartType::$part;
            fn part(&self) -> Result<Part> {
                let $value = self;
                Ok(Part::$part($make))
            }
        }
    )*};
}

key_part! {
    bool => Bool, |value| *value;
    i32 => Int, |value| i64::from(*value);
    i64 => Int, |value| *value;
    u32 => Int, |value| i64::from(*value);
    u64 => Int, |value| i64::try_from(*value)
        .map_err(|_| Error::invalid("key", format!("{value} is above {}", i64::MAX)))?;
    String => Text, |value| value.clone();
    Uuid => Uuid, |value| *value;
    Timestamp => Time, |value| *value;
}

impl<P: KeyPart> KeyPart for Option<P> {
    const TYPE: PartType = P::TYPE;

    fn part(&self) -> Result<Part> {
        self.as_ref().map_or(Ok(Part::None), P::part)
    }
}

impl<P: KeyPart> Key for P {
    fn types() -> Vec<PartType> {
        vec![P::TYPE]
    }

    fn parts(&self) -> Result<Vec<Part>> {
        Ok(vec![self.part()?])
    }
}

macro_rules! key {
    ($($part:ident.$place:tt),+) => {
        impl<$($part: KeyPart),+> Key for ($($part,)+) {
            fn types() -> Vec<PartType> {
                vec![$($part::TYPE),+]
            }

            fn parts(&self) -> Result<Vec<Part>> {
                Ok(vec![$(self.$place.part()?),+])
            }
        }
    };
}

key!(A.0);
key!(A.0, B.1);
key!(A.0, B.1, C.2);
key!(A.0, B.1, C.2, D.3);
