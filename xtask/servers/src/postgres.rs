//! PostgreSQL: a cluster of its own, with a superuser that has a password.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::folder::Folder;
use crate::programs;
use crate::server::{Launch, Server};
use crate::{Result, Setup};

/// A locale other than C shows a key column that sorts by it.
const LOCALES: &[&[&str]] =
    &[&["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"], &["--locale=C"]];

pub(crate) fn start(target: &Path, setup: &Setup) -> Result<Server> {
    let folder = Folder::of_nobody("postgres")?;
    let programs::Postgres { initdb, server: program } = programs::postgres(target)?.reachable(&folder)?;
    let password = format!("{:016x}", RandomState::new().hash_one("password"));
    make_cluster(&folder, &initdb, &password)?;
    make_database(&folder, &program)?;
    for (name, content) in &setup.files {
        folder.write(name, content)?;
    }
    let mut arguments: Vec<String> =
        ["-D", "{folder}/data", "-p", "{port}", "-c", "listen_addresses=127.0.0.1"].map(str::to_owned).into();
    arguments.extend(["-c", "unix_socket_directories=", "-c", "max_connections=200"].map(str::to_owned));
    arguments.extend(setup.arguments.iter().cloned());
    // QUIT is PostgreSQL's immediate shutdown: the server ends its own processes.
    let launch = Launch { name: "PostgreSQL", program, arguments, signal: "QUIT", ready };
    Server::start(launch, folder, &format!("postgres://staffa:{password}@127.0.0.1:{{port}}/staffa"))
}

fn make_cluster(folder: &Folder, initdb: &Path, password: &str) -> Result<()> {
    folder.write("password", password)?;
    let mut said = String::new();
    for locale in LOCALES {
        let mut command = folder.command(initdb);
        command
            .args(["-D", "data", "-U", "staffa", "-A", "scram-sha-256", "--pwfile=password"])
            .args(["--encoding=UTF8", "--no-sync"])
            .args(*locale);
        let output = command.output().map_err(|error| format!("initdb does not start: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    Err(format!("initdb does not make a cluster:\n{}", said.trim_end()).into())
}

/// Makes the database without a client: a server for one user reads the statement from its input.
fn make_database(folder: &Folder, program: &Path) -> Result<()> {
    let mut command = folder.command(program);
    command
        .args(["--single", "-D", "data", "postgres"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("postgres does not start: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(b"CREATE DATABASE staffa\n")?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("postgres does not make a database:\n{}", said.trim_end()).into())
}

/// Asks to log in, and goes away when the server asks for the password: one that is still starting up
/// answers with an error instead.
fn ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut startup = 0x0003_0000_u32.to_be_bytes().to_vec();
    startup.extend(b"user\0staffa\0database\0staffa\0\0");
    let length = u32::try_from(startup.len() + 4).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &startup].concat())?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok(kind == *b"R")
}
