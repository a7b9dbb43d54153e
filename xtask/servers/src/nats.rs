//! NATS with JetStream.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::folder::Folder;
use crate::programs;
use crate::server::{Launch, Server};
use crate::{Result, Setup};

pub(crate) fn start(target: &Path, setup: &Setup) -> Result<Server> {
    let program = programs::nats(target)?;
    let folder = Folder::new("nats")?;
    for (name, content) in &setup.files {
        folder.write(name, content)?;
    }
    let mut arguments: Vec<String> =
        ["-a", "127.0.0.1", "-p", "{port}", "-js", "-sd", "{folder}/data"].map(str::to_owned).into();
    arguments.extend(setup.arguments.iter().cloned());
    let launch = Launch { name: "nats-server", program, arguments, signal: "KILL", ready };
    Server::start(launch, folder, "nats://127.0.0.1:{port}")
}

/// It greets everybody.
fn ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting)?;
    Ok(greeting == *b"INFO ")
}
