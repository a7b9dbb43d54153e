// A store's database: opened, upgraded, and given up when another tab needs that.
//
// IndexedDB changes its structure in a version change alone, which waits until no other tab has the database open; the
// version is a mere count of such changes. Each kind is an object store with an index for each of ours, and indexes that no
// page knows any more stay.
import { answer, begin, check, ended, hold, leave, none, run, takeBack, unavailable, unusable } from "./calls.js";

export const META = "staffa_meta";
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
  databases.delete(number);
  shut(database, CLOSED);
  if (database.busy) await new Promise((resolve) => (database.idle = resolve));
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
export async function checkFormat(call, database) {
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
