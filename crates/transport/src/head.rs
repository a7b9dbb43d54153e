//! What is asked of every request's header fields.
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::header::{self, name};

/// The fields that every request is asked for, found in one walk: each look-up by name would hash the name.
#[derive(Default)]
pub(crate) struct Head<'a> {
    /// The length of the address and all fields.
    pub(crate) bytes: usize,
    pub(crate) request_id: Field<'a>,
    pub(crate) traceparent: Field<'a>,
    pub(crate) timeout: Field<'a>,
    pub(crate) envoy_expected: Field<'a>,
}

/// A field that a request may have.
#[derive(Clone, Copy, Default)]
pub(crate) struct Field<'a> {
    pub(crate) first: Option<&'a HeaderValue>,
    /// Whether it was given more than once.
    pub(crate) repeated: bool,
}

impl<'a> Head<'a> {
    pub(crate) fn of(parts: &'a Parts) -> Self {
        let mut head = Self::of_fields(&parts.headers);
        head.bytes += parts.uri.path_and_query().map_or(1, |target| target.as_str().len());
        head
    }

    pub(crate) fn of_fields(headers: &'a HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            head.bytes += name.len() + value.len() + 4;
            let field = match name {
                header::REQUEST_ID_NAME => &mut head.request_id,
                name::TRACEPARENT => &mut head.traceparent,
                name::TIMEOUT => &mut head.timeout,
                header::ENVOY_EXPECTED => &mut head.envoy_expected,
                _ => continue,
            };
            field.repeated = field.first.is_some();
            field.first = field.first.or(Some(value));
        }
        head
    }
}
