use staffa_context::Context;

#[derive(Debug, PartialEq)]
struct Tenant(&'static str);

#[test]
fn a_value_is_found_by_its_type_below_where_it_was_put() {
    let root = Context::background();
    let ctx = root.with_value(Tenant("first")).with_value(7_u32);
    let (child, _) = ctx.with_trace(None).with_cancel();
    assert_eq!((child.value(), child.value()), (Some(&Tenant("first")), Some(&7_u32)));
    assert_eq!((root.value::<Tenant>(), child.value::<u64>()), (None, None));
}

#[test]
fn a_later_value_hides_an_earlier_one_for_its_own_descendants() {
    let first = Context::background().with_value(Tenant("first"));
    let second = first.with_value(Tenant("second"));
    assert_eq!((first.value(), second.value()), (Some(&Tenant("first")), Some(&Tenant("second"))));
}

#[test]
fn identifiers_differ_and_sort_by_their_making() {
    let ctx = Context::background();
    let ids: Vec<_> = (0..1_000).map(|_| ctx.uuid()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
}

#[test]
fn random_numbers_differ_between_threads_and_have_every_bit() {
    let ids = Context::background().instruments().ids.clone();
    let other = std::thread::scope(|scope| scope.spawn(|| ids.random()).join().unwrap());
    let mine: Vec<u64> = (0..1_000).map(|_| ids.random()).collect();
    assert!(!mine.contains(&other));
    for bit in 0..64 {
        let ones = mine.iter().filter(|number| **number >> bit & 1 == 1).count();
        assert!((350..650).contains(&ones), "bit {bit} is set {ones} times in 1,000");
    }
}
