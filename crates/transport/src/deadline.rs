//! The deadline of a request: it crosses the wire as remaining time, since clocks differ.
use std::time::Duration;

use staffa_context::{Failure, Kind};

use crate::head::{Field, Head};
use crate::header;

/// The budget of a request: the least of what its headers leave and what the endpoint allows.
pub(crate) fn budget(head: &Head<'_>, endpoint: Duration) -> Result<Duration, Failure> {
    let own = read(head.timeout, header::name::TIMEOUT)?;
    let proxy = read(head.envoy_expected, header::ENVOY_EXPECTED)?;
    Ok([own, proxy].into_iter().flatten().fold(endpoint, Duration::min))
}

fn read(field: Field<'_>, name: &'static str) -> Result<Option<Duration>, Failure> {
    let Some(value) = field.first else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let millis = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match millis {
        Some(millis) if !field.repeated => Ok(Some(Duration::from_millis(millis))),
        _ => Err(Failure::new(
            Kind::Invalid,
            format!("the header `{name}` must be given once, as a whole number of milliseconds"),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use std::time::Duration;

    use http::{HeaderMap, HeaderName};

    use super::budget;
    use crate::head::Head;

    #[test]
    fn the_budget_is_the_least_of_all() {
        let check = |lines: &[(&'static str, &'static str)], expect: Option<u64>| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            let got = budget(&Head::of_fields(&headers), Duration::from_millis(1_000));
            assert_eq!(got.ok(), expect.map(Duration::from_millis), "{lines:?}");
        };
        const OWN: &str = "staffa-timeout-ms";
        const ENVOY: &str = "x-envoy-expected-rq-timeout-ms";
        check(&[], Some(1_000));
        check(&[(OWN, "300")], Some(300));
        check(&[(OWN, "5000")], Some(1_000));
        check(&[(OWN, "300"), (ENVOY, "200")], Some(200));
        check(&[(OWN, "200"), (ENVOY, "300")], Some(200));
        check(&[(OWN, "0")], Some(0));
        for bad in ["", "-1", "+1", "1.5", "1s", " 1", "18446744073709551616"] {
            check(&[(OWN, bad)], None);
            check(&[(ENVOY, bad)], None);
        }
        check(&[(OWN, "1"), (OWN, "2")], None);
    }
}
