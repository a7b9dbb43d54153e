// What a page whose kinds have no index, and that emits no event, does without: reads by indexes and their keys, the outbox,
// kept records.
//
// What a scan covers lies side by side in the text of keys, so a page is one range. Each row records its writer, and an index
// holds the rows by it: one look tells whether there are rows with other keys than ours. A row of a newer shape was keyed by a
// newer page, and is left as it is.
import {
  answer,
  begin,
  end,
  Failure,
  field,
  finish,
  KEPT,
  keyed,
  leave,
  listened,
  operate,
  OUTBOX,
  row,
  tableOf,
  unavailable,
  unusable,
  version,
  walk,
  WRITER,
} from "./store.js";

/** After every text that goes on from the same beginning. */
const TOP = "\uffff";
/** Rows whose keys are made at a time. */
const BATCH = 500;
/** How often the keys are made for one page, while a tab of an older page writes without them. */
const TURNS_MAX = 3;

/**
 * What a database with indexes does beside. `keysOf(kind, shape, document)` makes the keys of a document as Rust does it:
 * `["", keys]`, or a failure.
 */
export const indexes = (keysOf) => ({
  isLacking: ({ handle, tables }) =>
    [...tables.values()].some(({ name, indexes }) => {
      if (!indexes.length) return false;
      const { indexNames } = handle.transaction([name]).objectStore(name);
      return indexes.some(([index]) => !indexNames.contains(index));
    }),

  /** Adds the indexes that an object store lacks, and makes their keys. */
  async complete(store, table, isNew) {
    addIndexes(store, table);
    if (!isNew) await backfill(store, table, keysOf, true);
  },

  /**
   * Makes the keys that are missing without a new index: of an older shape, of an index whose parts have changed, of what an
   * older page wrote meanwhile.
   */
  async fill(call, database) {
    for (const table of database.tables.values()) {
      const isFilled = await isDone(begin(call, database, [table.name], "readonly").objectStore(table.name), table);
      leave(call);
      if (isFilled) continue;
      await backfill(begin(call, database, [table.name], "readwrite").objectStore(table.name), table, keysOf, true);
      await end(call);
    }
  },

  /** Refuses a unique key that two entities of a kind have once all writes of a unit are done. */
  async refuseDoubles(tx, database, writes) {
    for (const kind of new Set(writes.map(([kind]) => kind))) {
      const table = tableOf(database, kind);
      if (!table.indexes.some(([, isUnique]) => isUnique)) continue;
      const store = tx.objectStore(table.name);
      // What an older page wrote meanwhile may lack the key.
      await backfill(store, table, keysOf, false);
      const keys = writes.filter((write) => write[0] === kind).map((write) => write[4] ?? []);
      await checkDoubles(store, table, keys);
    }
  },

  keysOf,
});

/**
 * A page of a kind; `asked` is `[kind, index, from, is that excluded, to, limit, is it descending]`, where the index of ids
 * is `id`. Gives a list of `[key, entity]`.
 */
export const scan = (number, on, asked) =>
  operate(number, on, asked, async (call, database, [kind, ...what]) => {
    const table = tableOf(database, kind);
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const records = await page(call, database, table, what);
      if (records) return records.map((record) => [field(record.keys, what[0], "string"), row(record)]);
      const store = begin(call, database, [table.name], "readwrite").objectStore(table.name);
      await backfill(store, table, database.indexes.keysOf, false);
      await end(call);
    }
    throw unavailable("another tab with an older page writes too fast: close or reload it");
  });

/** The records of the page; none when rows have other keys than ours. */
async function page(call, database, table, [name, from, isOpen, to, limit, isDescending]) {
  const store = begin(call, database, [table.name], "readonly").objectStore(table.name);
  const look = name === "id" ? undefined : lookAt(store, table);
  const covered = IDBKeyRange.bound(from, to, isOpen, true);
  const index = store.index(name);
  const records = await (isDescending ? last(index, covered, limit) : answer(index.getAll(covered, limit)));
  if ((await look?.newer)?.length) await checkNewer(store, table);
  if (await look?.isStale) return undefined;
  leave(call);
  return records;
}

