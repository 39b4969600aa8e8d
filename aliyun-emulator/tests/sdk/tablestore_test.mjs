// Alibaba's Node.js SDK for TableStore against the emulator: above all, counters that are returned.

import assert from "node:assert/strict";
import TableStore from "tablestore";
import { atOnce, emulator, refused, temporary } from "./check.mjs";

const { Long, RowExistenceExpectation, ReturnType } = TableStore;
const connect = (accessKeyId, secretAccessKey, securityToken) =>
  new TableStore.Client({
    accessKeyId,
    secretAccessKey,
    securityToken,
    endpoint: process.env.TABLESTORE,
    instancename: "jlinst",
    maxRetries: 0,
  });
const client = (secretAccessKey) => connect("testAccessKeyId", secretAccessKey);
const ots = client("testAccessKeySecret");
const tableName = "counters";
const any = new TableStore.Condition(RowExistenceExpectation.IGNORE, null);
const absent = new TableStore.Condition(RowExistenceExpectation.EXPECT_NOT_EXIST, null);
const key = (pk) => [{ pk }];

await ots.createTable({
  tableMeta: { tableName, primaryKey: [{ name: "pk", type: "STRING" }] },
  reservedThroughput: { capacityUnit: { read: 0, write: 0 } },
  tableOptions: { timeToLive: -1, maxVersions: 1 },
});

// Counters: each of many at once is told another sum.
const sums = await atOnce(32, async () => {
  const changed = await ots.updateRow({
    tableName,
    condition: any,
    primaryKey: key("join"),
    updateOfAttributeColumns: [{ INCREMENT: [{ filled: Long.fromNumber(1) }] }],
    returnContent: { returnType: ReturnType.AfterModify, returnColumns: ["filled"] },
  });
  const [column] = changed.row.attributes;
  assert.equal(column.columnName, "filled");
  return column.columnValue.toNumber();
});
assert.deepEqual(sums.toSorted((a, b) => a - b), Array.from({ length: 32 }, (_, index) => index + 1));

// A slot filled once: a condition on the slot and two counters in one request.
const arrive = (slot) =>
  ots.updateRow({
    tableName,
    condition: new TableStore.Condition(
      RowExistenceExpectation.IGNORE,
      new TableStore.SingleColumnCondition(`s${slot}`, "x", TableStore.ComparatorType.EQUAL, true),
    ),
    primaryKey: key("slots"),
    updateOfAttributeColumns: [
      { PUT: [{ [`s${slot}`]: "value" }] },
      { INCREMENT: [{ filled: Long.fromNumber(1) }, { ok: Long.fromNumber(slot % 2) }] },
    ],
    returnContent: { returnType: ReturnType.AfterModify, returnColumns: ["filled", "ok"] },
  });
const first = await arrive(1);
assert.deepEqual(first.row.attributes.map((column) => [column.columnName, column.columnValue.toNumber()]), [
  ["filled", 1],
  ["ok", 1],
]);
await arrive(2);
await refused(() => arrive(1), { code: 403 });
const row = await ots.getRow({ tableName, primaryKey: key("slots"), maxVersions: 1 });
assert.equal(row.row.attributes.find((column) => column.columnName === "filled").columnValue.toNumber(), 2);

// Put if absent: one of many.
const put = (by) =>
  ots.putRow({
    tableName,
    condition: absent,
    primaryKey: key("claim"),
    attributeColumns: [{ by: Long.fromNumber(by) }],
    returnContent: { returnType: ReturnType.Primarykey },
  });
const won = await atOnce(32, (by) => put(by).then(() => true, () => false));
assert.equal(won.filter(Boolean).length, 1);
const lost = await refused(() => put(99), { code: 403 });
assert.match(lost.message, /OTSConditionCheckFail/);

// Ranges and deletion.
const range = await ots.getRange({
  tableName,
  direction: TableStore.Direction.FORWARD,
  inclusiveStartPrimaryKey: [{ pk: TableStore.INF_MIN }],
  exclusiveEndPrimaryKey: [{ pk: TableStore.INF_MAX }],
  maxVersions: 1,
  limit: 50,
});
assert.deepEqual(range.rows.map((found) => found.primaryKey[0].value), ["claim", "join", "slots"]);
await ots.deleteRow({ tableName, condition: any, primaryKey: key("claim") });
const gone = await ots.getRow({ tableName, primaryKey: key("claim"), maxVersions: 1 });
assert.deepEqual(Object.keys(gone.row), []);

