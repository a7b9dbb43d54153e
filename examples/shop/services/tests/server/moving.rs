//! The shop on every store, and its move from each to the next.
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use staffa::Context;
use staffa::postgres::tokio_postgres::{self, NoTls};
use staffa::settings::Storage;
use staffa::storage::{Moving, Record, Section};
use staffa::store::Home;

use crate::server;

/// How many lines of the real file are replayed: 53 invoices, with more products than several pages of a copy hold.
const LINES: usize = 800;
/// How long what must happen may take on a busy machine.
const SOON: Duration = Duration::from_secs(120);
const OFTEN: Duration = Duration::from_millis(2);

fn shop(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.args(words).env_clear().current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command
}

/// A command that must go well; what it told.
#[track_caller]
fn done(words: &[&str]) -> String {
    let ended = shop(words).output().unwrap();
    assert!(ended.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

#[track_caller]
fn soon(what: &str, mut look: impl FnMut() -> bool) {
    let until = Instant::now() + SOON;
    while !look() {
        assert!(Instant::now() < until, "not within {SOON:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A shop on a store. Dropped, it is killed.
struct Shop {
    child: Child,
    port: u16,
}

impl Shop {
    #[track_caller]
    fn serve(data: &Path, store: &str) -> Self {
        let (port, admin) = (free_port(), free_port());
        let mut command = shop(&["serve", "--store", store, "--port", &port.to_string()]);
        command.arg("--admin-port").arg(admin.to_string()).arg("--data").arg(data);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let shop = Self { child, port };
        soon("readiness", || is_ready(admin).unwrap_or(false));
        shop
    }

    /// Places the file's invoices, which must reconcile to the penny.
    #[track_caller]
    fn replay(&self, file: &Path, data: &Path) {
        let (url, file) = (format!("http://127.0.0.1:{}", self.port), file.display().to_string());
        let told = done(&["replay", &file, "--url", &url, "--data", &data.display().to_string()]);
        assert!(told.ends_with("\nother orders: 0\nreconciled\n"), "{told}");
    }

    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_ready(admin: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", admin))?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.0 200"))
}

fn first_lines(folder: &Path) -> PathBuf {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/online-retail-2010-12.csv.gz");
    let mut text = String::new();
    GzDecoder::new(fs::File::open(real).unwrap()).read_to_string(&mut text).unwrap();
    let lines: String = text.split_inclusive('\n').take(LINES).collect();
    let file = folder.join("list.csv");
    fs::write(&file, lines).unwrap();
    file
}

/// A database of the server that nobody else has.
async fn own_database(url: &str) -> String {
    let name = format!("moved_{}", std::process::id());
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    tokio::select! {
        created = client.batch_execute(&create) => created.unwrap(),
        ended = connection => panic!("{ended:?}"),
    }
    renamed(url, &name)
}

fn renamed(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

/// Copies, is killed inside a section, and again once a store is whole; then it copies the rest.
async fn moved(from: &str, to: &str) -> String {
    done(&["freeze", "--store", from]);
    let words = ["store", "copy", "--from", from, "--to", to, "--verify"];
    let mut copying = shop(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let progress = Progress::of("catalog", to).await;
    let ctx = Context::background().with_timeout(SOON);
    while !progress.is_inside(&ctx).await.unwrap() {
        ctx.sleep(OFTEN).await.unwrap();
    }
    copying.kill().unwrap();
    copying.wait().unwrap();
    assert!(progress.is_inside(&ctx).await.unwrap(), "it was killed too late to be inside of a section");
    progress.0.close(&ctx).await.unwrap();

    let mut copying = shop(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The first service's line is told when its store is whole.
    let mut told = [0; 9];
    copying.stdout.take().unwrap().read_exact(&mut told).unwrap();
    copying.kill().unwrap();
    copying.wait().unwrap();
    done(&words)
}

/// How far the copy of a service's store is, as the store that is copied to has it.
struct Progress(Arc<dyn Moving>);

impl Progress {
    /// Opens the store as soon as it is there.
    async fn of(service: &str, store: &str) -> Self {
        let ctx = Context::background().with_timeout(SOON);
        loop {
            let settings = Storage::default();
            let home = Home { url: store, service, settings: &settings, own: Vec::new() };
            if let Ok(adapter) = home.beside(&ctx).await {
                let progress = Self(adapter.moving());
                if progress.is_inside(&ctx).await.is_ok() {
                    return progress;
                }
                progress.0.close(&ctx).await.unwrap();
            }
            ctx.sleep(OFTEN).await.unwrap();
        }
    }

    /// Whether a page of a section is there, and further ones are not.
    async fn is_inside(&self, ctx: &Context) -> staffa::storage::Result<bool> {
        let copying = self.0.export(ctx, Section::Rows("staffa_copy"), None, 1).await?;
        Ok(match copying.records.first() {
            Some(Record::Row { document: Some(copying), .. }) => {
                copying.pointer("/place/in/mark").is_some_and(|mark| !mark.is_null())
            }
            _ => false,
        })
    }
}

#[tokio::test]
async fn a_shop_moves_from_sqlite_to_postgresql_to_mongodb_and_back_to_the_penny() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), first_lines(folder.path()));
    let sqlite = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let mongodb = renamed(&server("STAFFA_TEST_MONGODB"), &format!("moved_{}", std::process::id()));
    let postgres = own_database(&server("STAFFA_TEST_POSTGRES")).await;
    let stores = [sqlite("first"), postgres, mongodb, sqlite("last")];

    let shop_on = |store: &str| {
        let shop = Shop::serve(&data, store);
        shop.replay(&file, &data);
        shop.stop();
    };
    let first = file.display().to_string();
    done(&["import", &first, "--store", &stores[0]]);
    shop_on(&stores[0]);
    let mut told = Vec::new();
    for pair in stores.windows(2) {
        told.push(moved(&pair[0], &pair[1]).await);
        // The same invoices again: they are there, and nothing is added.
        shop_on(&pair[1]);
    }
    for told in &told {
        assert!(told.ends_with("\ncopied, and verified\n"), "{told}");
        let orders = told.lines().find(|line| line.starts_with("orders: "));
        let first = orders.and_then(|line| line.split(',').next());
        assert!(first.is_some_and(|first| first.ends_with(" order") && first != "orders: 0 order"), "{told}");
    }
    let orders = |told: &String| {
        told.lines()
            .find(|line| line.starts_with("orders: "))
            .map(|line| line.split(',').next().unwrap().to_owned())
    };
    assert!(told.iter().all(|each| orders(each) == orders(&told[0])), "{told:#?}");
}
