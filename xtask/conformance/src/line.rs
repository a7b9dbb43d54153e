//! Where in a URL the server is, and the same URL by another way.

use std::net::SocketAddr;

/// A URL whose one server can be reached through a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    before: String,
    /// The server's host and port.
    pub(crate) server: String,
    after: String,
}

impl Line {
    /// `None` for several servers, for one that is looked up by a service's name, and where TLS asks for the server's
    /// own name.
    pub(crate) fn of(url: &str, port: u16) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let secured = ["sslmode=verify", "sslrootcert=", "tls=true", "ssl=true", "+srv:"];
        if secured.iter().any(|word| url.contains(word)) {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, after) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (format!("{user}@"), host),
            None => (String::new(), authority),
        };
        if host.is_empty() || host.contains(',') {
            return None;
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let server = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        Some(Self { before: format!("{scheme}://{user}"), server, after: after.to_owned() })
    }

    /// The URL with this address for the server's, and one more option.
    pub(crate) fn through(&self, address: SocketAddr, option: &str) -> String {
        let Self { before, after, .. } = self;
        let joint = match (option, after.contains('?'), after.contains('/')) {
            ("", ..) => "",
            (_, true, _) => "&",
            (_, false, true) => "?",
            (_, false, false) => "/?",
        };
        format!("{before}{address}{after}{joint}{option}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, want: Option<(&str, &str)>) {
        let got = Line::of(url, 1).map(|line| {
            let through = line.through(SocketAddr::from(([127, 0, 0, 1], 9)), "x=y");
            (line.server, through)
        });
        assert_eq!(got, want.map(|(server, through)| (server.to_owned(), through.to_owned())), "{url}");
    }

    #[test]
    fn a_url_goes_through_a_proxy_and_keeps_the_rest() {
        check("a://h:5/db?b=c", Some(("h:5", "a://127.0.0.1:9/db?b=c&x=y")));
        check("a://u:p@h/db", Some(("h:1", "a://u:p@127.0.0.1:9/db?x=y")));
        check("a://h", Some(("h:1", "a://127.0.0.1:9/?x=y")));
        check("a://[::1]:7/", Some(("[::1]:7", "a://127.0.0.1:9/?x=y")));
    }

    #[test]
    fn several_servers_and_names_that_count_have_no_proxy() {
        check("a://h:5,i:6/db", None);
        check("a+srv://h/db", None);
        check("a://h/db?sslmode=verify-full", None);
        check("a:///db?host=/run/socket", None);
    }
}
