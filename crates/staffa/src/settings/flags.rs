use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

/// The command line of a process. A command of one's own takes it in with `#[command(flatten)]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(about = None, long_about = None)]
pub struct Flags {
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Set one value, over file and environment; may be repeated
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    pub set: Vec<String>,

    /// Where data is kept: `sqlite:FOLDER`, `postgres://…`, `mongodb://…` or `memory:` (store.url)
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,

    /// What carries events between services of several processes: `nats://…` (bus.url)
    #[arg(long, value_name = "URL")]
    pub bus: Option<String>,

    /// The port of the services, 0 for any free one (http.bind)
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// The port for health and metrics, 0 for any free one (admin.bind)
    #[arg(long, value_name = "PORT")]
    pub admin_port: Option<u16>,

    /// Print every setting as a commented file, and exit
    #[arg(long)]
    pub print_settings: bool,
}

impl Flags {
    /// Each flag as it was written, the setting that it names, and its text.
    pub(crate) fn settings(&self, values: &Value) -> Vec<(String, String, String)> {
        let ports = [("--port", "http", self.port), ("--admin-port", "admin", self.admin_port)];
        let ports = ports.into_iter().filter_map(|(flag, section, port)| {
            let mut address: SocketAddr = values[section]["bind"].as_str()?.parse().ok()?;
            address.set_port(port?);
            Some((flag.to_owned(), format!("{section}.bind"), address.to_string()))
        });
        let store = self.store.iter().map(|url| ("--store".to_owned(), "store.url".to_owned(), url.clone()));
        let bus = self.bus.iter().map(|url| ("--bus".to_owned(), "bus.url".to_owned(), url.clone()));
        let set = self.set.iter().map(|text| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (format!("--set {name}"), name.to_owned(), value.to_owned())
        });
        store.chain(bus).chain(ports).chain(set).collect()
    }
}
