// Alibaba's Node.js SDK for TableStore against the emulator: above all, counters that are returned.

import assert from "node:assert/strict";
import TableStore from "tablestore";
import { atOnce, refused } from "./check.mjs";

const { Long, RowExistenceExpectation, ReturnType } = TableStore;
const client = (secretAccessKey) =>
  new TableStore.Client({
    accessKeyId: "testAccessKeyId",
    secretAccessKey,
    endpoint: process.env.TABLESTORE,
    instancename: "jlinst",
    maxRetries: 0,
  });
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

const denied = await refused(() => client("wrong").listTable({}), { code: 403 });
assert.match(denied.message, /OTSAuthFailed/);