// A row of bytes and counters: made once, filled slot by slot, and full once. What a column that is not there is
// compared with, no column holds.
const failed = { code: 403, message: /OTSConditionCheckFail/ };
const ignoring = (test) => new TableStore.Condition(RowExistenceExpectation.IGNORE, test);
const missing = (name) =>
  new TableStore.SingleColumnCondition(name, Buffer.from("no column holds this"), TableStore.ComparatorType.EQUAL, true);
const every = (...tests) => {
  const all = new TableStore.CompositeCondition(TableStore.LogicalOperator.AND);
  for (const test of tests) all.addSubCondition(test);
  return all;
};
const no = (test) => {
  const not = new TableStore.CompositeCondition(TableStore.LogicalOperator.NOT);
  not.addSubCondition(test);
  return not;
};
const number = (value) => Long.fromNumber(value);
const counters = ["filled", "ok", "indexed"];
const update = async (pk, test, ...changes) => {
  const changed = await ots.updateRow({
    tableName,
    condition: ignoring(test),
    primaryKey: key(pk),
    updateOfAttributeColumns: changes,
    returnContent: { returnType: ReturnType.AfterModify, returnColumns: counters },
  });
  return Object.fromEntries((changed.row.attributes ?? []).map((column) => [column.columnName, column.columnValue.toNumber()]));
};
const body = Buffer.from([0, 255, 128, 10]);
const make = () =>
  update("fan", missing("body"), { PUT: [{ body }, { expires_at: number(9) }, { check_at: number(7) }, { indexed: number(1) }] });
assert.deepEqual(await make(), {}, "only what is counted is returned");
await refused(make, failed);
const fill = (pk, slot, ok, ...more) =>
  update(
    pk,
    every(missing(`s${slot}`), missing("closed"), new TableStore.SingleColumnCondition("filled", number(2), TableStore.ComparatorType.LESS_THAN, true)),
    { PUT: [{ [`s${slot}`]: Buffer.from([slot]) }] },
    { INCREMENT: [{ filled: number(1) }, { ok: number(ok) }, { indexed: number(0) }] },
    ...more,
  );
assert.deepEqual(await fill("fan", 0, 1), { filled: 1, ok: 1, indexed: 1 }, "a counter that 0 is added to is told");
await refused(() => fill("fan", 0, 1), failed);
assert.deepEqual(await fill("fan", 1, 0, { DELETE_ALL: ["check_at"] }), { filled: 2, ok: 1, indexed: 1 });
await refused(() => fill("fan", 2, 1), failed);
assert.deepEqual(await fill("unmade", 0, 0), { filled: 1, ok: 0, indexed: 0 }, "and is there then");
const read = async (pk) => {
  const found = await ots.getRow({ tableName, primaryKey: key(pk), maxVersions: 1 });
  return Object.fromEntries((found.row.attributes ?? []).map((column) => [column.columnName, column.columnValue]));
};
const fan = await read("fan");
assert.deepEqual([fan.body, fan.s0, fan.s1, fan.check_at], [body, Buffer.from([0]), Buffer.from([1]), undefined]);
assert.deepEqual((await read("unmade")).indexed.toNumber(), 0);
await update("fan", no(missing("expires_at")), { DELETE_ALL: ["expires_at"] });
await refused(() => update("fan", no(missing("expires_at")), { PUT: [{ expires_at: number(1) }] }), failed);
const winners = await atOnce(32, (slot) => fill("race", slot, 1).then((told) => told.filled, () => null));
assert.deepEqual(winners.filter(Boolean).toSorted(), [1, 2], "two places, whoever comes");

// An index by time.
const dueName = "due";
await ots.createTable({
  tableMeta: {
    tableName: dueName,
    primaryKey: [
      { name: "shard", type: "STRING" },
      { name: "check_at", type: "INTEGER" },
      { name: "key", type: "STRING" },
    ],
  },
  reservedThroughput: { capacityUnit: { read: 0, write: 0 } },
  tableOptions: { timeToLive: -1, maxVersions: 1 },
});
const place = (check_at, name) => [{ shard: "0" }, { check_at: typeof check_at === "number" ? number(check_at) : check_at }, { key: name }];
const enter = (at, name, version) =>
  ots.putRow({ tableName: dueName, condition: any, primaryKey: place(at, name), attributeColumns: [{ version: number(version) }, { other: "x" }] });