/** The last records of a range, the last one first. */
async function last(index, covered, limit) {
  const records = [];
  await walk(index.openCursor(covered, "prev"), (record) => records.push(record) < limit);
  return records;
}

/** Asks which rows have other keys than ours: `newer` are those of a newer shape. */
function lookAt(store, table) {
  const writers = store.index(WRITER);
  const first = (range) => answer(writers.getAllKeys(range, 1));
  const stale = staleRanges(table).map(first);
  return {
    isStale: listened(Promise.all(stale).then((found) => found.some((keys) => keys.length))),
    newer: listened(first(newerRange(table))),
  };
}

/** The writers of older shapes, and those of other indexes of ours. */
const staleRanges = ({ writer, newer }) => [
  IDBKeyRange.bound("", writer, false, true),
  IDBKeyRange.bound(writer, newer, true, true),
];

const newerRange = ({ newer }) => IDBKeyRange.bound(newer, TOP, false, true);

/** Whether there are no such rows. Refuses one of a newer shape that lacks a key of ours. */
async function isDone(store, table) {
  const look = lookAt(store, table);
  const isStale = await look.isStale;
  if ((await look.newer).length) await checkNewer(store, table);
  return !isStale;
}

/** Refuses rows of a newer shape without a key in each of our indexes. There are few writers, whatever the rows. */
async function checkNewer(store, table) {
  let lacking;
  await walk(store.index(WRITER).openCursor(newerRange(table), "nextunique"), (record) => {
    checkId(table, record.writer);
    if (!isKeyed(table, record.writer)) lacking = record;
    return !lacking;
  });
  if (lacking) throw new Failure("NewerShape", table.kind, lacking.id, lacking.shape);
}

/** Whether a row of this writer has a key in each of our indexes. */
function isKeyed({ words }, writer) {
  const theirs = writer.split(" ");
  return words.every((word) => theirs.includes(word));
}

/** Refuses a writer whose ids are of another type. */
function checkId({ kind, id }, writer) {
  const stored = writer.split(" ")[1];
  if (stored !== id) {
    throw unusable(`the ids of ${kind} are stored as ${stored}, and this page says ${id}: an id's type never changes`);
  }
}

/** Makes the keys of all rows that have other ones, in a transaction that writes; where it is `checked`, refuses doubles. */
async function backfill(store, table, keysOf, isChecked) {
  if (await isDone(store, table)) return;
  for (const range of staleRanges(table)) while (await batch(store, table, keysOf, range, isChecked));
}

/** Makes the keys of the next rows; `false` once there are no more. */
async function batch(store, table, keysOf, range, isChecked) {
  const records = await answer(store.index(WRITER).getAll(range, BATCH));
  const made = records.map((record) => {
    checkId(table, field(record, "writer", "string"));
    const [why, ...keys] = JSON.parse(keysOf(table.kind, field(record, "shape", "number"), field(record, "document", "string")));
    if (why) throw new Failure(why, ...keys);
    store.put(keyed(record, table, keys));
    return keys;
  });
  if (isChecked) await checkDoubles(store, table, made);
  return records.length > 0;
}

/** Refuses a key that two entities have in a unique index; one with a none part is nobody's. Keys come as lists, index by index. */
async function checkDoubles(store, { kind, indexes }, keys) {
  const asks = indexes.flatMap(([name, isUnique], place) => {
    const wanted = keys.map((of) => of[place]).filter((key) => isUnique && key && !hasNone(key));
    return wanted.map(async (key) => [name, await answer(store.index(name).getAllKeys(startingWith(key), 2))]);
  });
  for (const [index, ids] of await Promise.all(asks)) if (ids.length > 1) throw new Failure("Duplicate", kind, index);
}

/** Whether a part of a key is none: its text, which U+0000 ends, is empty. */
const hasNone = (key) => /(^|\0)\0/.test(key);

const startingWith = (text) => IDBKeyRange.bound(text, text + TOP, false, true);

/**
 * An index is never unique to IndexedDB, which would check in the middle of a unit in which two entities swap their keys; the
 * commit checks at its end.
 */
