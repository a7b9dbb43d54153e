//! What relays and sweepers do: statements on the adapter's own tables, as one transaction in one round trip.

use staffa_storage::Result;

use crate::call::Call;
use crate::commit::{Common, told_of_commit, torn};
use crate::error::{is_in_the_way, told};
use crate::row::Param;
use crate::session::{Ready, Session, Sql, Step, Told, together};

/// How often it is run when the server finds it in another's way.
const ATTEMPTS_MAX: usize = 5;

/// Runs each statement with its parameters; gives how many rows each wrote.
///
/// The word that commits goes with the statements, so the outcome is held from before they are sent: a caller whose context
/// ends meanwhile learns it, or that it is unknown.
pub(crate) async fn settle(
    session: &Session,
    common: &Common,
    statements: &[&Sql],
    params: &[Vec<Param>],
    call: &Call,
) -> Result<Vec<u64>> {
    let mut ready = Vec::with_capacity(statements.len());
    for sql in statements {
        ready.push(session.ready(sql).await.map_err(|error| told(&error))?);
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        let begin = common.begin(call);
        call.hold()?;
        match run(session, &begin, &ready, params).await {
            Ok(wrote) => return Ok(wrote),
            Err(_) if session.is_torn() => return Err(torn()),
            Err(error) if attempts < ATTEMPTS_MAX && is_in_the_way(&error) => call.unhold(),
            Err(error) => return Err(told_of_commit(&error)),
        }
    }
}

/// Sends everything between the beginning and the commit, and waits for all answers.
async fn run(session: &Session, begin: &str, ready: &[Ready<'_>], params: &[Vec<Param>]) -> Told<Vec<u64>> {
    let mut steps: Vec<Step<'_, Told<u64>>> = Vec::with_capacity(ready.len() + 2);
    steps.push(Box::pin(async { session.begin(begin).await.map(|()| 0) }));
    for (ready, params) in ready.iter().zip(params) {
        steps.push(Box::pin(session.execute(ready, params)));
    }
    steps.push(Box::pin(async { session.commit().await.map(|()| 0) }));
    let mut wrote: Vec<u64> = together(steps).await.into_iter().collect::<Told<_>>()?;
    wrote.pop();
    wrote.remove(0);
    Ok(wrote)
}
