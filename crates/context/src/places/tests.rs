use std::pin::pin;

use super::*;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn places_are_taken_in_the_order_of_asking() {
    let places = Places::new(1);
    let held = places.try_take();
    let (mut first, mut second) = (pin!(places.take()), pin!(places.take()));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(held);
    assert!(places.try_take().is_none(), "the place is handed on, not free");
    assert!(poll(second.as_mut()).is_pending());
    let Poll::Ready(place) = poll(first) else { panic!("the first has its place") };
    drop(place);
    assert!(poll(second).is_ready());
}

#[test]
fn a_place_handed_to_a_dropped_future_goes_to_the_next() {
    let places = Places::new(1);
    let held = places.try_take();
    let mut first = Box::pin(places.take());
    let mut second = pin!(places.take());
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(held);
    drop(first);
    assert!(poll(second).is_ready());
}

#[test]
fn a_dropped_future_leaves_the_queue() {
    let places = Places::new(1);
    let held = places.try_take();
    let mut waiting = Box::pin(places.take());
    assert!(poll(waiting.as_mut()).is_pending());
    drop(waiting);
    drop(held);
    assert!(places.try_take().is_some());
}

#[test]
fn no_place_is_lost_or_made_when_waits_are_dropped_at_random() {
    let places = Places::new(3);
    std::thread::scope(|scope| {
        for seed in 1..=4_u64 {
            let places = &places;
            scope.spawn(move || jostle(places, seed));
        }
    });
    let all: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
    assert_eq!(all.len(), 3);
}

fn jostle(places: &Places, seed: u64) {
    let mut random = seed;
    let mut held = Vec::new();
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut take = pin!(places.take());
        for _ in 0..(random >> 62) {
            if let Poll::Ready(place) = poll(take.as_mut()) {
                held.push(place);
                break;
            }
        }
        if random >> 61 & 1 == 0 {
            held.clear();
        }
    }
}
