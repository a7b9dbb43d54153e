//! A server of MongoDB's protocol, as a replica set of one.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::folder::Folder;
use crate::programs::{self, MongoDb};
use crate::server::{Launch, Server};
use crate::{Result, Setup};

/// The message kind that commands travel in.
const OP_MSG: u32 = 2013;

/// Tests ask both for faults.
const MONGOD: &[&str] = &[
    "--bind_ip=127.0.0.1",
    "--port={port}",
    "--dbpath={folder}/data",
    "--replSet=staffa",
    "--nounixsocket",
    "--setParameter=enableTestCommands=1",
];
const SECANTUS: &[&str] = &[
    "--host=127.0.0.1",
    "--port={port}",
    "--storage-path={folder}/data",
    "--cache-size=256M",
    "--enable-test-commands",
];

pub(crate) fn start(target: &Path, setup: &Setup) -> Result<Server> {
    let (name, program, mut arguments) = match programs::mongodb(target)? {
        MongoDb::Mongod(program) => ("mongod", program, owned(MONGOD)),
        MongoDb::Secantus(program) if setup.durable => {
            ("SecantusDB", program, [owned(SECANTUS), owned(&["--sync-on-commit"])].concat())
        }
        MongoDb::Secantus(program) => ("SecantusDB", program, owned(SECANTUS)),
    };
    let folder = Folder::new("mongodb")?;
    std::fs::create_dir(folder.path.join("data"))?;
    for (name, content) in &setup.files {
        folder.write(name, content)?;
    }
    arguments.extend(setup.arguments.iter().cloned());
    let launch = Launch { name, program, arguments, signal: "KILL", ready };
    Server::start(launch, folder, "mongodb://127.0.0.1:{port}/staffa")
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether it takes writes. A `mongod` that belongs to no replica set yet is told to make one.
fn ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let hello = ask(&mut stream, &[number("hello", 1)])?;
    if has(&hello, &boolean("isreplicaset", true)) {
        ask(&mut stream, &[initiate(address)])?;
        return Ok(false);
    }
    Ok(has(&hello, &boolean("isWritablePrimary", true)))
}

/// One member under the address that it listens on; by itself it would give the machine's name.
fn initiate(address: SocketAddr) -> Vec<u8> {
    let member = document("0", &[number("_id", 0), text("host", &address.to_string())]);
    let members = element(0x04, "members", &whole(&[member]));
    document("replSetInitiate", &[text("_id", "staffa"), members])
}

/// Sends a command to the database `admin` and gives the answer's bytes.
fn ask(stream: &mut TcpStream, command: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let body = whole(&[command, &[text("$db", "admin")]].concat());
    // Header (length, number, answered number, kind), flags, a section of kind 0.
    let length = u32::try_from(16 + 4 + 1 + body.len()).map_err(io::Error::other)?;
    let head = [length, 1, 0, OP_MSG, 0].map(u32::to_le_bytes).concat();
    stream.write_all(&[&head[..], &[0], &body].concat())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = Vec::new();
    stream.take(u64::from(u32::from_le_bytes(length)).saturating_sub(4)).read_to_end(&mut answer)?;
    Ok(answer)
}

fn number(name: &str, value: i32) -> Vec<u8> {
    element(0x10, name, &value.to_le_bytes())
}

fn boolean(name: &str, value: bool) -> Vec<u8> {
    element(0x08, name, &[u8::from(value)])
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len() + 1).unwrap_or(u32::MAX);
    element(0x02, name, &[&length.to_le_bytes()[..], value.as_bytes(), &[0]].concat())
}

fn document(name: &str, elements: &[Vec<u8>]) -> Vec<u8> {
    element(0x03, name, &whole(elements))
}

/// An element of BSON: its type, its name, its value.
fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0], value].concat()
}

/// A document of BSON: its length, its elements, a zero.
fn whole(elements: &[Vec<u8>]) -> Vec<u8> {
    let elements = elements.concat();
    let length = u32::try_from(elements.len() + 5).unwrap_or(u32::MAX);
    [&length.to_le_bytes()[..], &elements, &[0]].concat()
}

fn has(answer: &[u8], element: &[u8]) -> bool {
    answer.windows(element.len()).any(|window| window == element)
}
