// Alibaba's Node.js SDK for Function Compute 3.0 against the emulator: it signs fewer headers.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { Readable } from "node:stream";
import fc from "@alicloud/fc20230330";
import openapi from "@alicloud/openapi-core";
import { emulator, refused, temporary } from "./check.mjs";

const Client = fc.default.default ?? fc.default;
const connect = (accessKeyId, accessKeySecret, securityToken) =>
  new Client(
    new openapi.$OpenApiUtil.Config({
      accessKeyId,
      accessKeySecret,
      securityToken,
      endpoint: process.env.FUNCTION_COMPUTE,
      protocol: "HTTP",
    }),
  );
const client = (accessKeySecret) => connect("testAccessKeyId", accessKeySecret);
const sdk = client("testAccessKeySecret");

// A zip with one stored file, made by the Python that the other scripts need as well.
const pack = `import base64, io, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, "w") as archive:
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    archive.writestr(entry, sys.stdin.read())
print(base64.b64encode(out.getvalue()).decode())`;
const source = readFileSync(new URL("./bootstrap.py", import.meta.url));
const zipFile = execFileSync("python3", ["-c", pack], { input: source }).toString().trim();

const input = new fc.CreateFunctionInput({
  functionName: "node_worker",
  runtime: "custom.debian12",
  handler: "index.handler",
  timeout: 30,
  memorySize: 512,
  environmentVariables: { LOG: "/dev/null", MINE: "yes" },
  code: new fc.InputCodeLocation({ zipFile }),
});
const created = await sdk.createFunction(new fc.CreateFunctionRequest({ body: input }));
assert.equal(created.body.functionName, "node_worker");

const invoke = (event, type, taskId, using = sdk) =>
  using.invokeFunctionWithOptions(
    "node_worker",
    new fc.InvokeFunctionRequest({ body: Readable.from(Buffer.from(JSON.stringify(event))) }),
    new fc.InvokeFunctionHeaders({ xFcInvocationType: type, xFcAsyncTaskId: taskId }),
    {},
  );

const answer = await invoke({ do: "echo", n: 1 }, "Sync");
const chunks = [];
for await (const chunk of answer.body) chunks.push(chunk);
assert.deepEqual(JSON.parse(Buffer.concat(chunks).toString()).event, { do: "echo", n: 1 });
const failed = await invoke({ do: "fail" }, "Sync");
assert.equal(failed.headers["x-fc-error-type"], "HandledInvocationError");

const put = (body) => sdk.putAsyncInvokeConfig("node_worker", new fc.PutAsyncInvokeConfigRequest({ body: new fc.PutAsyncInvokeConfigInput(body) }));
await put({ asyncTask: true, maxAsyncRetryAttempts: 0 });
assert.equal((await invoke({}, "Async", "t1")).statusCode, 202);
await refused(() => invoke({}, "Async", "t1"), { code: "AsyncTaskAlreadyExists" });
await refused(() => sdk.getFunction("none", new fc.GetFunctionRequest({})), { code: "FunctionNotFound" });
await refused(() => invoke({}, "Sync", undefined, client("wrong")), { code: "SignatureNotMatch" });
const endpoint = `http://${process.env.FUNCTION_COMPUTE}`;
for (const [status, code] of [[403, "AccessDenied"], [413, "EntityTooLarge"], [429, "ResourceExhausted"], [503, "ServiceUnavailable"]]) {
  const rule = { service: "function_compute", operation: "InvokeFunction", times: 1, action: "error" };
  await emulator(endpoint, "faults", { ...rule, status, code, message: "m" });
  await refused(() => invoke({}, "Async"), { code });
}
let tasks = 0;
const taken = async (as) => {
  tasks += 1;
  assert.equal((await invoke({}, "Async", `of_a_role_${tasks}`, as)).statusCode, 202);
  await refused(() => invoke({}, "Async", `of_a_role_${tasks}`, as), { code: "AsyncTaskAlreadyExists" });
};
await temporary(endpoint, connect, taken, {
  missing: { code: "MissingSecurityToken" },
  wrong: { code: "InvalidSecurityToken" },
  expired: { code: "InvalidSecurityToken.Expired" },
});
await sdk.deleteFunction("node_worker");
