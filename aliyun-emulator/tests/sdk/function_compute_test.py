"""Alibaba's Python SDK for Function Compute 3.0 against the emulator, with functions as processes."""

import base64
import functools
import io
import json
import os
import tempfile
import time
import zipfile

from alibabacloud_fc20230330 import models
from alibabacloud_fc20230330.client import Client
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
import check
import oss2
from check import at_once, refused

ENDPOINT = os.environ["FUNCTION_COMPUTE"]
LOG = tempfile.NamedTemporaryFile(suffix=".jsonl")


def client(secret="testAccessKeySecret", key="testAccessKeyId", token=None):
    return Client(Config(access_key_id=key, access_key_secret=secret, security_token=token, endpoint=ENDPOINT, protocol="HTTP", region_id=os.environ["REGION"]))


def package(start=None, name="bootstrap"):
    """A zip of the test's function, and of what starts it where that is not itself."""
    source = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap.py")).read()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in ((name, source), ("bootstrap", start)):
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o755 << 16
            if text:
                archive.writestr(entry, text)
    return base64.b64encode(packed.getvalue()).decode()


emulator = functools.partial(check.emulator, f"http://{ENDPOINT}")


def seen(mark):
    with open(LOG.name) as log:
        return [entry for entry in map(json.loads, log) if entry.get("event", {}).get("mark") == mark]


def until(condition, bound=60):
    end = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


fc = client()
CODE = package()


def create(name, **settings):
    settings = dict(runtime="custom.debian12", handler="index.handler", timeout=30, memory_size=512, cpu=0.35, disk_size=512, instance_concurrency=1) | settings
    settings = dict(code=models.InputCodeLocation(zip_file=CODE)) | settings
    settings["environment_variables"] = {"LOG": LOG.name, "MINE": "yes"}
    body = models.CreateFunctionInput(function_name=name, **settings)
    return fc.create_function(models.CreateFunctionRequest(body=body)).body


def invoke(name, event, kind="Sync", task=None, sdk=fc, **headers):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    headers = models.InvokeFunctionHeaders(x_fc_invocation_type=kind, x_fc_async_task_id=task, common_headers=headers)
    request = models.InvokeFunctionRequest(body=body)
    answer = sdk.invoke_function_with_options(name, request, headers, RuntimeOptions())
    return answer.status_code, {key.lower(): value for key, value in answer.headers.items()}, answer.body.read()


def fails(action, code, status):
    error = refused(action, Exception)
    found = getattr(error, "code", None), getattr(error, "status_code", None) or getattr(error, "data", {}).get("statusCode")
    assert (found[0], int(found[1])) == (code, status), (found, error)


# Functions: created, read, updated, listed, deleted.
created = create("worker")
assert created.function_name == "worker" and created.state == "Active", created
fails(lambda: create("worker"), "FunctionAlreadyExists", 409)
fails(lambda: create("1st"), "InvalidArgument", 400)
fails(lambda: create("slow", timeout=90000), "InvalidArgument", 400)
fails(lambda: fc.get_function("none", models.GetFunctionRequest()), "FunctionNotFound", 404)
assert fc.get_function("worker", models.GetFunctionRequest()).body.memory_size == 512
fc.update_function("worker", models.UpdateFunctionRequest(body=models.UpdateFunctionInput(memory_size=1024)))
assert fc.get_function("worker", models.GetFunctionRequest()).body.memory_size == 1024
create("worker2")
names = [function.function_name for function in fc.list_functions(models.ListFunctionsRequest(prefix="worker")).body.functions]
assert names == ["worker", "worker2"], names
fc.delete_function("worker2")
fails(lambda: invoke("worker2", {}), "FunctionNotFound", 404)

# Code from OSS, with its checksum; another zip; pages.
bucket = oss2.Bucket(oss2.AuthV4("testAccessKeyId", "testAccessKeySecret"), os.environ["OSS"], "jl-code", region=os.environ["REGION"])
bucket.create_bucket()
stored = bucket.put_object("code/worker.zip", base64.b64decode(CODE))


