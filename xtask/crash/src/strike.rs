//! What is killed, when, and for how long it is away.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow};
use staffa_context::Context;

use crate::random::Random;
use crate::shop::Shop;
use crate::store::Store;

/// How long customers shop before and after.
const BEFORE_MAX: u64 = 700;
const AFTER: Duration = Duration::from_millis(100);
const AWAY_MAX: u64 = 200;

/// A blow of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    after: Duration,
    away: Duration,
    victim: Victim,
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Shop,
    Server,
    ShopThenServer,
    ServerThenShop,
}

impl Strike {
    /// Half of the strikes leave a private server alone.
    pub(crate) fn new(random: &mut Random, has_server: bool) -> Self {
        let victim = match random.below(6) {
            3 if has_server => Victim::Server,
            4 if has_server => Victim::ShopThenServer,
            5 if has_server => Victim::ServerThenShop,
            _ => Victim::Shop,
        };
        let after = Duration::from_millis(random.below(BEFORE_MAX));
        Self { after, away: Duration::from_millis(random.below(AWAY_MAX)), victim }
    }

    /// Falls, and returns when everything answers again and has been used a little.
    pub(crate) async fn fall(&self, ctx: &Context, shop: &mut Shop, store: &mut Store) -> Result<()> {
        ctx.sleep(self.after).await?;
        match self.victim {
            Victim::Shop => shop.kill()?,
            Victim::Server => kill(store)?,
            Victim::ShopThenServer => {
                shop.kill()?;
                kill(store)?;
            }
            Victim::ServerThenShop => {
                kill(store)?;
                ctx.sleep(self.away / 4).await?;
                shop.kill()?;
            }
        }
        ctx.sleep(self.away).await?;
        self.restart(ctx, shop, store).await?;
        Ok(ctx.sleep(AFTER).await?)
    }

    async fn restart(&self, ctx: &Context, shop: &mut Shop, store: &mut Store) -> Result<()> {
        if !matches!(self.victim, Victim::Shop)
            && let Some(server) = store.server()
        {
            server.restart().map_err(|error| anyhow!(error))?;
        }
        match self.victim {
            Victim::Server => shop.check(),
            Victim::Shop | Victim::ShopThenServer | Victim::ServerThenShop => shop.start(ctx).await,
        }
    }
}

fn kill(store: &mut Store) -> Result<()> {
    match store.server() {
        Some(server) => server.kill().map_err(|error| anyhow!(error)),
        None => Ok(()),
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let victim = match self.victim {
            Victim::Shop => "the shop",
            Victim::Server => "the server",
            Victim::ShopThenServer => "the shop, then the server",
            Victim::ServerThenShop => "the server, then the shop",
        };
        write!(f, "killed {victim} after {:?}, away for {:?}", self.after, self.away)
    }
}
