// What lies beside the entities: events until they are sent and swept, and kept records.
import { answer, begin, finish, leave } from "./calls.js";
import { KEPT, operate, OUTBOX } from "./database.js";
import { field, version } from "./unit.js";

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
