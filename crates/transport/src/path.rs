//! Paths with parameters, and percent-encoding both ways.
use std::borrow::Cow;

use staffa_context::{Failure, Kind};

/// One segment of an endpoint's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Fixed(&'static str),
    Param(&'static str),
}

/// The segments of an endpoint's path, without the empty one before the first slash.
pub(crate) fn segments(path: &'static str) -> impl Iterator<Item = Segment> {
    path.split('/').skip(1).map(|segment| {
        let param = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        param.map_or(Segment::Fixed(segment), Segment::Param)
    })
}

/// The names of an endpoint's path parameters, in order.
pub(crate) fn params(path: &'static str) -> impl Iterator<Item = &'static str> {
    segments(path).filter_map(|segment| match segment {
        Segment::Param(name) => Some(name),
        Segment::Fixed(_) => None,
    })
}

/// The parameters of `target`, the path of a request that the router matched with `path`, as they travelled.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn matched<'a>(
    path: &'static str,
    target: &'a str,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    segments(path).zip(target.split('/').skip(1)).filter_map(|(segment, raw)| match segment {
        Segment::Param(name) => Some((name, raw)),
        Segment::Fixed(_) => None,
    })
}

/// Appends `text` with everything but RFC 3986's unreserved characters as `%XX` of its UTF-8 bytes.
pub(crate) fn encode_into(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// What `+` means: itself in a path, a space in a query, as forms write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "the server decodes"))]
pub(crate) enum Plus {
    Literal,
    Space,
}

/// The text of a percent-encoded part of a target.
#[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "the server decodes"))]
pub(crate) fn decode(raw: &str, plus: Plus) -> Result<Cow<'_, str>, Failure> {
    let spaced = plus == Plus::Space && raw.contains('+');
    if !spaced && !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => escaped(&mut rest).ok_or_else(|| malformed(raw))?,
            b'+' if spaced => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| malformed(raw))
}

fn escaped(rest: &mut std::str::Bytes<'_>) -> Option<u8> {
    let high = char::from(rest.next()?).to_digit(16)?;
    let low = char::from(rest.next()?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

fn malformed(raw: &str) -> Failure {
    Failure::new(Kind::Invalid, format!("`{raw}` in the address is not percent-encoded UTF-8"))
}
