use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in wall-clock time, in microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// It is written as RFC 3339 in UTC with six decimals always, so that its text sorts as the time does, from the year 0
/// on. Text with more decimals is read rounded towards the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest time that can be written: `-009999-01-02T01:59:59Z`, rounded up to a whole second.
    pub const MIN: Self = Self(-377_705_023_201_000_000);
    /// The latest time that can be written: `9999-12-30T22:00:00Z`, rounded down to a whole second.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// A time from microseconds since the epoch, brought into [`Timestamp::MIN`] to [`Timestamp::MAX`].
    pub fn from_micros(micros: i64) -> Self {
        Self(micros).clamp(Self::MIN, Self::MAX)
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// This time later by `duration`, at most [`Timestamp::MAX`].
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This time earlier by `duration`, at least [`Timestamp::MIN`].
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// The time passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.div_euclid(DAY));
        let (seconds, micros) = (self.0.rem_euclid(DAY) / SECOND, self.0.rem_euclid(SECOND));
        // A year before 0 has a sign, and six digits as the standard asks.
        let (sign, digits) = if year < 0 { ("-", 6) } else { ("", 4) };
        write!(f, "{sign}{:0digits$}-{month:02}-{day:02}", year.unsigned_abs())?;
        write!(f, "T{:02}:{:02}:{:02}.{micros:06}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days of 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01. Years are counted from March here, so that a leap day is the last of its year.
const EPOCH: i64 = 719_468;

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. After H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms".
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let of_cycle = days.rem_euclid(CYCLE);
    let year = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + 400 * days.div_euclid(CYCLE) + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// The inverse of [`date`]; a day that a month does not have runs over into the next.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let of_cycle = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * CYCLE + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - EPOCH
}

/// The text is not a time of RFC 3339 within [`Timestamp::MIN`] to [`Timestamp::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTime;

impl fmt::Display for NotTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time such as `2010-12-01T08:26:00Z`")
    }
}

impl std::error::Error for NotTime {}

impl FromStr for Timestamp {
    type Err = NotTime;

    /// Reads RFC 3339, with any offset and with years of six digits and a sign too. What is finer than a microsecond is
    /// cut off towards 1970, and a leap second is the one before it.
    fn from_str(text: &str) -> Result<Self, NotTime> {
        Reader(text.as_bytes()).time().ok_or(NotTime)
    }
}

/// What is left of a text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn time(&mut self) -> Option<Timestamp> {
        let day = self.day()?;
        self.one_of(b"Tt ")?;
        let (hour, minute, second) = (self.within(2, 23)?, self.after(b":", 59)?, self.after(b":", 60)?);
        let (micros, is_cut) = self.fraction()?;
        let seconds = hour * 3_600 + minute * 60 + second.min(59) - self.offset()?;
        let micros = day * DAY + seconds * SECOND + micros;
        let micros = micros + i64::from(is_cut && micros < 0);
        let is_whole = self.0.is_empty();
        Some(Timestamp(micros)).filter(|time| is_whole && (Timestamp::MIN..=Timestamp::MAX).contains(time))
    }

    fn day(&mut self) -> Option<i64> {
        let year = match self.one_of(b"+-") {
            Some(b'-') => -self.digits(6)?,
            Some(_) => self.digits(6)?,
            None => self.digits(4)?,
        };
        let (month, day) = (self.after(b"-", 12)?, self.after(b"-", 31)?);
        let days = days(year, month, day);
        (date(days) == (year, month, day)).then_some(days)
    }

    /// The microseconds after the point, and whether there is something finer.
    fn fraction(&mut self) -> Option<(i64, bool)> {
        if self.one_of(b".").is_none() {
            return Some((0, false));
        }
        let len = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let nanos = self.digits(Some(len).filter(|len| (1..=9).contains(len))?)?
            * 10_i64.pow(u32::try_from(9 - len).ok()?);
        Some((nanos / 1_000, nanos % 1_000 > 0))
    }

    /// Seconds east of Greenwich.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        Some(sign * (self.within(2, 23)? * 3_600 + self.after(b":", 59)? * 60))
    }

    /// A number of two digits after this byte.
    fn after(&mut self, byte: &[u8], most: i64) -> Option<i64> {
        self.one_of(byte)?;
        self.within(2, most)
    }

    fn within(&mut self, len: usize, most: i64) -> Option<i64> {
        self.digits(len).filter(|number| *number <= most)
    }

    fn digits(&mut self, len: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        digits
            .iter()
            .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        bytes.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
