//! Reaching a server, and saying what to do when that fails.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};
use staffa_context::{Context, Failure, Kind};

/// The first version that lets one of several processes have a consumer.
const VERSION_MIN: (u64, u64) = (2, 11);

/// How long to wait before a server that was not there is tried again.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How long a request to JetStream waits for its answer, within the deadline of whoever asks.
const ANSWER: Duration = Duration::from_secs(5);

/// The servers of a URL, and the prefix that is its path.
pub(crate) fn read(url: &str) -> Result<(Vec<ServerAddr>, Option<String>), Failure> {
    let wrong = |why: String| {
        Failure::new(Kind::Invalid, format!("the URL of the bus {why}; it is like `nats://host:4222/shop`"))
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("has no scheme".into()))?;
    if !matches!(scheme, "nats" | "tls") {
        return Err(wrong(format!("has the scheme `{scheme}:`, which is not `nats:` or `tls:`")));
    }
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_end_matches('/');
    if !path.is_empty() && !is_prefix(path) {
        return Err(wrong("has a path that is not 1 to 40 of a-z, A-Z, 0-9, _ and -".into()));
    }
    let servers = hosts.split(',').map(|host| {
        let server = format!("{scheme}://{host}");
        // The words of the error could hold the password.
        server.parse::<ServerAddr>().map_err(|_| wrong("names no server".into()))
    });
    let servers: Vec<_> = servers.collect::<Result<_, _>>()?;
    if hosts.is_empty() || servers.iter().any(|server| server.host().is_empty()) {
        return Err(wrong("names no server".into()));
    }
    Ok((servers, Some(path.to_owned()).filter(|path| !path.is_empty())))
}

pub(crate) fn is_prefix(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    letters && (1..=40).contains(&text.len())
}

/// A connection to a server that has JetStream. It is made again, for as long as it lives, when the server goes away.
pub(crate) async fn connect(
    ctx: &Context,
    servers: Vec<ServerAddr>,
    wait: Duration,
) -> Result<(Client, jetstream::Context), Failure> {
    let hosts = servers.iter().map(|server| format!("{}:{}", server.host(), server.port()));
    let hosts = hosts.collect::<Vec<_>>().join(", ");
    let client = reach(ctx, &servers, &hosts, wait).await?;
    check_version(&client, &hosts)?;
    let mut jetstream = jetstream::new(client.clone());
    jetstream.set_timeout(ANSWER);
    ctx.run(jetstream.query_account()).await?.map_err(|error| {
        let words =
            format!("the NATS server at {hosts} has no JetStream for this account; start it with `-js`");
        Failure::new(Kind::Unsupported, words).with_log(format!("no JetStream at {hosts}: {error}"))
    })?;
    Ok((client, jetstream))
}

/// The first connection, tried again for so long at a server that may be starting.
async fn reach(
    ctx: &Context,
    servers: &[ServerAddr],
    hosts: &str,
    wait: Duration,
) -> Result<Client, Failure> {
    let waiting = ctx.with_timeout(wait);
    loop {
        let options = authenticated(servers.first())
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(50).saturating_mul(1 << attempts.min(5)).min(Duration::from_secs(1))
            })
            .event_callback(|event| async move { tracing::info!(%event, "the connection to the bus") });
        let error = match ctx.run(options.connect(servers.to_vec())).await? {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if !may_pass(error.kind()) || waiting.sleep(CONNECT_PAUSE).await.is_err() {
            ctx.check()?;
            return Err(refused(hosts, &error));
        }
    }
}

/// Whether an error of connecting may be gone in a moment.
fn may_pass(kind: ConnectErrorKind) -> bool {
    matches!(kind, ConnectErrorKind::Io | ConnectErrorKind::TimedOut | ConnectErrorKind::Dns)
}

/// Logs in with what the URL says: a user and password, or a token.
fn authenticated(server: Option<&ServerAddr>) -> ConnectOptions {
    match server.and_then(|server| Some((server.username()?, server.password()))) {
        Some((user, Some(password))) => ConnectOptions::with_user_and_password(plain(user), plain(password)),
        Some((token, None)) => ConnectOptions::with_token(plain(token)),
        None => ConnectOptions::new(),
    }
}

/// What a part of a URL says, with `%40` as `@`.
fn plain(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.first_chunk::<2>().and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(hosts: &str, error: &async_nats::ConnectError) -> Failure {
    let (kind, words) = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => (
            Kind::Unauthenticated,
            format!(
                "the NATS server at {hosts} refuses this user; set its name and password in the URL of the bus"
            ),
        ),
        ConnectErrorKind::Tls => {
            (Kind::Unavailable, format!("no TLS with the NATS server at {hosts}; check its certificate"))
        }
        _ => (
            Kind::Unavailable,
            format!(
                "no NATS server answers at {hosts}; start one with `nats-server -js`, or check the URL of the bus"
            ),
        ),
    };
    Failure::new(kind, words.clone()).with_log(format!("{words}: {error}"))
}

fn check_version(client: &Client, hosts: &str) -> Result<(), Failure> {
    let version = client.server_info().version;
    let mut parts = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= VERSION_MIN {
        return Ok(());
    }
    let (major, minor) = VERSION_MIN;
    let words = format!("the NATS server at {hosts} is {version}; use {major}.{minor} or newer");
    Err(Failure::new(Kind::Unsupported, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_as_the_url_means_it() {
        for (part, want) in [("plain", "plain"), ("a%40b%2F", "a@b/"), ("100%", "100%"), ("%zz", "%zz")] {
            assert_eq!(plain(part), want);
        }
    }

    #[test]
    fn urls_name_servers_and_a_prefix() {
        let read = |url: &str| {
            let (servers, prefix) = read(url).map_err(|failure| failure.words.into_owned())?;
            Ok::<_, String>((
                servers.iter().map(|it| (it.host().to_owned(), it.port())).collect::<Vec<_>>(),
                prefix,
            ))
        };
        let a = ("a".to_owned(), 4222);
        assert_eq!(read("nats://a"), Ok((vec![a.clone()], None)));
        assert_eq!(read("nats://u:p@a/shop/"), Ok((vec![a.clone()], Some("shop".into()))));
        assert_eq!(read("tls://a,b:1/shop"), Ok((vec![a, ("b".into(), 1)], Some("shop".into()))));
        for (url, why) in [
            ("a:4222", "no scheme"),
            ("http://a", "`http:`"),
            ("nats://", "no server"),
            ("nats://u:hunter2@", "no server"),
            ("nats://a/b.c", "a path"),
        ] {
            let words = read(url).map(drop).map_or_else(|words| words, |()| String::new());
            assert!(words.contains(why) && !words.contains("hunter2"), "{url}: {words}");
        }
    }
}
