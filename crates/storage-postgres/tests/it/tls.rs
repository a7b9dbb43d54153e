//! What the modes of TLS ask of a server's certificate. The server here has one for `localhost`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use staffa_context::Context;
use staffa_storage::Error;

use crate::fake::{Fake, refuse, refused, startup};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

/// A server that speaks TLS, and refuses every login with words that show how far the client came.
fn server() -> Fake {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificates = CertificateDer::pem_file_iter(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.map(Result::unwrap).collect(), key)
        .unwrap();
    let config = Arc::new(config);
    Fake::start(move |stream| speak(stream, Arc::clone(&config)))
}

fn speak(mut stream: TcpStream, config: Arc<ServerConfig>) {
    let mut asked = [0; 8];
    stream.read_exact(&mut asked).unwrap();
    if asked[4..] != 80_877_103_u32.to_be_bytes() {
        refuse(&mut stream, "28000", "it came without TLS");
        return;
    }
    stream.write_all(b"S").unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut first = [0; 1];
    // A client that does not like the certificate leaves here.
    if stream.read_exact(&mut first).is_err() {
        return;
    }
    startup(&mut first.chain(&mut stream));
    refuse(&mut stream, "3D000", "it came with TLS");
}

async fn check(host: &str, parameters: &str, says: &str) {
    let error = refused(&Context::background(), &server().url(host, parameters)).await;
    let (Error::Unusable(words) | Error::Unavailable(words)) = &error else { panic!("{error:?}") };
    assert!(words.contains(says), "{host} {parameters}: {words} does not say {says}");
}

#[tokio::test]
async fn each_mode_verifies_what_it_says() {
    let ca = format!("sslrootcert={}", file("ca.pem").display());
    let other = format!("sslrootcert={}", file("other.pem").display());
    let (with, without) = ("it came with TLS", "it came without TLS");
    check("localhost", "sslmode=disable", without).await;
    check("localhost", "", with).await;
    check("localhost", "sslmode=prefer", with).await;
    check("localhost", "sslmode=require", with).await;
    check("127.0.0.1", "sslmode=require", with).await;
    check("localhost", &format!("sslmode=verify-full&{ca}"), with).await;
    check("localhost", &format!("sslmode=verify-ca&{ca}"), with).await;
    check("127.0.0.1", &format!("sslmode=verify-ca&{ca}"), with).await;
    check("127.0.0.1", &format!("sslmode=require&{ca}"), with).await;

    check("127.0.0.1", &format!("sslmode=verify-full&{ca}"), "certificate").await;
    check("localhost", &format!("sslmode=verify-full&{other}"), "certificate").await;
    check("localhost", &format!("sslmode=verify-ca&{other}"), "certificate").await;
    check("localhost", &format!("sslmode=require&{other}"), "certificate").await;
    check("localhost", "sslmode=verify-full&sslrootcert=system", "certificate").await;
}
