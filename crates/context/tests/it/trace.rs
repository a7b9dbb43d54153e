use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use proptest::prelude::*;
use staffa_context::{Context, TraceContext};

use crate::hand::poll;

const TRACE: TraceContext = TraceContext {
    trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
    span_id: 0x00f0_67aa_0ba9_02b7,
    sampled: true,
};
const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

proptest! {
    #[test]
    fn a_traceparent_is_read_as_it_was_written(trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, sampled: bool) {
        let trace = TraceContext { trace_id, span_id, sampled };
        prop_assert_eq!(TraceContext::from_traceparent(&trace.traceparent()), Some(trace));
    }

    #[test]
    fn no_header_makes_the_reader_panic(header in ".{0,80}") {
        let _ = TraceContext::from_traceparent(&header);
    }
}

#[test]
fn valid_headers_are_read() {
    let unsampled = TraceContext { sampled: false, ..TRACE };
    let later = format!("cc{}-what-the-future-brings", &HEADER[2..]);
    for (header, expect) in [
        (HEADER, TRACE),
        (&HEADER.replace("-01", "-00"), unsampled),
        (&HEADER.replace("-01", "-fe"), unsampled),
        (&HEADER.replace("-01", "-ff"), TRACE),
        (&later, TRACE),
    ] {
        assert_eq!(TraceContext::from_traceparent(header), Some(expect), "{header}");
    }
    assert_eq!(TRACE.traceparent(), HEADER);
}

#[test]
fn invalid_headers_are_refused() {
    for header in [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        // Version 0 has nothing after the flags, and version 255 does not exist.
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        // A later version's flags end where a part ends.
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        // Zero is no identifier.
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        // Lower-case hexadecimal digits, as many as asked.
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47366-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
    ] {
        assert_eq!(TraceContext::from_traceparent(header), None, "{header}");
    }
}

#[test]
fn the_trace_is_current_while_a_future_is_polled_and_no_longer() {
    let inner = TraceContext { span_id: 1, ..TRACE };
    let ctx = Context::background().with_trace(Some(TRACE));
    let looks = ctx.run(async {
        let before = TraceContext::current();
        let nested = ctx.with_trace(Some(inner));
        let within = nested.run(async { TraceContext::current() }).await;
        (before, within, TraceContext::current())
    });
    assert_eq!(poll(pin!(looks)), Poll::Ready(Ok((Some(TRACE), Ok(Some(inner)), Some(TRACE)))));
    assert_eq!(TraceContext::current(), None);
    let mut waits = pin!(ctx.run(poll_fn(|_| Poll::<()>::Pending)));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(TraceContext::current(), None);
}

#[test]
fn without_a_tracer_a_span_is_the_context_itself() {
    let ctx = Context::background().with_trace(Some(TRACE)).with_value(7_u8);
    let mut span = ctx.span("work");
    span.set("items", 3_i64);
    span.fail("nothing listens");
    assert_eq!((span.is_recording(), span.trace(), span.value::<u8>()), (false, Some(TRACE), Some(&7)));
}
