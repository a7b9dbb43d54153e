//! The shop as a process that is killed and started again on the same port.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use shop_contract::catalog::BROWSE;
use shop_core::Token;
use shop_core::catalog::Browse;
use staffa_context::{Context, Failure};
use staffa_transport::Client;
use tempfile::TempDir;

/// The first start imports the product list, which takes a server that writes each commit to the disk its time.
const READY_WITHIN: Duration = Duration::from_secs(300);
const ASK_EVERY: Duration = Duration::from_millis(10);

/// All services in one process. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Shop {
    program: PathBuf,
    store: String,
    port: u16,
    data: TempDir,
    child: Option<Child>,
}

impl Shop {
    pub(crate) fn new(program: &Path, store: &str) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let (program, store) = (program.to_path_buf(), store.to_owned());
        Ok(Self { program, store, port, data: tempfile::tempdir()?, child: None })
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self, ctx: &Context) -> Result<()> {
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--admin-port", "0", "--port", &self.port.to_string(), "--store", &self.store])
            .arg("--data")
            .arg(self.data.path());
        let log = File::options().create(true).append(true).open(self.log())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().with_context(|| self.program.display().to_string())?);
        let (client, within) = (self.client()?, ctx.with_timeout(READY_WITHIN));
        while client.call(&within, BROWSE, Browse { limit: Some(1), ..Browse::default() }).await.is_err() {
            self.check()?;
            if within.sleep(ASK_EVERY).await.is_err() {
                bail!(
                    "the shop does not answer within {READY_WITHIN:?}; the end of its log:\n{}",
                    self.log_end()
                );
            }
        }
        Ok(())
    }

    /// As a power cut would: nothing is finished.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// It runs, unless it was killed.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("the shop ended by itself with {status}; the end of its log:\n{}", self.log_end())
            }
        }
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::http(&format!("http://127.0.0.1:{}", self.port))
    }

    /// The right to agreed prices, which it made at its first start.
    pub(crate) fn token(&self) -> Result<Token> {
        let text = fs::read_to_string(self.data.path().join("agreed-prices.token"))?;
        Ok(Token::new(text.trim()))
    }

    fn log(&self) -> PathBuf {
        self.data.path().join("log")
    }

    pub(crate) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It is of no more use, however it ends.
        let _ = self.kill();
    }
}
