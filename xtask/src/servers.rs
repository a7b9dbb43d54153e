//! `cargo xtask servers`: the three servers for work by hand, until Ctrl-C.

use std::thread;

use xtask_servers::{Server, Setup};

use crate::command::Result;
use crate::options::Options;
use crate::workspace::Workspace;

/// One private server of each kind. Dropping them stops them.
pub(crate) struct Servers {
    postgres: Server,
    mongodb: Server,
    nats: Server,
    nats_program: String,
}

impl Servers {
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        xtask_servers::prepare(&workspace.target)?;
        let setup = Setup::default();
        Ok(Self {
            postgres: xtask_servers::postgres(&workspace.target, &setup)?,
            mongodb: xtask_servers::mongodb(&workspace.target, &setup)?,
            nats: xtask_servers::nats(&workspace.target, &setup)?,
            nats_program: xtask_servers::nats_program(&workspace.target)?.display().to_string(),
        })
    }

    pub(crate) fn postgres(&self) -> &str {
        self.postgres.url()
    }

    pub(crate) fn mongodb(&self) -> &str {
        self.mongodb.url()
    }

    /// What the tests read from their environment.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("STAFFA_TEST_POSTGRES", self.postgres.url()),
            ("STAFFA_TEST_MONGODB", self.mongodb.url()),
            ("STAFFA_TEST_NATS", self.nats.url()),
            ("STAFFA_TEST_NATS_SERVER", &self.nats_program),
        ]
    }
}

pub(crate) fn run(arguments: Vec<String>) -> Result<()> {
    Options::parse(arguments, &[])?;
    let servers = Servers::start(&Workspace::find()?)?;
    for (name, value) in servers.variables() {
        println!("export {name}='{value}'");
    }
    eprintln!("running until Ctrl-C");
    loop {
        // A signal ends this process; the servers and their folders go with it.
        thread::park();
    }
}