def from_oss(name, key, checksum=None):
    code = models.InputCodeLocation(oss_bucket_name="jl-code", oss_object_name=key, checksum=checksum)
    body = models.CreateFunctionInput(function_name=name, runtime="custom.debian12", handler="x", code=code, environment_variables={"LOG": LOG.name})
    return fc.create_function(models.CreateFunctionRequest(body=body)).body


assert from_oss("stored", "code/worker.zip", str(stored.crc)).code_checksum == str(stored.crc)
assert json.loads(invoke("stored", {"mark": "stored"})[2])["event"] == {"mark": "stored"}
fails(lambda: from_oss("other", "code/worker.zip", "1"), "InvalidArgument", 400)
fails(lambda: from_oss("other", "code/none.zip"), "InvalidArgument", 400)
fails(lambda: create("bad", code=models.InputCodeLocation(zip_file=base64.b64encode(b"no zip").decode())), "InvalidArgument", 400)
update = models.UpdateFunctionInput(code=models.InputCodeLocation(zip_file=package("#!/bin/sh\nexec python3 $FC_FUNC_CODE_PATH/main.py\n", "main.py")))
fc.update_function("stored", models.UpdateFunctionRequest(body=update))
assert json.loads(invoke("stored", {"mark": "updated"})[2])["event"] == {"mark": "updated"}
for index in range(3):
    create(f"page{index}")
listed, token = [], None
while token is not None or not listed:
    page = fc.list_functions(models.ListFunctionsRequest(prefix="page", limit=2, next_token=token)).body
    listed.append([function.function_name for function in page.functions])
    token = page.next_token
assert listed == [["page0", "page1"], ["page2"]], listed

# Synchronous invocations: what a function is told, and what it can say.
status, headers, body = invoke("worker", {"do": "environment"})
told = json.loads(body)
assert status == 200 and "x-fc-request-id" in headers and "x-fc-error-type" not in headers, headers
assert told["environment"]["FC_FUNCTION_NAME"] == "worker" and told["environment"]["MINE"] == "yes"
assert told["headers"]["x-fc-request-id"] == headers["x-fc-request-id"]
assert told["headers"]["x-fc-control-path"] == "/invoke" and told["headers"]["x-fc-account-id"] == os.environ["ACCOUNT"]
status, headers, body = invoke("worker", {"do": "status"})
assert (status, body, headers.get("x-fc-error-type")) == (200, b"teapot", None)
status, headers, body = invoke("worker", {"do": "fail"})
assert (status, body, headers["x-fc-error-type"]) == (200, b"no", "HandledInvocationError")
pid = json.loads(invoke("worker", {})[2])["pid"]
assert pid == told["pid"], "an instance is used again"
status, headers, body = invoke("worker", {"do": "crash"})
assert status == 200 and headers["x-fc-error-type"] == "UnhandledInvocationError", headers
assert json.loads(invoke("worker", {})[2])["pid"] != pid, "a new instance after a crash"
fails(lambda: invoke("worker", {"do": "headers"}), "BadResponse", 502)
fails(lambda: invoke("worker", b" " * (32 * 1024 * 1024 + 1)), "EntityTooLarge", 400)
create("short", timeout=1)
status, headers, body = invoke("short", {"do": "sleep", "seconds": 20})
assert headers["x-fc-error-type"] == "UnhandledInvocationError" and b"timed out" in body, body

# Concurrency: an instance each, or several requests in one; frozen between requests.
pids = at_once(3, lambda _: json.loads(invoke("worker", {"do": "sleep", "seconds": 0.5})[2])["pid"])
assert len(set(pids)) == 3, pids
create("shared", instance_concurrency=10)
first = json.loads(invoke("shared", {})[2])["pid"]
pids = at_once(10, lambda _: json.loads(invoke("shared", {"do": "sleep", "seconds": 0.3})[2])["pid"])
assert set(pids) == {first}, pids


