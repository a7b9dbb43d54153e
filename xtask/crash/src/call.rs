//! A call that a customer does not give up.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use staffa_context::{Context, Fail, Failure, Kind};
use staffa_transport::{CallKey, Client, Endpoint};

/// How long a customer waits for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a customer tries in all. A round is over long before.
const PERSISTENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(25);

/// Calls once, under this key.
pub(crate) async fn once<Q, R, E>(
    ctx: &Context,
    client: &Client,
    endpoint: Endpoint<Q, R, E>,
    key: &str,
    request: Q,
) -> Result<R, E>
where
    Q: Serialize,
    R: DeserializeOwned,
    E: From<Failure>,
{
    let ctx = ctx.with_timeout(PATIENCE).with_value(CallKey(key.to_owned()));
    client.call(&ctx, endpoint, request).await
}

/// Calls under this key until there is an answer, and counts the attempts that had none.
///
/// An answer that is neither good nor says that the same call may go well later is an error: a repeat under the same
/// key may not meet with one.
pub(crate) async fn until_answered<Q, R, E>(
    ctx: &Context,
    client: &Client,
    endpoint: Endpoint<Q, R, E>,
    key: &str,
    request: Q,
) -> Result<(R, u64)>
where
    Q: Serialize + Clone,
    R: DeserializeOwned,
    E: From<Failure> + Fail,
{
    let within = ctx.with_timeout(PERSISTENCE);
    let mut unheard = 0;
    loop {
        match once(&within, client, endpoint, key, request.clone()).await {
            Ok(answer) => return Ok((answer, unheard)),
            Err(error) if may_pass(error.kind()) || is_overtaken(&error) => unheard += 1,
            Err(error) => bail!("the call with the key {key}: {}: {}", error.kind(), error.words()),
        }
        if within.sleep(PAUSE).await.is_err() {
            bail!("the call with the key {key} had no answer within {PERSISTENCE:?}");
        }
    }
}

/// Whether somebody else was faster each time that the service tried: under one key that is the customer's own earlier
/// call, or an event. A step that the order's state does not allow, and a reference that is taken, are other conflicts.
fn is_overtaken(error: &impl Fail) -> bool {
    error.kind() == Kind::Conflict && error.words().ends_with("was changed by somebody else")
}

/// What a customer takes for "try again".
pub(crate) fn may_pass(kind: Kind) -> bool {
    kind.is_temporary() || matches!(kind, Kind::UnknownOutcome | Kind::DeadlineExceeded | Kind::Cancelled)
}
