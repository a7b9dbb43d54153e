//! `shop serve`: the services behind one listener.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use staffa::Host;
use staffa::settings::Flags;

use crate::{catalog, inventory, orders, page, quote};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The folder of the data and of the token for agreed prices; `data` unless the settings say otherwise
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// These of catalog, quote, orders and inventory alone; the others are reached at their URLs:
    /// `--set services.catalog=http://…`
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    service: Vec<String>,

    /// The folder of the page's files; without it no page is served
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,

    /// Allow reads that take their time, to watch a cancelled one stop in the store (catalog.slow)
    #[arg(long)]
    slow_store: bool,

    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    pub(crate) fn run(self) -> ExitCode {
        let mut host = Host::new("shop")
            .version(env!("CARGO_PKG_VERSION"))
            .service("catalog", catalog::compose)
            .service("quote", quote::compose)
            .service("orders", orders::compose)
            .service("inventory", inventory::compose)
            .service("page", page::compose);
        if !self.service.is_empty() {
            host = host.only(self.service.iter().cloned().chain(["page".to_owned()]));
        }
        host.run_with(&self.flags())
    }

    /// The process's flags, with ours as what they set.
    fn flags(self) -> Flags {
        let Self { data, page, slow_store, mut flags, .. } = self;
        let mut set = Vec::new();
        set.extend(data.as_ref().map(|data| format!("orders.data={}", data.display())));
        set.extend(page.map(|page| format!("page.folder={}", page.display())));
        set.extend(slow_store.then(|| "catalog.slow=true".to_owned()));
        // What the person set by name comes last, and wins.
        set.append(&mut flags.set);
        let store = flags.store.or_else(|| data.map(|data| format!("sqlite:{}", data.display())));
        Flags { set, store, ..flags }
    }
}