def state(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"


until(lambda: state(first) == "T")
emulator("clock", {"advance_ms": 10 * 60 * 1000})
until(lambda: state(first) in ("gone", "Z"))

# Asynchronous invocations.
status, headers, body = invoke("worker", {"mark": "once"}, "Async", "task_1")
assert (status, body, headers["x-fc-async-task-id"]) == (202, b"", "task_1"), headers
until(lambda: len(seen("once")) == 1)
fails(lambda: invoke("worker", b" " * (128 * 1024 + 1), "Async"), "EntityTooLarge", 400)
fails(lambda: invoke("worker", {}, "Async", "1 task"), "InvalidArgument", 400)


def configure(name, **settings):
    fc.put_async_invoke_config(name, models.PutAsyncInvokeConfigRequest(body=models.PutAsyncInvokeConfigInput(**settings)))


def destination(name):
    return models.Destination(destination=f"acs:fc:{os.environ['REGION']}:{os.environ['ACCOUNT']}:functions/{name}")


fails(lambda: fc.get_async_invoke_config("worker", models.GetAsyncInvokeConfigRequest()), "AsyncConfigNotExists", 404)
fails(lambda: configure("worker", max_async_retry_attempts=9), "InvalidArgument", 400)
create("told")
ends = models.DestinationConfig(on_success=destination("told"), on_failure=destination("told"))
configure("worker", async_task=True, max_async_retry_attempts=2, max_async_event_age_in_seconds=3600, destination_config=ends)
config = fc.get_async_invoke_config("worker", models.GetAsyncInvokeConfigRequest()).body
assert config.async_task and config.max_async_retry_attempts == 2


def endings():
    with open(LOG.name) as log:
        return {entry["event"]["requestPayload"]: entry["event"]["requestContext"] for entry in map(json.loads, log) if "requestContext" in entry.get("event", {})}


invoke("worker", {"mark": "fails", "do": "fail"}, "Async", "task_2")
fails(lambda: invoke("worker", {"mark": "twice"}, "Async", "task_2"), "AsyncTaskAlreadyExists", 409)
payload = json.dumps({"mark": "fails", "do": "fail"})
until(lambda: payload in endings())
assert len(seen("fails")) == 3 and endings()[payload]["approximateInvokeCount"] == 3
assert len({entry["request"] for entry in seen("fails")}) == 1, "a retry has the same request id"
task = fc.get_async_task("worker", "task_2", models.GetAsyncTaskRequest()).body
assert task.status == "Failed", task
invoke("worker", {"mark": "works"}, "Async", "task_3")
until(lambda: json.dumps({"mark": "works"}) in endings())
assert fc.get_async_task("worker", "task_3", models.GetAsyncTaskRequest()).body.status == "Succeeded"
tasks = lambda **asked: [task.task_id for task in fc.list_async_tasks("worker", models.ListAsyncTasksRequest(**asked)).body.tasks]
assert tasks() == ["task_2", "task_3"] and tasks(status="Failed") == ["task_2"] and tasks(prefix="task_3") == ["task_3"]
fails(lambda: fc.get_async_task("worker", "none", models.GetAsyncTaskRequest()), "AsyncTaskNotFound", 404)

# A race for a task id.
def submit(_):
    try:
        return invoke("worker", {"mark": "race"}, "Async", "task_race", client())[0]
    except Exception as error:
        return error.code


assert sorted(map(str, at_once(16, submit))) == ["202"] + ["AsyncTaskAlreadyExists"] * 15

# Delay and age, by the emulator's clock.
invoke("worker", {"mark": "later"}, "Async", "task_later", **{"x-fc-async-delay": "3000"})
invoke("worker", {"mark": "late", "do": "fail"}, "Async", "task_late")
until(lambda: len(seen("late")) >= 1)
assert seen("later") == []
emulator("clock", {"advance_ms": 3000 * 1000})
until(lambda: len(seen("later")) == 1)

# Faults: duplicates, deliveries that wait, a system error, functions down, an answer that is lost.
rule = {"service": "function_compute", "target": "told", "times": 1}
emulator("faults", {**rule, "operation": "Deliver", "action": "duplicate", "copies": 2})
invoke("told", {"mark": "thrice"}, "Async")
until(lambda: len(seen("thrice")) == 3)
emulator("faults", {**rule, "operation": "Deliver", "action": "delay", "ms": 3600 * 1000})
invoke("told", {"mark": "order", "n": 1}, "Async")
until(lambda: all(rule["times"] == 0 for rule in emulator("faults")))
invoke("told", {"mark": "order", "n": 2}, "Async")
until(lambda: len(seen("order")) == 1)
emulator("clock", {"advance_ms": 3600 * 1000})
until(lambda: len(seen("order")) == 2)
assert [entry["event"]["n"] for entry in seen("order")] == [2, 1]
emulator("faults", {**rule, "operation": "Deliver", "times": 5, "action": "error", "status": 500, "code": "InternalServerError"})
invoke("told", {"mark": "system"}, "Async")
for _ in range(5):
    time.sleep(0.1)
    emulator("clock", {"advance_ms": 60 * 1000})
until(lambda: len(seen("system")) == 1)
emulator("faults", {**rule, "operation": "InvokeFunction", "times": None, "for_ms": 60_000, "action": "error", "status": 503, "code": "ServiceUnavailable"})
fails(lambda: invoke("told", {"mark": "down"}, "Async"), "ServiceUnavailable", 503)
emulator("clock", {"advance_ms": 60_000})
invoke("told", {"mark": "up"}, "Async")
emulator("faults", {**rule, "operation": "InvokeFunction", "action": "drop_after"})
refused(lambda: invoke("told", {"mark": "lost"}, "Async"), Exception)
until(lambda: len(seen("lost")) == 1 and len(seen("up")) == 1)
assert seen("down") == []

# Errors, as the SDK tells them apart; and answers that come damaged of events that were taken all the same.
for status, code in ((403, "AccessDenied"), (404, "FunctionNotFound"), (413, "EntityTooLarge"), (429, "ResourceExhausted"), (500, "InternalServerError")):
    emulator("faults", {**rule, "operation": "InvokeFunction", "action": "error", "status": status, "code": code, "message": "m"})
    fails(lambda: invoke("told", {"mark": "refused"}, "Async"), code, status)
assert seen("refused") == []
for part, at, begins in (("truncated", 6, b'{"even'), ("body", 2, b'{"dvent": ')):
    emulator("faults", {**rule, "operation": "InvokeFunction", "action": "corrupt", "part": part, "at": at})
    status, _, body = invoke("told", {"mark": part})
    assert status == 200 and body[:10] == begins and len(seen(part)) == 1, body
emulator("faults", {**rule, "operation": "InvokeFunction", "action": "corrupt", "part": "cut"})
refused(lambda: invoke("told", {"mark": "cut"}), Exception)
assert len(seen("cut")) == 1
emulator("clock", {"skew_ms": 20 * 60 * 1000})
fails(lambda: invoke("told", {"mark": "skewed"}, "Async"), "AccessDenied", 403)
emulator("clock", {"skew_ms": 0})

configure("told", max_async_retry_attempts=1)
fc.delete_async_invoke_config("told", models.DeleteAsyncInvokeConfigRequest())
fails(lambda: fc.delete_async_invoke_config("told", models.DeleteAsyncInvokeConfigRequest()), "AsyncConfigNotExists", 404)

# Keys: of nobody, with another secret, of a role.
fails(lambda: invoke("worker", {}, sdk=client("wrong")), "SignatureNotMatch", 403)
fails(lambda: invoke("worker", {}, sdk=client(key="nobody")), "InvalidAccessKeyID", 403)


def taken(using):
    task = f"of_a_role_{time.monotonic_ns()}"
    assert invoke("worker", {}, "Async", task, using)[0] == 202
    fails(lambda: invoke("worker", {}, "Async", task, using), "AsyncTaskAlreadyExists", 409)
    assert using.get_function("worker", models.GetFunctionRequest()).body.function_name == "worker"


def denied(code):
    return lambda action: fails(action, code, 403)


codes = ("MissingSecurityToken", "InvalidSecurityToken", "InvalidSecurityToken.Expired")
check.temporary(f"http://{ENDPOINT}", lambda key, secret, token: client(secret, key, token), taken, [denied(code) for code in codes])

# Functions of a role sign with what they are given, and the environment's credentials are a role's as well.
role = f"acs:ram::{os.environ['ACCOUNT']}:role/worker"
create("of_role", role=role)
told = json.loads(invoke("of_role", {"do": "environment"})[2])
given = [told["environment"][f"ALIBABA_CLOUD_{name}"] for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")]
taken(client(given[1], given[0], given[2]))
given = [told["headers"][f"x-fc-{name}"] for name in ("access-key-id", "access-key-secret", "security-token")]
taken(client(given[1], given[0], given[2]))
