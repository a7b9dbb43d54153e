//! Each kind of server is started, killed, started again and left behind.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::net::TcpStream;
use std::path::{Path, PathBuf};

use xtask_servers::{Result, Server, Setup};

/// The target folder that the tests were built in.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // `target/debug/deps/it-…`
    program.ancestors().nth(3).unwrap().to_path_buf()
}

fn listens(server: &Server) -> bool {
    TcpStream::connect(("127.0.0.1", server.port())).is_ok()
}

fn lives_and_dies(start: fn(&Path, &Setup) -> Result<Server>) {
    let mut server = start(&target(), &Setup::default()).unwrap();
    assert!(listens(&server));
    let (port, url) = (server.port(), server.url().to_owned());
    assert!(url.contains(&port.to_string()), "{url}");
    server.kill().unwrap();
    assert!(!listens(&server), "it listens though it was killed");
    server.restart().unwrap();
    assert!(listens(&server));
    assert_eq!((server.port(), server.url()), (port, url.as_str()));
    let folder = server.folder().to_owned();
    assert!(folder.join("data").exists());
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it listens after its end");
    assert!(!folder.exists(), "its folder is left behind");
}

#[test]
fn postgres_lives_and_dies() {
    lives_and_dies(xtask_servers::postgres);
}

#[test]
fn mongodb_lives_and_dies() {
    lives_and_dies(xtask_servers::mongodb);
}

#[test]
fn nats_lives_and_dies() {
    lives_and_dies(xtask_servers::nats);
}

#[test]
fn a_panic_leaves_nothing_behind() {
    let folder = std::panic::catch_unwind(|| {
        let server = xtask_servers::nats(&target(), &Setup::default()).unwrap();
        std::panic::panic_any(server.folder().to_owned());
    });
    let folder = *folder.unwrap_err().downcast::<PathBuf>().unwrap();
    assert!(!folder.exists(), "the folder is left behind");
}

#[test]
fn a_server_that_ends_shows_its_log() {
    let setup = Setup { arguments: vec!["--no-such-option".into()], ..Setup::default() };
    let error = xtask_servers::postgres(&target(), &setup).unwrap_err().to_string();
    assert!(error.contains("ended with") && error.contains("no-such-option"), "{error}");
}

#[test]
fn files_are_laid_beside_the_data() {
    let files = vec![("extra.conf".to_owned(), "max_payload: 64KB\n".to_owned())];
    let arguments = vec!["-c".into(), "{folder}/extra.conf".into()];
    let setup = Setup { arguments, files, ..Setup::default() };
    let server = xtask_servers::nats(&target(), &setup).unwrap();
    let mut greeting = [0; 2048];
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let length = std::io::Read::read(&mut stream, &mut greeting).unwrap();
    let greeting = String::from_utf8_lossy(&greeting[..length]).into_owned();
    assert!(greeting.contains("\"max_payload\":65536"), "{greeting}");
}
