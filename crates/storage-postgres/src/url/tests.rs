#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use tokio_postgres::config::{ChannelBinding, Host, TargetSessionAttrs};

use super::*;

fn target(url: &str) -> Target {
    Target::parse(url).unwrap()
}

fn refused(url: &str) -> String {
    match Target::parse(url) {
        Err(Error::Unusable(words)) => words,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn urls_are_read_as_providers_print_them() {
    // Neon, Supabase, RDS, Crunchy Bridge, Aiven, Heroku, and a cluster.
    let urls = [
        "postgresql://alex:AbC123@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require&channel_binding=require",
        "postgres://postgres.ref:pw@aws-0-eu.pooler.supabase.com:6543/postgres?pgbouncer=true",
        "postgres://user:p%40ss%3Aword@db.abc.eu-west-1.rds.amazonaws.com:5432/shop?sslmode=verify-full&sslrootcert=system",
        "postgres://u:p@p.x.db.postgresbridge.com:5432/postgres",
        "postgres://avnadmin:pw@pg-1.aivencloud.com:12691/defaultdb?sslmode=require",
        "postgres://u:p@one:5432,two:5433,three/shop?target_session_attrs=read-write&connect_timeout=3",
        "postgres://user@/shop?host=/var/run/postgresql",
        "postgres://u:p@h/shop?options=-c%20search_path%3Dpublic&application_name=orders",
        "host=db.example port=5432 user=u password=p dbname=shop sslmode=verify-full sslrootcert=system",
    ];
    for url in urls {
        Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}

#[test]
fn parts_of_a_url_reach_the_driver() {
    let target = target(
        "postgres://u:p%40s@one:5432,two:5433/shop?sslmode=verify-full&sslrootcert=system&target_session_attrs=read-write&channel_binding=require",
    );
    let config = &target.config;
    assert_eq!(config.get_hosts(), [Host::Tcp("one".into()), Host::Tcp("two".into())]);
    assert_eq!(config.get_ports(), [5432, 5433]);
    assert_eq!((config.get_user(), config.get_dbname()), (Some("u"), Some("shop")));
    assert_eq!(config.get_password(), Some(&b"p@s"[..]));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    assert_eq!(config.get_ssl_mode(), SslMode::Require);
}

#[test]
fn ssl_modes_are_libpqs() {
    let check = |mode: Option<&str>, roots: bool, want: (SslMode, Verify)| {
        assert_eq!(modes(mode, roots), Ok(want), "{mode:?} {roots}");
    };
    check(None, false, (SslMode::Prefer, Verify::Nothing));
    check(Some("disable"), true, (SslMode::Disable, Verify::Nothing));
    check(Some("allow"), false, (SslMode::Prefer, Verify::Nothing));
    check(Some("prefer"), false, (SslMode::Prefer, Verify::Nothing));
    check(Some("require"), false, (SslMode::Require, Verify::Nothing));
    check(Some("require"), true, (SslMode::Require, Verify::Authority));
    check(Some("verify-ca"), true, (SslMode::Require, Verify::Authority));
    check(Some("verify-full"), false, (SslMode::Require, Verify::Full));
}

#[test]
fn a_pooler_can_be_named() {
    assert!(target("postgres://u@h/d?pgbouncer=true").pooled);
    assert!(!target("postgres://u@h/d?pgbouncer=false").pooled);
    assert!(!target("postgres://u@h/d").pooled);
}

#[test]
fn a_wrong_url_is_refused_with_what_is_wrong() {
    for (url, words) in [
        ("mysql://u@h/d", "postgres://user:password@host:5432/database"),
        ("postgres://u@h:port/d", "port"),
        ("postgres://u@h/d?sslmode=verify", "verify-full"),
        ("postgres://u@h/d?colour=red", "colour"),
        ("postgres:///d", "names no host"),
        ("", "names no host"),
        ("postgres://u@h/d?sslmode=verify-full&sslrootcert=/nowhere.pem", "/nowhere.pem cannot be read"),
    ] {
        let told = refused(url);
        assert!(told.contains(words), "{url}: {told}");
    }
}

#[test]
fn a_refused_url_does_not_tell_its_password() {
    assert!(!refused("postgres://u:secret@h:port/d").contains("secret"));
    assert!(!refused("postgres://u:secret@h/d?sslmode=x").contains("secret"));
}
