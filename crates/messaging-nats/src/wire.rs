//! Events as messages.
//!
//! | where | what |
//! |---|---|
//! | subject | `<prefix>.events.<name>.<partition>` |
//! | header `Nats-Msg-Id` | the event's id, by which the server drops what is published again |
//! | header `traceparent` | the trace of the publishing |
//! | payload | the event as JSON |

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use staffa_context::{Failure, Kind, TraceContext};
use staffa_storage::Event;

pub(crate) const TRACE: &str = "traceparent";

/// A token of a subject: what may not be in one is written as `=` and two hexadecimal digits.
pub(crate) fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("={byte:02x}"));
        }
    }
    if token.is_empty() { "=".to_owned() } else { token }
}

/// The token of an entity: FNV-1a (64 bits) of its kind, a zero byte and its id. Two that share one are held together.
pub(crate) fn entity(event: &Event) -> String {
    let bytes = event.kind.bytes().chain([0]).chain(event.entity.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

pub(crate) fn payload(event: &Event) -> Result<Bytes, Failure> {
    let bytes = serde_json::to_vec(event).map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    Ok(bytes.into())
}

pub(crate) fn headers(id: &str, trace: Option<TraceContext>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
    if let Some(trace) = trace {
        headers.insert(TRACE, trace.traceparent());
    }
    headers
}

pub(crate) fn header<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Option<&'a str> {
    headers?.get(name).map(async_nats::HeaderValue::as_str)
}

/// The event of a message; `None` for one of somebody else's.
pub(crate) fn event(message: &Message) -> Option<Event> {
    serde_json::from_slice(&message.payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_nothing_that_a_subject_would_read() {
        for (text, want) in
            [("order_placed", "order_placed"), ("a.b *>", "a=2eb=20=2a=3e"), ("é", "=c3=a9"), ("", "=")]
        {
            assert_eq!(token(text), want);
        }
    }
}
