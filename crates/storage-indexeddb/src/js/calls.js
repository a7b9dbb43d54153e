// Calls of the store, from what Rust asks to what it is answered. Both are JSON: lists whose places have a meaning, which
// each operation's own comment tells. A whole number of 64 bits is text in them, since JavaScript's numbers end at 2^53.

/** Calls under way by their numbers, which Rust gives. */
const calls = new Map();

/** What Rust is told of a call that failed: the name of its error, and what that has beside it. */
export class Failure {
  constructor(...told) {
    this.told = told;
  }
}

/** The call was stopped. */
export const ended = () => new Failure("Ended");
export const unavailable = (words) => new Failure("Unavailable", words);
export const unusable = (words) => new Failure("Unusable", words);
export const none = () =>
  unusable("this browser gives the page no IndexedDB, as in some private windows: use another window, or allow the site to keep data");

/**
 * Runs `work`, and gives what became of it: `["", its result]`, or a failure. Whatever it was at when it failed or was
 * stopped is taken back.
 */
export async function run(number, work) {
  const call = { isStopped: false, isCommitting: false, stop: () => takeBack(call) };
  calls.set(number, call);
  try {
    return JSON.stringify(["", (await work(call)) ?? null]);
  } catch (error) {
    const why = call.tx?.error ?? error;
    takeBack(call);
    return JSON.stringify(told(call.isStopped ? ended() : why));
  } finally {
    calls.delete(number);
  }
}

/** Nobody waits for this call any more. What has begun to commit goes on. */
export function stop(number) {
  const call = calls.get(number);
  if (!call || call.isCommitting) return;
  call.isStopped = true;
  call.stop();
}

/** Refuses to go on with a call that was stopped. */
export function check(call) {
  if (call.isStopped) throw ended();
}

/** Takes back the transaction that a call is at. */
export function takeBack({ tx }) {
  try {
    tx?.abort();
  } catch {
    // It has ended.
  }
}

/** Begins the transaction of a call: it has one at a time. */
export function begin(call, { handle, durability }, stores, mode) {
  check(call);
  return hold(call, handle.transaction(stores, mode, { durability }));
}

/** Makes a transaction that of a call. */
export function hold(call, tx) {
  call.ended = new Promise((resolve, reject) => {
    tx.oncomplete = resolve;
    tx.onabort = () => reject(tx.error ?? unavailable("the browser took the transaction back"));
  });
  // Who waits for the end is told; one that was taken back has nobody.
  call.ended.catch(() => {});
  call.tx = tx;
  return tx;
}

/** Commits a call's transaction, and waits for the disk as the store's options say. From here on it is not stopped. */
export async function finish(call) {
  call.isCommitting = true;
  await end(call);
}

/** The same of a transaction with which the call is not yet done. */
export async function end(call) {
  try {
    call.tx.commit();
  } catch {
    // A request has failed; the transaction's end says why.
  }
  await call.ended;
  call.tx = undefined;
}

/** Leaves the transaction to the browser, which ends it after its last request. */
export function leave(call) {
  call.tx = undefined;
}

/**
 * What a request comes to. Between two requests of a transaction nothing may be awaited but a request, or the browser
 * commits it.
 */
export const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Shows the records of a cursor, one after the other, for as long as `see` wants more. */
export async function walk(request, see) {
  for (let cursor; (cursor = await answer(request)) && see(cursor.value); ) cursor.continue();
}

/** What an error of the browser means to a caller. */
function told(error) {
  if (error instanceof Failure) return error.told;
  const { name, message } = error ?? {};
  switch (name) {
    case "QuotaExceededError":
      return unavailable("the browser gives this site no more room: free some on the device, or remove data of this site").told;
    case "SecurityError":
      return none().told;
    case "InvalidStateError":
      return unavailable("the browser has closed the database: reload the page").told;
    case "AbortError":
      return unavailable("the browser took the transaction back").told;
    case "UnknownError":
    case "TimeoutError":
    case "TransactionInactiveError":
      return unavailable(`the browser could not reach its disk: ${message}`).told;
    default:
      return unusable(`${name}: ${message}`).told;
  }
}