function addIndexes(store, { indexes }) {
  for (const [name] of indexes) if (!store.indexNames.contains(name)) store.createIndex(name, `keys.${name}`);
}

/** A kept record; `asked` is `[scope, key]`. Gives `[digest, answer, time]`, or `[]`. */
export const kept = (number, on, asked) =>
  operate(number, on, asked, async (call, database, place) => {
    const record = await answer(begin(call, database, [KEPT], "readonly").objectStore(KEPT).get(place));
    leave(call);
    return record ? ["digest", "answer", "at"].map((name) => field(record, name, "string")) : [];
  });

/**
 * Unsent events, oldest commit first; `asked` is `[the place after which they lie, limit]`. Gives lists of
 * `[place, id, name, kind, entity, version, n, time, payload, trace if there is one]`.
 */
export const unsent = (number, on, asked) =>
  operate(number, on, asked, async (call, database, [after, limit]) => {
    const index = begin(call, database, [OUTBOX], "readonly").objectStore(OUTBOX).index("unsent");
    const records = after ? await later(index, after, limit) : await answer(index.getAll(UNSENT, limit));
    leave(call);
    return records.map(event);
  });

/** The unsent records after a place, by a cursor, since a range of the index cannot begin there. */
async function later(index, after, limit) {
  const request = index.openCursor();
  const records = [];
  let cursor = await answer(request);
  if (cursor?.primaryKey <= after) {
    cursor.continuePrimaryKey(UNSENT, after + 1);
    cursor = await answer(request);
  }
  while (cursor && records.push(cursor.value) < limit) {
    cursor.continue();
    cursor = await answer(request);
  }
  return records;
}

/** What an unsent event has in the index of those: it lies there by its place alone. */
const UNSENT = 1;

function event(record) {
  const texts = (...names) => names.map((name) => field(record, name, "string"));
  const [n, at] = [field(record, "n", "number"), field(record, "at", "string")];
  const about = [...texts("id", "name", "kind", "entity"), version(record), n, at, ...texts("payload")];
  return [record.place, ...about, ...(record.trace ? [record.trace] : [])];
}

/** How much is unsent; `asked` is `[limit]`. Gives `[how many up to the limit, the time of the oldest]`, or `[0]`. */
export const backlog = (number, on, asked) =>
  operate(number, on, asked, async (call, database, [limit]) => {
    const index = begin(call, database, [OUTBOX], "readonly").objectStore(OUTBOX).index("unsent");
    // To IndexedDB, 0 would be no limit.
    const records = await answer(index.getAll(UNSENT, Math.max(limit, 1)));
    leave(call);
    const times = records.map((record) => field(record, "at", "string")).sort();
    return [Math.min(times.length, limit), ...times.slice(0, 1)];
  });

/** Notes that events were sent; `asked` is a list of their ids. */
export const markSent = (number, on, asked) =>
  operate(number, on, asked, async (call, database, ids) => {
    const store = begin(call, database, [OUTBOX], "readwrite").objectStore(OUTBOX);
    for (const record of await Promise.all(ids.map((id) => answer(store.index("id").get(id))))) {
      if (!record?.unsent) continue;
      const { unsent, ...sent } = record;
      store.put({ ...sent, sent: record.at });
    }
    await finish(call);
  });

/** Removes sent events and kept records from before a time; `asked` is `[time, how many of each]`. Gives how many went. */
export const sweep = (number, on, asked) =>
  operate(number, on, asked, async (call, database, [before, limit]) => {
    // To IndexedDB, 0 would be no limit.
    if (!limit) return 0;
    const tx = begin(call, database, [OUTBOX, KEPT], "readwrite");
    const old = IDBKeyRange.upperBound(before, true);
    const gone = await Promise.all([
      removeOld(tx.objectStore(OUTBOX), "sent", old, limit),
      removeOld(tx.objectStore(KEPT), "at", old, limit),
    ]);
    await finish(call);
    return gone[0] + gone[1];
  });

/** Removes the records of a range of an index. */
async function removeOld(store, name, range, limit) {
  const keys = await answer(store.index(name).getAllKeys(range, limit));
  for (const key of keys) store.delete(key);
  return keys.length;
}
