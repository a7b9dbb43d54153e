// Entities by their ids, and units: one transaction with all checks, then all writes, then what only the writes show.
import { answer, begin, Failure, finish, leave, unusable } from "./calls.js";
import { checkFormat, KEPT, operate, OUTBOX, tableOf } from "./database.js";

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
  if ((await Promise.all(keptBefore)).some((record) => record)) throw new Failure("Kept");
  const records = await Promise.all(seen);
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
export const isThere = ({ document }) => document !== undefined;

/** An entity's record as Rust reads it. */
export const row = (record) => [field(record, "id", "string"), version(record), field(record, "shape", "number"), field(record, "document", "string")];

export const version = (record) => String(whole(record));
const whole = (record) => field(record, "version", "bigint");

/** What a record has of this name, which is of that type. */
export function field(record, name, type) {
  if (typeof record[name] !== type) throw unusable(`a stored record is damaged in ${name}`);
  return record[name];
}