for (let at = 0; at < 8; at += 1) await enter(at, `k${at}`, at);
await enter(4, "k4", 44);
const { INF_MIN, INF_MAX, Direction } = TableStore;
const part = async (from, to, limit, direction = Direction.FORWARD, columnsToGet = ["version"]) => {
  const found = await ots.getRange({
    tableName: dueName,
    direction,
    inclusiveStartPrimaryKey: from,
    exclusiveEndPrimaryKey: to,
    columnsToGet,
    maxVersions: 1,
    limit,
  });
  const rows = found.rows.map((row) => [row.primaryKey[2].value, ...row.attributes.map((column) => column.columnValue.toNumber?.() ?? column.columnValue)]);
  const next = found.nextStartPrimaryKey?.map((column) => ({ [column.name]: column.value }));
  return { rows, next };
};
const [start, end] = [place(INF_MIN, INF_MIN), place(6, INF_MAX)];
const begun = await part(start, end, 3);
assert.deepEqual(begun.rows, [["k0", 0], ["k1", 1], ["k2", 2]]);
const ended = await part(begun.next, end, 1000);
assert.deepEqual(ended.rows, [["k3", 3], ["k4", 44], ["k5", 5], ["k6", 6]]);
assert.equal(ended.next, undefined);
assert.deepEqual((await part(start, end, 1000, Direction.FORWARD, ["none"])).rows, []);
const back = await part(end, start, 2, Direction.BACKWARD);
assert.deepEqual(back.rows, [["k6", 6], ["k5", 5]]);
assert.deepEqual((await part(back.next, start, 1000, Direction.BACKWARD)).rows.map(([name]) => name), ["k4", "k3", "k2", "k1", "k0"]);
const leave = (version) =>
  ots.deleteRow({
    tableName: dueName,
    condition: ignoring(new TableStore.SingleColumnCondition("version", number(version), TableStore.ComparatorType.EQUAL, true)),
    primaryKey: place(4, "k4"),
  });
await refused(() => leave(4), failed);
await leave(44);
await leave(44);
assert.equal((await part(start, end, 1000)).rows.length, 6);

// Batches, of which a row fails by itself.
const reads = async (table, names) => {
  const found = await ots.batchGetRow({ tables: [{ tableName: table, primaryKey: names.map(key), maxVersions: 1 }] });
  return found.tables[0];
};
const busy = { service: "tablestore", operation: "RowOfBatch", target: tableName, skip: 1, times: 1, status: 503, code: "OTSServerBusy" };
await emulator(process.env.TABLESTORE, "faults", { ...busy, action: "error" });
const some = await reads(tableName, ["fan", "unmade", "nobody"]);
assert.deepEqual(some.map((one) => one.isOk), [true, false, true]);
assert.deepEqual([some[1].errorCode, some[0].primaryKey[0].value, some[2].primaryKey], ["OTSServerBusy", "fan", null]);
const lacking = await reads("nothing", ["fan"]);
assert.deepEqual([lacking[0].isOk, lacking[0].errorCode], [false, "OTSObjectNotExist"]);
const written = await ots.batchWriteRow({
  tables: [
    {
      tableName,
      rows: [
        { type: "PUT", condition: absent, primaryKey: key("fan"), attributeColumns: [{ n: number(1) }], returnContent: { returnType: 1 } },
        { type: "UPDATE", condition: any, primaryKey: key("batched"), attributeColumns: [{ PUT: [{ n: number(1) }] }], returnContent: { returnType: 1 } },
        { type: "DELETE", condition: any, primaryKey: key("unmade"), returnContent: { returnType: 1 } },
      ],
    },
  ],
});
assert.deepEqual(written.tables.map((one) => one.isOk), [false, true, true]);
assert.equal(written.tables[0].errorCode, "OTSConditionCheckFail");
assert.deepEqual([(await read("batched")).n.toNumber(), await read("unmade")], [1, {}]);

await refused(() => client("wrong").listTable({}), { code: 403, message: /OTSAuthFailed/ });
const denied = { code: 403, message: /OTSAuthFailed/ };
await temporary(process.env.TABLESTORE, connect, (as) => as.listTable({}), { missing: denied, wrong: denied, expired: denied });
