//! `shop store copy`: every service's store, from one place to another.
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use staffa::moving::{self, Contents, Step};
use staffa::storage::Section;
use staffa::{Adapter, Context, store};

use crate::stores::{self, KEEPERS, Keeper};

/// Looks after the stores of all services.
#[derive(Debug, Args)]
pub(crate) struct Stores {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy everything that frozen stores hold to empty ones: entities, events, kept answers and inbox records
    Copy(Copy),
}

#[derive(Debug, Args)]
struct Copy {
    /// Where the data is: `sqlite:FOLDER`, `postgres://…` or `mongodb://…`
    #[arg(long, value_name = "URL")]
    from: String,

    /// Where it goes
    #[arg(long, value_name = "URL")]
    to: String,

    /// Read both back, and compare the counts and digests
    #[arg(long)]
    verify: bool,
}

impl Stores {
    pub(crate) fn run(self) -> ExitCode {
        let Command::Copy(copy) = self.command;
        stores::run("copy", async |ctx| copy.all(ctx).await)
    }
}

impl Copy {
    async fn all(&self, ctx: &Context) -> staffa::Result<()> {
        if store::is_same(&self.from, &self.to) {
            return Err(staffa::Error::new("--from and --to are the same place: copy to another one"));
        }
        for keeper in KEEPERS {
            let contents =
                keeper.with(ctx, &self.from, async |from| self.one(ctx, keeper, from).await).await?;
            println!("{}", told(keeper, &contents));
        }
        println!("copied{}", if self.verify { ", and verified" } else { "" });
        Ok(())
    }

    async fn one(&self, ctx: &Context, keeper: Keeper, from: Adapter) -> staffa::Result<Contents> {
        // What is not frozen is told before anything is made at the target.
        let from = from.moving();
        if !from.is_frozen(ctx).await? {
            let source = store::shown(&self.from);
            return Err(staffa::Error::new(format!(
                "the source is not frozen; run `shop freeze --store {source}` first, so that nothing is written meanwhile"
            )));
        }
        let target = keeper.open(ctx, &self.to).await?;
        let to = target.moving();
        let sections = moving::sections(&store::schemas((keeper.schemas)()));
        let bar = Bar::new(keeper.service);
        let done = self.copied(ctx, &*from, &to, &sections, &bar).await;
        bar.0.finish_and_clear();
        to.close(&ctx.shielded()).await?;
        done
    }

    async fn copied(
        &self,
        ctx: &Context,
        from: &dyn staffa::storage::Moving,
        to: &std::sync::Arc<dyn staffa::storage::Moving>,
        sections: &[Section],
        bar: &Bar,
    ) -> staffa::Result<Contents> {
        let mut observe = |step| bar.tell(step);
        // A run that was cut after some services finds those whole.
        if moving::is_copied(ctx, to).await? {
            return moving::verify(ctx, from, &**to, sections, &mut observe).await;
        }
        let source = store::shown(&self.from);
        let copy = moving::Copy { from, source: &source, to, sections, verify: self.verify };
        moving::copy(ctx, copy, &mut observe).await
    }
}

/// A line of counts: `orders: 1,455 order, 4,365 events, 2,910 kept answers`.
fn told(keeper: Keeper, contents: &Contents) -> String {
    let held = contents.0.iter().filter(|held| held.records > 0);
    let counts: Vec<String> = held.map(|held| format!("{} {}", held.records, held.section)).collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    format!("{}: {counts}", keeper.service)
}

/// What a person sees while a store is copied.
struct Bar(ProgressBar);

impl Bar {
    fn new(service: &'static str) -> Self {
        let style = ProgressStyle::with_template(
            "{prefix:10} {msg:9} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(0).with_style(style).with_prefix(service).with_message("counting"))
    }

    fn tell(&self, step: Step) {
        let more = |records: usize| u64::try_from(records).unwrap_or(u64::MAX);
        match step {
            Step::Counted(records) => self.0.inc_length(more(records)),
            Step::Copying { before, all } => {
                self.0.set_message("copying");
                self.0.set_length(all);
                self.0.set_position(before);
            }
            Step::Copied(records) => self.0.inc(more(records)),
            Step::Verified(records) => {
                if self.0.message() != "verifying" {
                    self.0.set_message("verifying");
                    self.0.set_position(0);
                }
                self.0.inc(more(records));
            }
        }
    }
}
