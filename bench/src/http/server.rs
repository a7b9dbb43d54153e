use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};

use crate::rival::Rival;

/// How long a server may take to listen: tries, and the pause between them.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// The unit of the times in `/proc`, the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A server in a process of its own, which ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Child,
}

impl Server {
    /// This program as the server of that name; its log goes to a file in the folder.
    pub(crate) async fn own(name: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", name]);
        Self::start(command, name, folder).await
    }

    /// A rival's program, which gets its port as the only argument.
    pub(crate) async fn rival(rival: &Rival, folder: &Path) -> anyhow::Result<Self> {
        Self::start(Command::new(rival.program()), "rival", folder).await
    }

    async fn start(mut command: Command, name: &str, folder: &Path) -> anyhow::Result<Self> {
        let address = free_address().await?;
        let log = folder.join(format!("{name}.log"));
        command.arg(address.port().to_string()).arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let process = command.spawn().with_context(|| format!("{name} does not start"))?;
        let mut server = Self { address, process };
        if !server.listens().await {
            anyhow::bail!("{name} does not listen: {}", std::fs::read_to_string(&log)?);
        }
        Ok(server)
    }

    #[expect(clippy::disallowed_methods, reason = "it is another process that is waited for")]
    async fn listens(&mut self) -> bool {
        for _ in 0..TRIES {
            if TcpStream::connect(self.address).await.is_ok() {
                return true;
            }
            if !matches!(self.process.try_wait(), Ok(None)) {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    /// The CPU time that the process has used, in the kernel too; `None` where `/proc` does not tell.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // The name of the program, in parentheses, may hold anything; user and system time are 12 and 13 behind it.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        Some(TICK * ticks.sum::<Result<u32, _>>().ok()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that is free for the moment.
async fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()
}
