use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use staffa_context::{Cause, Context, Group};

use crate::{Reason, Receiver, SendError, Sender, bounded};

/// Applies `work` to every value, on up to `workers` tasks of the group at once. Results come as they are ready,
/// in any order; at most `workers` of them wait to be received. Zero workers are taken as one.
///
/// The output closes when the input is drained. An error of `work` is the group's error. When the output's last
/// receiver is dropped, the stage ends with its next result and drops its input. It returns once all workers have
/// their places: a group whose limit is below them, and the rest of its tasks, waits for ever. Dropping the future
/// leaves the workers that were started to the group.
///
/// # Errors
/// The cause, when the group's context ended before the stage was started.
pub async fn map_concurrent<T, U, E, F, Fut>(
    group: &Group<E>,
    input: Receiver<T>,
    workers: usize,
    work: F,
) -> Result<Receiver<U>, Cause>
where
    T: Send + 'static,
    U: Send + 'static,
    E: From<Cause> + Send + 'static,
    F: Fn(Context, T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
{
    let workers = workers.max(1);
    let (tx, output) = bounded(workers);
    let work = Arc::new(work);
    for _ in 0..workers {
        let (input, tx, work) = (input.clone(), tx.clone(), Arc::clone(&work));
        group.spawn("map_concurrent", move |ctx| map(ctx, input, tx, work)).await?;
    }
    Ok(output)
}

async fn map<T, U, E, F, Fut>(ctx: Context, input: Receiver<T>, tx: Sender<U>, work: Arc<F>) -> Result<(), E>
where
    E: From<Cause>,
    F: Fn(Context, T) -> Fut,
    Fut: Future<Output = Result<U, E>>,
{
    while let Some(value) = input.recv(&ctx).await? {
        let result = work(ctx.clone(), value).await?;
        if !forward(&ctx, &tx, result).await? {
            break;
        }
    }
    Ok(())
}

/// Gathers values into batches of up to `max` (zero is taken as one), in order. A batch that is not full goes on
/// `within` after its first value came, or when the input ends. When the group's context ends, a batch in the making
/// is dropped.
///
/// # Errors
/// The cause, when the group's context ended before the stage was started.
pub async fn batch<T, E>(
    group: &Group<E>,
    input: Receiver<T>,
    max: usize,
    within: Duration,
) -> Result<Receiver<Vec<T>>, Cause>
where
    T: Send + 'static,
    E: From<Cause> + Send + 'static,
{
    let max = max.max(1);
    let (tx, output) = bounded(1);
    group
        .spawn("batch", move |ctx| async move {
            while let Some(first) = input.recv(&ctx).await? {
                let gathered = gather(&ctx, &input, first, max, within).await?;
                if !forward(&ctx, &tx, gathered).await? {
                    break;
                }
            }
            Ok(())
        })
        .await?;
    Ok(output)
}

async fn gather<T>(
    ctx: &Context,
    input: &Receiver<T>,
    first: T,
    max: usize,
    within: Duration,
) -> Result<Vec<T>, Cause> {
    let mut gathered = vec![first];
    let waiting = ctx.with_timeout(within);
    while gathered.len() < max {
        match input.recv(&waiting).await {
            Ok(Some(value)) => gathered.push(value),
            Ok(None) => break,
            // Either the batch's own time is over, or the stage's: the latter loses what was gathered with it.
            Err(_) => {
                ctx.check()?;
                break;
            }
        }
    }
    Ok(gathered)
}

/// Receives from all inputs and gives what comes, each input's values in order; at most one of each input waits to
/// be received, beside the one in hand. The output closes when all inputs are drained. It takes a task of the group
/// for each input, and waits for their places.
///
/// # Errors
/// The cause, when the group's context ended before the stage was started.
pub async fn merge<T, E>(group: &Group<E>, inputs: Vec<Receiver<T>>) -> Result<Receiver<T>, Cause>
where
    T: Send + 'static,
    E: From<Cause> + Send + 'static,
{
    let (tx, output) = bounded(inputs.len().max(1));
    for input in inputs {
        let tx = tx.clone();
        group
            .spawn("merge", move |ctx| async move {
                while let Some(value) = input.recv(&ctx).await? {
                    if !forward(&ctx, &tx, value).await? {
                        break;
                    }
                }
                Ok(())
            })
            .await?;
    }
    Ok(output)
}

/// Sends to the next stage; `false` when nobody receives there any more.
async fn forward<T>(ctx: &Context, tx: &Sender<T>, value: T) -> Result<bool, Cause> {
    match tx.send(ctx, value).await {
        Ok(()) => Ok(true),
        Err(SendError { reason: Reason::Ended(cause), .. }) => Err(cause),
        Err(_) => Ok(false),
    }
}
