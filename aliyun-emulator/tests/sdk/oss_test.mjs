// Alibaba's Node.js SDK for OSS against the emulator, with V4.

import assert from "node:assert/strict";
import OSS from "ali-oss";
import { atOnce, refused } from "./check.mjs";

const client = (accessKeySecret, authorizationV4 = true) =>
  new OSS({
    accessKeyId: "testAccessKeyId",
    accessKeySecret,
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
await oss.deleteMulti([key, "claim"]);
assert.equal((await oss.listV2({})).keyCount, 0);
await refused(() => client("wrong").get(key), { status: 403, code: "SignatureDoesNotMatch" });
await refused(() => client("testAccessKeySecret", false).get(key), { status: 400, code: "InvalidArgument" });
