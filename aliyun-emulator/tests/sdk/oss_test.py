"""Alibaba's first Python SDK for OSS: V4, and V1 where the emulator takes it."""

import functools
import os
import socket

import check
import oss2
from check import at_once, refused

ENDPOINT = os.environ["OSS"]
REGION = os.environ["REGION"]
emulator = functools.partial(check.emulator, ENDPOINT)
V1 = os.environ["OSS_V1"] == "on"


def bucket(name="jl-bucket", secret="testAccessKeySecret", key="testAccessKeyId", region=REGION, v1=False, endpoint=ENDPOINT):
    auth = oss2.Auth(key, secret) if v1 else oss2.AuthV4(key, secret)
    return oss2.Bucket(auth, endpoint, name, region=None if v1 else region, connect_timeout=10)


def faulty(objects):
    """Errors as an SDK tells them apart, and objects that come damaged, which it notices by their CRC-64."""
    objects.create_bucket()
    objects.put_object("x", b"hello" * 100)
    rule = dict(service="oss", operation="GetObject", target=f"{objects.bucket_name}/x", times=1)
    answer = dict(action="error", message="m")
    for status, code in ((403, "AccessDenied"), (413, "EntityTooLarge"), (429, "QpsLimitExceeded"), (500, "InternalError"), (503, "ServiceUnavailable")):
        emulator("faults", {**rule, **answer, "status": status, "code": code})
        refused(lambda: objects.get_object("x"), oss2.exceptions.ServerError, status=status, code=code)
    damage = {**rule, "action": "corrupt"}
    # Of an object that is read to its end.
    for part in ("body", "digest", "truncated"):
        emulator("faults", {**damage, "part": part})
        got = objects.get_object("x")
        got.read()
        assert got.client_crc != got.server_crc, part
        refused(lambda: oss2.utils.check_crc("get", got.client_crc, got.server_crc, got.request_id), oss2.exceptions.InconsistentError)
    emulator("faults", {**damage, "part": "cut"})
    refused(lambda: objects.get_object("x").read(), Exception)
    got = objects.get_object("x")
    assert got.read() == b"hello" * 100 and got.client_crc == got.server_crc
    # What was written although the answer says otherwise, and is found again.
    emulator("faults", {**rule, "operation": "PutObject", "action": "error_after", "status": 500, "code": "InternalError", "target": None})
    absent = {"x-oss-forbid-overwrite": "true"}
    refused(lambda: objects.put_object("lost", b"1", headers=absent), oss2.exceptions.ServerError, status=500)
    refused(lambda: objects.put_object("lost", b"1", headers=absent), oss2.exceptions.ServerError, status=409, code="FileAlreadyExists")
    emulator("clock", {"skew_ms": -20 * 60 * 1000})
    refused(lambda: objects.get_object("x"), oss2.exceptions.ServerError, status=403, code="RequestTimeTooSkewed")
    emulator("clock", {"skew_ms": 0})
    for key in ("x", "lost"):
        objects.delete_object(key)
    objects.delete_bucket()


def limits(objects):
    """The most that is taken, and one more."""
    for name in ("ab", "a" * 64, "Upper", "-a-b", "a-b-"):
        # The SDK has the same rule, and would not send it.
        refused(lambda: bucket(name).create_bucket(), (oss2.exceptions.ClientError, oss2.exceptions.ServerError))
    objects.create_bucket()
    objects.create_bucket()
    objects.put_object("k" * 1023, b"x")
    refused(lambda: objects.put_object("k" * 1024, b"x"), oss2.exceptions.ServerError, status=400, code="InvalidObjectName")
    refused(lambda: objects.list_objects_v2(max_keys=1001), oss2.exceptions.ServerError, status=400, code="InvalidArgument")
    refused(lambda: objects.put_object("x", b"x", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}), oss2.exceptions.ServerError, status=400, code="InvalidDigest")
    objects.batch_delete_objects([f"none{index}" for index in range(1000)])
    refused(lambda: objects.batch_delete_objects([f"none{index}" for index in range(1001)]), oss2.exceptions.ServerError, status=400, code="MalformedXML")
    assert objects.get_object("k" * 1023, byte_range=(0, 99)).read() == b"x"
    objects.delete_object("k" * 1023)
    objects.delete_bucket()


def tokens(version):
    def connect(key, secret, token):
        auth = oss2.StsAuth(key, secret, token, auth_version=version) if token else {"v4": oss2.AuthV4, "v1": oss2.Auth}[version](key, secret)
        return oss2.Bucket(auth, ENDPOINT, "jl-tokens", region=REGION if version == "v4" else None)

    def taken(objects):
        objects.create_bucket()
        objects.put_object("ü b", b"hello", headers={"Content-Type": "text/plain"})
        assert objects.get_object("ü b").read() == b"hello"
        assert [found.key for found in objects.list_objects_v2(prefix="ü").object_list] == ["ü b"]
        assert objects.batch_delete_objects(["ü b"]).deleted_keys == ["ü b"]
        objects.delete_object("ü b")

    def denied(code):
        return lambda action: refused(action, oss2.exceptions.ServerError, status=403, code=code)

    codes = ("InvalidAccessKeyId", "InvalidSecurityToken", "SecurityTokenExpired")
    check.temporary(ENDPOINT, connect, taken, [denied(code) for code in codes])
    # A key that has no token is not taken with one.
    issued = emulator("credentials", {"valid_s": 1000})
    denied("InvalidAccessKeyId")(lambda: taken(connect("testAccessKeyId", "testAccessKeySecret", issued["SecurityToken"])))


