//! Names of single requests, for answers and logs.
use std::sync::atomic::{AtomicU64, Ordering};

use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use staffa_context::Context;

use crate::answer::Problem;
use crate::header;

/// Makes request ids: 64 random bits of the process, and a count.
pub(crate) struct RequestIds {
    process: [u8; 16],
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(ctx: &Context) -> Self {
        Self { process: hex(ctx.instruments().ids.random()), next: AtomicU64::new(1) }
    }

    /// The caller's own id when it is 1 to 128 visible ASCII characters; else a new one.
    pub(crate) fn take(&self, given: Option<&HeaderValue>) -> HeaderValue {
        let sane = |value: &&HeaderValue| {
            (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        given.filter(sane).cloned().unwrap_or_else(|| self.make())
    }

    /// The answer to a request that no route takes.
    pub(crate) fn refuse(&self, problem: Problem, headers: &HeaderMap) -> Response {
        let request_id = self.take(headers.get(header::REQUEST_ID));
        let mut response = problem.into_response(Some(&request_id), None);
        response.headers_mut().insert(header::REQUEST_ID, request_id);
        response
    }

    fn make(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = [0; 32];
        text[..16].copy_from_slice(&self.process);
        text[16..].copy_from_slice(&hex(number));
        // Hexadecimal digits are a header value.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("none"))
    }
}

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (60 - at * 4)) as usize & 15])
}
