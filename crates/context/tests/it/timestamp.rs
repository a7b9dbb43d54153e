use std::time::Duration;

use proptest::prelude::*;
use staffa_context::Timestamp;

/// `0000-01-01T00:00:00Z`.
const YEAR_0: i64 = -62_167_219_200_000_000;

proptest! {
    #[test]
    fn a_time_is_read_as_it_was_written(micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()) {
        let time = Timestamp::from_micros(micros);
        prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        let json = serde_json::to_string(&time).unwrap();
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
    }

    #[test]
    fn text_sorts_as_the_time_does(
        one in YEAR_0..=Timestamp::MAX.as_micros(),
        other in YEAR_0..=Timestamp::MAX.as_micros(),
        near in -3..=3_i64,
    ) {
        let one = Timestamp::from_micros(one);
        for other in [Timestamp::from_micros(other), Timestamp::from_micros(one.as_micros() + near)] {
            if other.as_micros() >= YEAR_0 {
                prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,40}") {
        let _ = text.parse::<Timestamp>();
    }
}

#[test]
fn the_text_is_utc_with_six_decimals() {
    for (micros, expect) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_291_190_400_000_001, "2010-12-01T08:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (YEAR_0, "0000-01-01T00:00:00.000000Z"),
        (i64::MAX, "9999-12-30T22:00:00.000000Z"),
        (i64::MIN, "-009999-01-02T01:59:59.000000Z"),
    ] {
        assert_eq!(Timestamp::from_micros(micros).to_string(), expect);
    }
}

#[test]
fn other_offsets_are_read_as_utc() {
    let time: Timestamp = "2010-12-01T09:26:00+01:00".parse().unwrap();
    assert_eq!(time.to_string(), "2010-12-01T08:26:00.000000Z");
    let fine: Timestamp = "1970-01-01T00:00:00.0000019Z".parse().unwrap();
    assert_eq!(fine.as_micros(), 1);
    let fine: Timestamp = "1969-12-31T23:59:59.9999981Z".parse().unwrap();
    assert_eq!(fine.as_micros(), -1);
    let other_spellings = ["2010-12-01t08:26:60z", "+002010-12-01 05:56:59-02:30"];
    for text in other_spellings {
        let time: Timestamp = text.parse().unwrap();
        assert_eq!(time.to_string(), "2010-12-01T08:26:59.000000Z");
    }
    for text in [
        "",
        "yesterday",
        "2010-12-01",
        "2010-12-01T08:26:00",
        "2010-13-01T08:26:00Z",
        "2010-00-01T08:26:00Z",
        "2010-02-29T08:26:00Z",
        "1900-02-29T08:26:00Z",
        "2010-12-01T24:00:00Z",
        "2010-12-01T08:26:00.Z",
        "2010-12-01T08:26:00.1234567890Z",
        "2010-12-01T08:26:00Z ",
        "2010-12-01T08:26:00+1:00",
        "9999-12-31T23:59:59Z",
        "-009999-01-01T00:00:00Z",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn arithmetic_stops_at_the_ends() {
    let second = Duration::from_secs(1);
    let time = Timestamp::from_micros(5);
    assert_eq!(time.plus(second).since(time), second);
    assert_eq!(time.minus(second).since(time), Duration::ZERO);
    assert_eq!(Timestamp::MAX.plus(second), Timestamp::MAX);
    assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
    assert_eq!(Timestamp::MIN.plus(Duration::MAX), Timestamp::MAX);
}