def everything(objects):
    objects.create_bucket()
    absent = {"x-oss-forbid-overwrite": "true"}
    key = "run/ü b+c%.json"
    put = objects.put_object(key, b"hello", headers={**absent, "Content-Type": "application/json", "x-oss-meta-of": "w1"})
    assert put.status == 200 and put.etag == "5D41402ABC4B2A76B9719D911017C592", put.etag
    refused(lambda: objects.put_object(key, b"other", headers=absent), oss2.exceptions.ServerError, status=409, code="FileAlreadyExists")
    got = objects.get_object(key)
    assert got.read() == b"hello" and got.headers["content-type"] == "application/json"
    assert got.headers["x-oss-meta-of"] == "w1"
    assert objects.get_object(key, byte_range=(1, 3)).read() == b"ell"
    assert objects.get_object(key, byte_range=(None, 2)).read() == b"lo"
    head = objects.head_object(key)
    assert head.content_length == 5 and head.etag == put.etag
    assert objects.object_exists(key) and not objects.object_exists("none")
    refused(lambda: objects.get_object("none"), oss2.exceptions.NoSuchKey, status=404)
    refused(lambda: objects.get_object("short", headers={"Content-MD5": "x"}), oss2.exceptions.ServerError, status=400)

    def claim(index):
        try:
            objects.put_object("claim", str(index), headers=absent)
            return index
        except oss2.exceptions.ServerError as error:
            assert (error.status, error.code) == (409, "FileAlreadyExists"), error
            return None

    won = [index for index in at_once(32, claim) if index is not None]
    assert len(won) == 1 and objects.get_object("claim").read() == str(won[0]).encode()

    for index in range(25):
        objects.put_object(f"list/{index % 5}/<{index:02}>", b"x")
    listed = [found.key for found in oss2.ObjectIteratorV2(objects, prefix="list/", max_keys=7)]
    assert listed == sorted(f"list/{index % 5}/<{index:02}>" for index in range(25)), listed
    page = objects.list_objects_v2(prefix="list/", delimiter="/", max_keys=3)
    assert page.prefix_list == ["list/0/", "list/1/", "list/2/"] and page.is_truncated
    page = objects.list_objects_v2(prefix="list/", delimiter="/", continuation_token=page.next_continuation_token)
    assert page.prefix_list == ["list/3/", "list/4/"] and not page.is_truncated
    deleted = objects.batch_delete_objects(listed).deleted_keys
    assert sorted(deleted) == listed
    assert objects.list_objects_v2(prefix="list/").object_list == []
    objects.delete_object(key)
    objects.delete_object(key)
    assert not objects.object_exists(key)

    config = oss2.models.BucketVersioningConfig(oss2.BUCKET_VERSIONING_ENABLE)
    objects.put_bucket_versioning(config)
    assert objects.get_bucket_versioning().status == "Enabled"
    objects.put_object("claim", b"again", headers=absent)
    assert objects.get_object("claim").read() == b"again"

    refused(lambda: bucket("jl-none").get_object("x"), oss2.exceptions.NoSuchBucket, status=404)
    refused(objects.delete_bucket, oss2.exceptions.ServerError, status=409, code="BucketNotEmpty")
    objects.delete_object("claim")
    objects.delete_bucket()


everything(bucket())
faulty(bucket())
limits(bucket())
tokens("v4")

# The bucket in the name of the host, as the service itself has it.
look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: look_up("127.0.0.1" if host.endswith(".localhost") else host, *rest, **named)
by_host = bucket("jl-by-host", endpoint=ENDPOINT.replace("127.0.0.1", f"oss-{REGION}.localhost"))
everything(by_host)
assert by_host._make_url("jl-by-host", "x").startswith("http://jl-by-host.oss-")
wrong = dict(status=403, code="SignatureDoesNotMatch")
refused(lambda: bucket(secret="wrong").get_object("x"), oss2.exceptions.ServerError, **wrong)
refused(lambda: bucket(key="nobody").get_object("x"), oss2.exceptions.ServerError, status=403, code="InvalidAccessKeyId")
refused(lambda: bucket(region="cn-nowhere").get_object("x"), oss2.exceptions.ServerError, status=400)
if V1:
    everything(bucket(v1=True))
    tokens("v1")
    refused(lambda: bucket(secret="wrong", v1=True).get_object("x"), oss2.exceptions.ServerError, **wrong)
else:
    refused(lambda: bucket(v1=True).get_object("x"), oss2.exceptions.ServerError, status=400, code="InvalidArgument")
