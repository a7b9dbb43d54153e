// The store in the browser: its database, its entities by their ids, and its units.
//
// Rust asks for an operation by a call, and is answered. Both are JSON: lists whose places have a meaning, which each
// operation's own comment tells. A whole number of 64 bits is text in them, since JavaScript's numbers end at 2^53.
//
// IndexedDB changes its structure in a version change alone, which waits until no other tab has the database open; the
// version is a mere count of such changes. Each kind is an object store with an index for each of ours, and indexes that no
// page knows any more stay.

/** Calls under way by their numbers, which Rust gives. */
const calls = new Map();

/** What Rust is told of a call that failed: the name of its error, and what that has beside it. */
export class Failure {
  constructor(...told) {
    this.told = told;
  }
}

/** The call was stopped. */
const ended = () => new Failure("Ended");
export const unavailable = (words) => new Failure("Unavailable", words);
export const unusable = (words) => new Failure("Unusable", words);
const none = () =>
  unusable(
    "this browser gives the page no IndexedDB, as in some private windows: use another window, or allow the site to keep data",
  );

/**
 * Runs `work`, and gives what became of it: `["", its result]`, or a failure. Whatever it was at when it failed or was
 * stopped is taken back.
 */
async function run(number, work) {
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
function check(call) {
  if (call.isStopped) throw ended();
}

/** Takes back the transaction that a call is at. */
function takeBack({ tx }) {
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
function hold(call, tx) {
  call.ended = new Promise((resolve, reject) => {
    tx.oncomplete = resolve;
    tx.onabort = () => reject(tx.error ?? unavailable("the browser took the transaction back"));
  });
  // One that was taken back has nobody who waits for its end.
  listened(call.ended);
  call.tx = tx;
  return tx;
}

/** A promise whose failure is no surprise to the page, though nobody may come to wait for it: the call has failed before. */
export function listened(promise) {
  promise.catch(() => {});
  return promise;
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

const META = "staffa_meta";
export const OUTBOX = "staffa_outbox";
export const KEPT = "staffa_kept";
/** The index of a kind's rows by their writer. No index of a schema begins with `_`. */
export const WRITER = "_writer";

/** The format of the database: stores of the adapter's own, and how kinds are laid out. */
const FORMAT = 1;
/** How long the browser may say nothing while it opens; an opening that was given up may be before ours. */
const SILENT_MILLIS = 10_000;
/** How often an opening begins anew, while other tabs upgrade the database too. */
const OPENINGS_MAX = 5;

const CLOSED = "the store is closed";

/** Open databases by the number of the call that opened each. */
const databases = new Map();

/**
 * Opens a database and brings it to what the tables say; it then has the call's number. `asked` is
 * `[name, durability, milliseconds for other tabs, operations at once, kinds]`, a kind is
 * `[name, shape, type of ids, indexes]`, and an index `[name, is unique, types of parts]`. `indexes` makes and fills them; a
 * page whose kinds declare none goes without.
 */
export const open = (number, asked, indexes) =>
  run(number, async (call) => {
    const [name, durability, blockedMillis, operationsMax, kinds] = JSON.parse(asked);
    const database = { durability, operationsMax, indexes, busy: 0, waiting: new Set() };
    database.tables = new Map(kinds.map((kind) => [kind[0], table(kind)]));
    await connect(call, database, name, blockedMillis);
    // Whoever left is not there to close it.
    if (call.isStopped) database.handle.close();
    else databases.set(number, database);
  });

/**
 * What IndexedDB knows of a kind. `name` is its object store's. Rows record their `writer`: the shape of the page that wrote
 * them, and by which indexes it made their keys; where two have the same word, they make the same key. At `newer` begin the
 * writers of newer shapes.
 */
function table([kind, shape, id, indexes]) {
  const digits = (shape) => String(shape).padStart(10, "0");
  const words = indexes.map(([name, , parts]) => `${name}:${parts}`);
  // This prefix is the adapter's own.
  const name = kind.startsWith("staffa_") ? `_${kind}` : kind;
  return { kind, name, shape, id, indexes, words, writer: [digits(shape), id, ...words].join(" "), newer: digits(shape + 1) };
}

/** Removes a database once every tab has closed it; `asked` is `[name, milliseconds for other tabs]`. */
export const remove = (number, asked) =>
  run(number, async (call) => {
    const [name, blockedMillis] = JSON.parse(asked);
    await outcome(call, factory().deleteDatabase(name), blockedMillis);
  });

/** Closes a database, of which nothing more is asked, once the operations that it is at have ended. */
export async function close(number) {
  const database = databases.get(number);
  if (!database) return;
  shut(database, CLOSED);
  if (database.busy) await (database.rest ??= new Promise((resolve) => (database.idle = resolve)));
  databases.delete(number);
}

/** Runs an operation in an open database: `work` gets the call, the database, and what was asked. */
export const operate = (number, on, asked, work) =>
  run(number, async (call) => {
    const database = databases.get(on);
    refuseClosed(database);
    await enter(call, database);
    try {
      refuseClosed(database);
      return await work(call, database, JSON.parse(asked));
    } finally {
      exit(database);
    }
  });

/** Waits until there are so few operations at the database that this one may be; the first to wait is the first to go on. */
async function enter(call, database) {
  if (database.busy < database.operationsMax) {
    database.busy++;
    return;
  }
  await new Promise((resolve, reject) => {
    database.waiting.add(resolve);
    call.stop = () => (database.waiting.delete(resolve) ? reject(ended()) : takeBack(call));
  });
}

/** Gives the place of an operation to the next one. */
function exit(database) {
  const [next] = database.waiting;
  if (next) {
    database.waiting.delete(next);
    next();
  } else if (!--database.busy) {
    database.idle?.();
  }
}

/** The table of a kind that the store was opened with. */
export const tableOf = ({ tables }, kind) => tables.get(kind);

function refuseClosed(database) {
  if (!database || database.closed) throw unavailable(database?.closed ?? CLOSED);
}

function shut(database, words) {
  database.closed ??= words;
  database.handle.close();
}

/** Connects to the database, and upgrades it for as long as it lacks something. */
async function connect(call, database, name, blockedMillis) {
  let version;
  for (let turn = 0; turn < OPENINGS_MAX; turn++) {
    const request = factory().open(name, version);
    const handle = await outcome(call, request, blockedMillis, () => upgrade(call, request.result, database));
    version = handle && (await fitted(call, handle, database));
    if (handle && !version) return;
  }
  throw unavailable("other tabs upgrade the data at the same time: reload the page");
}

/** Makes an open handle the database's, if it is ours and whole; else gives the version that completes it, and closes it. */
async function fitted(call, handle, database) {
  database.handle = handle;
  database.closed = undefined;
  handle.onversionchange = () =>
    shut(database, "another tab has opened a newer page, or removed what this site keeps: reload this page");
  handle.onclose = () => shut(database, "the browser has closed the database: reload the page");
  try {
    refuseStrange(handle);
    await checkFormat(call, database);
    if (isLacking(database)) {
      handle.close();
      return handle.version + 1;
    }
    await database.indexes?.fill(call, database);
    check(call);
  } catch (error) {
    handle.close();
    throw error;
  }
}

function factory() {
  if (!globalThis.indexedDB) throw none();
  return indexedDB;
}

/**
 * What a request of the factory comes to; `undefined` when another tab has upgraded the database meanwhile. It cannot be
 * taken back: one that nobody waits for any more is undone when it comes.
 */
function outcome(call, request, blockedMillis, upgrade) {
  let clock;
  let change;
  let isGivenUp = false;
  const result = new Promise((resolve, reject) => {
    const giveUp = (error) => {
      isGivenUp = true;
      reject(error);
    };
    const wait = (millis, words) => {
      clearTimeout(clock);
      clock = setTimeout(() => giveUp(unavailable(words)), millis);
    };
    const waitForBrowser = () =>
      wait(SILENT_MILLIS, "the browser does not open the database: close or reload other tabs of this site");
    waitForBrowser();
    call.stop = () => {
      takeBack(call);
      giveUp(ended());
    };
    request.onblocked = () => wait(blockedMillis, "another tab holds an older version of the data: close or reload it");
    request.onupgradeneeded = async () => {
      clearTimeout(clock);
      change = hold(call, request.transaction);
      if (isGivenUp) return takeBack(call);
      try {
        await upgrade();
        leave(call);
        waitForBrowser();
      } catch (error) {
        giveUp(change.error ?? error);
        takeBack(call);
      }
    };
    request.onsuccess = () => (isGivenUp ? request.result?.close() : resolve(request.result));
    request.onerror = () => (request.error.name === "VersionError" ? resolve() : reject(refusal(request.error, change)));
  });
  return result.finally(() => clearTimeout(clock));
}

/** Why a request of the factory failed, and the version change that it was at. */
function refusal(error, change) {
  // The request itself knows only that it was aborted.
  if (change?.error) return change.error;
  // So a browser says that it keeps nothing in this window.
  return error.name === "InvalidStateError" ? none() : error;
}

/** Refuses a database that is somebody else's. */
function refuseStrange({ name, objectStoreNames }) {
  if (objectStoreNames.length && !objectStoreNames.contains(META)) {
    throw unusable(`the database ${name} of this site is not this store's: choose another name`);
  }
}

/** Refuses a database that a newer page made. */
async function checkFormat(call, database) {
  const tx = begin(call, database, [META], "readonly");
  const record = await answer(tx.objectStore(META).get("format"));
  leave(call);
  if (record?.value > FORMAT) {
    throw unusable(`the database has format ${record.value}, and this page knows up to ${FORMAT}: reload the page`);
  }
}

/** Whether the database lacks an object store or an index of ours. */
function isLacking(database) {
  const { handle, tables, indexes } = database;
  const isThere = ({ name }) => handle.objectStoreNames.contains(name);
  return ![...tables.values()].every(isThere) || indexes?.isLacking(database);
}

/** Makes what is lacking, in the transaction of a version change, and fills new indexes there. */
async function upgrade(call, handle, { tables, indexes }) {
  refuseStrange(handle);
  if (!handle.objectStoreNames.contains(META)) createOwn(handle);
  for (const table of tables.values()) {
    const isNew = !handle.objectStoreNames.contains(table.name);
    if (isNew) createKind(handle, table);
    await indexes?.complete(call.tx.objectStore(table.name), table, isNew);
  }
}

function createOwn(handle) {
  handle.createObjectStore(META, { keyPath: "key" }).put({ key: "format", value: FORMAT });
  const outbox = handle.createObjectStore(OUTBOX, { keyPath: "place", autoIncrement: true });
  for (const name of ["id", "unsent", "sent"]) outbox.createIndex(name, name);
  handle.createObjectStore(KEPT, { keyPath: ["scope", "key"] }).createIndex("at", "at");
}

function createKind(handle, { name }) {
  const store = handle.createObjectStore(name, { keyPath: "id" });
  store.createIndex(WRITER, "writer");
  store.createIndex("id", "keys.id");
}

/**
 * Entities of a kind; `asked` is `[kind, ids]`. Gives for each `[id, version, shape, document]`, `[the last version]` of one
 * that is gone, or `[]`.
 */
export const get = (number, on, asked) =>
  operate(number, on, asked, async (call, database, [kind, ids]) => {
    const { name } = tableOf(database, kind);
    const store = begin(call, database, [name], "readonly").objectStore(name);
    const records = await Promise.all(ids.map((id) => answer(store.get(id))));
    leave(call);
    return records.map((record) => (record ? (isThere(record) ? row(record) : [version(record)]) : []));
  });

/** Reads the database's format. */
export const ping = (number, on, asked) =>
  operate(number, on, asked, (call, database) => checkFormat(call, database));

/**
 * Commits a unit; nothing happened unless it succeeds. `asked` is `[checks, writes, events, kept records]`: a check is
 * `[kind, id, what is expected, version, is it written]`, a write `[kind, id, version, document, keys]`, or without the last
 * two for a deletion; what events and kept records have is in the order of their names below.
 */
export const commit = (number, on, asked) =>
  operate(number, on, asked, async (call, database, [checks, writes, events, kept]) => {
    const own = [...(events.length ? [OUTBOX] : []), ...(kept.length ? [KEPT] : [])];
    const names = new Set(checks.map(([kind]) => tableOf(database, kind).name));
    const stores = [...names, ...own];
    if (!stores.length) return;
    const tx = begin(call, database, stores, "readwrite");
    await checkAll(tx, database, checks, kept);
    for (const [kind, ...write] of writes) {
      const table = tableOf(database, kind);
      tx.objectStore(table.name).put(record(table, write));
    }
    await database.indexes?.refuseDoubles(tx, database, writes);
    for (const event of events) tx.objectStore(OUTBOX).put(eventRecord(event));
    for (const one of kept) tx.objectStore(KEPT).put(keptRecord(one));
    await finish(call);
  });

/** Asks for everything at once, and looks at it in the port's order. */
async function checkAll(tx, database, checks, kept) {
  const keptBefore = kept.map(([scope, key]) => answer(tx.objectStore(KEPT).get([scope, key])));
  const seen = checks.map(([kind, id]) => answer(tx.objectStore(tableOf(database, kind).name).get(id)));
  const [before, records] = await Promise.all([keptBefore, seen].map((asked) => Promise.all(asked)));
  if (before.some((record) => record)) throw new Failure("Kept");
  checks.forEach((check, place) => checkOne(tableOf(database, check[0]), check, records[place]));
}

function checkOne({ shape }, [kind, id, expected, version, isWritten], record) {
  const seen = record ? whole(record) : 0n;
  const isHere = record && isThere(record);
  if (expected === "new" && seen) throw new Failure("Duplicate", kind, "id");
  const holds = expected === "new" || (seen === BigInt(version) && Boolean(isHere) === (expected === "version"));
  if (!holds) throw new Failure("Conflict", kind, id);
  if (isHere && isWritten && record.shape > shape) throw new Failure("NewerShape", kind, id, record.shape);
}

/** What is stored: a plain object, which a person can read in the browser's tools. */
function record(table, [id, version, document, keys]) {
  const made = { id, version: BigInt(version), shape: table.shape };
  return document === undefined ? made : keyed({ ...made, document }, table, keys);
}

/** Places grow with the commits, which write the outbox one after the other. */
function eventRecord([id, name, kind, entity, version, n, at, payload, trace]) {
  const made = { id, name, kind, entity, version: BigInt(version), n, at, payload, unsent: 1 };
  return trace === null ? made : { ...made, trace };
}

const keptRecord = ([scope, key, digest, answer, at]) => ({ scope, key, digest, answer, at });

/** A record with the keys of this page, one for each index. Without keys it would be in no index. */
export function keyed(record, { indexes, writer }, keys) {
  const all = { id: record.id };
  indexes.forEach(([name], place) => (all[name] = keys[place] + record.id));
  return { ...record, keys: all, writer };
}

/** Whether the record is an entity, and not the trace of one that was deleted. */
const isThere = ({ document }) => document !== undefined;

/** An entity's record as Rust reads it. */
export const row = (record) => [
  field(record, "id", "string"),
  version(record),
  field(record, "shape", "number"),
  field(record, "document", "string"),
];

export const version = (record) => String(whole(record));
const whole = (record) => field(record, "version", "bigint");

/** What a record has of this name, which is of that type. */
export function field(record, name, type) {
  if (typeof record[name] !== type) throw unusable(`a stored record is damaged in ${name}`);
  return record[name];
}
