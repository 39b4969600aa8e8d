// Alibaba's Node.js SDK for OSS against the emulator, with V4.

import assert from "node:assert/strict";
import OSS from "ali-oss";
import { atOnce, emulator, refused, temporary } from "./check.mjs";

const client = (accessKeySecret, authorizationV4 = true) => connect("testAccessKeyId", accessKeySecret, undefined, authorizationV4);
const connect = (accessKeyId, accessKeySecret, stsToken, authorizationV4 = true) =>
  new OSS({
    accessKeyId,
    accessKeySecret,
    stsToken,
    // Renewed by whoever gives the token; none is due here.
    refreshSTSToken: stsToken && (async () => ({ accessKeyId, accessKeySecret, stsToken })),
    region: `oss-${process.env.REGION}`,
    endpoint: process.env.OSS,
    authorizationV4,
    bucket: "jl-node",
    retryMax: 0,
  });
const oss = client("testAccessKeySecret");
await oss.putBucket("jl-node");
const absent = { headers: { "x-oss-forbid-overwrite": "true" } };
const key = "run/a b.bin";
await oss.put(key, Buffer.from("hello"), absent);
await refused(() => oss.put(key, Buffer.from("other"), absent), { status: 409, code: "FileAlreadyExists" });
assert.equal((await oss.get(key)).content.toString(), "hello");
assert.equal((await oss.get(key, { headers: { Range: "bytes=1-2" } })).content.toString(), "el");
assert.equal((await oss.head(key)).res.headers["content-length"], "5");
await refused(() => oss.get("none"), { status: 404, code: "NoSuchKey" });

const won = await atOnce(32, (index) => oss.put("claim", Buffer.from(`${index}`), absent).then(() => true, () => false));
assert.equal(won.filter(Boolean).length, 1);

const listed = await oss.listV2({ prefix: "run/", "max-keys": 10 });
assert.deepEqual(listed.objects.map((object) => object.name), [key]);
for (let index = 0; index < 7; index += 1) await oss.put(`list/${index}`, Buffer.from("x"));
const pages = [];
for (let token; ; ) {
  const page = await oss.listV2({ prefix: "list/", "max-keys": 3, "continuation-token": token });
  pages.push(page.objects.map((object) => object.name));
  token = page.nextContinuationToken;
  if (!page.isTruncated) break;
}
assert.deepEqual(pages, [["list/0", "list/1", "list/2"], ["list/3", "list/4", "list/5"], ["list/6"]]);
const removed = await oss.deleteMulti(pages.flat());
assert.deepEqual(removed.deleted.map((object) => object.Key), pages.flat());
assert.equal((await oss.delete("list/0")).res.status, 204);

const rule = { service: "oss", operation: "GetObject", target: `jl-node/${key}`, times: 1 };
for (const [status, code] of [[403, "AccessDenied"], [413, "EntityTooLarge"], [429, "QpsLimitExceeded"], [500, "InternalError"]]) {
  await emulator(process.env.OSS, "faults", { ...rule, action: "error", status, code });
  await refused(() => oss.get(key), { status, code });
}
await emulator(process.env.OSS, "faults", { ...rule, action: "corrupt", part: "body", at: 0 });
assert.equal((await oss.get(key)).content.toString(), "iello", "it looks at no checksum");
await oss.deleteMulti([key, "claim"]);
assert.equal((await oss.listV2({})).keyCount, 0);
await refused(() => client("wrong").get(key), { status: 403, code: "SignatureDoesNotMatch" });
await refused(() => client("testAccessKeySecret", false).get(key), { status: 400, code: "InvalidArgument" });
const taken = async (as) => {
  await as.put("of a role", Buffer.from("hello"), absent);
  assert.equal((await as.get("of a role")).content.toString(), "hello");
  assert.equal((await as.listV2({})).keyCount, 1);
  await as.delete("of a role");
};
await temporary(process.env.OSS, connect, taken, {
  missing: { status: 403, code: "InvalidAccessKeyId" },
  wrong: { status: 403, code: "InvalidSecurityToken" },
  expired: { status: 403, code: "SecurityTokenExpired" },
});
