use proptest::prelude::*;

use super::*;

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::None),
        any::<bool>().prop_map(Part::Bool),
        any::<i64>().prop_map(Part::Int),
        any::<String>().prop_map(Part::Text),
        any::<u128>().prop_map(|uuid| Part::Uuid(Uuid::from_u128(uuid))),
        any::<i64>().prop_map(|micros| Part::Time(Timestamp::from_micros(micros))),
    ]
}

fn bound() -> impl Strategy<Value = Bound> {
    let end = || proptest::option::of(part());
    prop_oneof![
        Just(Bound::All),
        any::<String>().prop_map(Bound::Prefix),
        (end(), end()).prop_map(|(from, to)| Bound::Range { from, to }),
    ]
}

/// Kind, index, leading parts, bound and direction.
type Read = (String, String, Vec<Part>, Bound, bool);

fn read() -> impl Strategy<Value = Read> {
    ("[ab]{1,2}", "[ab]{1,2}", proptest::collection::vec(part(), 0..3), bound(), any::<bool>())
}

fn fingerprint((kind, index, equal, bound, descending): &Read) -> Fingerprint {
    Fingerprint::new(kind, index, &[PartType::Int, PartType::Text], equal, bound, *descending)
}

proptest! {
    #[test]
    fn a_cursor_opens_to_what_it_was_made_of(
        read in read(),
        key in proptest::collection::vec(part(), 0..5),
        id in part(),
    ) {
        let cursor = Cursor::new(&fingerprint(&read), &key, &id);
        prop_assert!(cursor.as_str().bytes().all(|letter| ALPHABET.contains(&letter)));
        prop_assert_eq!(cursor.open(&fingerprint(&read)), Ok((key, id)));
    }

    #[test]
    fn two_reads_have_two_fingerprints(one in read(), other in read()) {
        prop_assert_eq!(one == other, fingerprint(&one) == fingerprint(&other));
    }

    #[test]
    fn a_cursor_of_another_read_is_refused(one in read(), other in read(), id in part()) {
        prop_assume!(one != other);
        prop_assert!(Cursor::new(&fingerprint(&one), &[], &id).open(&fingerprint(&other)).is_err());
    }

    #[test]
    fn any_text_is_opened_without_panic(read in read(), text in any::<String>(), letters in "[A-Za-z0-9_-]{0,120}") {
        prop_assert!(Cursor::from_text(text).open(&fingerprint(&read)).is_err());
        prop_assert!(Cursor::from_text(letters).open(&fingerprint(&read)).is_err());
    }

    #[test]
    fn a_sealed_body_of_any_bytes_is_opened_without_panic(
        read in read(),
        tail in proptest::collection::vec(0..8u8, 0..60),
    ) {
        let read = fingerprint(&read);
        let mut bytes = [vec![VERSION], read.0.to_vec(), tail].concat();
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum[..CHECKSUM_LEN]);
        // Whatever it gives, a part that comes out goes in again.
        if let Ok((key, id)) = Cursor(encode(&bytes)).open(&read) {
            prop_assert_eq!(Cursor::new(&read, &key, &id).open(&read), Ok((key, id)));
        }
    }

    #[test]
    fn base64_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
    }
}
