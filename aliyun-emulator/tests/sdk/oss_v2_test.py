"""Alibaba's second Python SDK for OSS, which signs and checks checksums by itself."""

import functools
import os

import alibabacloud_oss_v2 as oss
import check
from check import at_once, refused

BUCKET = "jl-second"


emulator = functools.partial(check.emulator, os.environ["OSS"])


def client(secret="testAccessKeySecret", key="testAccessKeyId", token=None):
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(key, secret, token)
    config.region = os.environ["REGION"]
    config.endpoint = os.environ["OSS"]
    config.use_path_style = True
    config.retry_max_attempts = 1
    return oss.Client(config)


def code(error):
    found = error.unwrap() if hasattr(error, "unwrap") else error
    return found.status_code, found.code


def fails(action, expected):
    error = refused(action, oss.exceptions.OperationError)
    assert code(error) == expected, error


objects = client()
objects.put_bucket(oss.PutBucketRequest(bucket=BUCKET))


def put(key, body):
    return objects.put_object(oss.PutObjectRequest(bucket=BUCKET, key=key, body=body, forbid_overwrite="true"))


assert put("a/b c", b"hello").status_code == 200
fails(lambda: put("a/b c", b"other"), (409, "FileAlreadyExists"))
got = objects.get_object(oss.GetObjectRequest(bucket=BUCKET, key="a/b c"))
assert got.body.content == b"hello"
part = objects.get_object(oss.GetObjectRequest(bucket=BUCKET, key="a/b c", range_header="bytes=1-2"))
assert part.body.content == b"el" and part.status_code == 206
fails(lambda: objects.get_object(oss.GetObjectRequest(bucket=BUCKET, key="a/b c", range_header="bytes=9-", range_behavior="standard")), (416, "InvalidRange"))
assert objects.head_object(oss.HeadObjectRequest(bucket=BUCKET, key="a/b c")).content_length == 5
fails(lambda: objects.get_object(oss.GetObjectRequest(bucket=BUCKET, key="none")), (404, "NoSuchKey"))


def claim(index):
    try:
        put("claim", str(index))
        return True
    except oss.exceptions.OperationError as error:
        assert code(error) == (409, "FileAlreadyExists"), error
        return False


assert at_once(32, claim).count(True) == 1
listed = objects.list_objects_v2(oss.ListObjectsV2Request(bucket=BUCKET, max_keys=1))
assert [found.key for found in listed.contents] == ["a/b c"] and listed.is_truncated

# Page by page, as long as there is more.
for index in range(11):
    put(f"list/{index:02}", b"x")
pages, token = [], None
while True:
    page = objects.list_objects_v2(oss.ListObjectsV2Request(bucket=BUCKET, prefix="list/", max_keys=4, continuation_token=token))
    pages.append([found.key for found in page.contents])
    token = page.next_continuation_token
    assert page.is_truncated == (token is not None)
    if token is None:
        break
assert pages == [[f"list/{index:02}" for index in part] for part in (range(4), range(4, 8), range(8, 11))], pages
again = oss.ListObjectsV2Request(bucket=BUCKET, prefix="list/", start_after="list/08")
assert [found.key for found in objects.list_objects_v2(again).contents] == ["list/09", "list/10"]
fails(lambda: objects.list_objects_v2(oss.ListObjectsV2Request(bucket=BUCKET, max_keys=1001)), (400, "InvalidArgument"))
many = oss.DeleteMultipleObjectsRequest(bucket=BUCKET, objects=[oss.DeleteObject(key=key) for page in pages for key in page])
assert [done.key for done in objects.delete_multiple_objects(many).deleted_objects] == sum(pages, [])
for _ in range(2):
    assert objects.delete_object(oss.DeleteObjectRequest(bucket=BUCKET, key="list/00")).status_code == 204

# Damaged and refused.
rule = dict(service="oss", operation="GetObject", target=f"{BUCKET}/a/b c", times=1)
for status, code_of in ((403, "AccessDenied"), (429, "QpsLimitExceeded"), (500, "InternalError")):
    emulator("faults", {**rule, "action": "error", "status": status, "code": code_of})
    fails(lambda: objects.get_object(oss.GetObjectRequest(bucket=BUCKET, key="a/b c")), (status, code_of))
emulator("faults", {**rule, "operation": "PutObject", "target": f"{BUCKET}/damaged", "action": "corrupt", "part": "digest"})
error = refused(lambda: put("damaged", b"hello"), oss.exceptions.OperationError)
assert "crc" in str(error).lower(), error

keys = [oss.DeleteObject(key="damaged"), oss.DeleteObject(key="a/b c"), oss.DeleteObject(key="claim")]
objects.delete_multiple_objects(oss.DeleteMultipleObjectsRequest(bucket=BUCKET, objects=keys))
assert not objects.list_objects_v2(oss.ListObjectsV2Request(bucket=BUCKET)).contents
fails(lambda: client("wrong").get_object(oss.GetObjectRequest(bucket=BUCKET, key="x")), (403, "SignatureDoesNotMatch"))


def taken(using):
    get = oss.GetObjectRequest(bucket=BUCKET, key="of a role")
    using.put_object(oss.PutObjectRequest(bucket=BUCKET, key="of a role", body=b"hello"))
    assert using.get_object(get).body.content == b"hello"
    assert using.list_objects_v2(oss.ListObjectsV2Request(bucket=BUCKET)).key_count == 1
    using.delete_object(oss.DeleteObjectRequest(bucket=BUCKET, key="of a role"))


codes = ("InvalidAccessKeyId", "InvalidSecurityToken", "SecurityTokenExpired")
refusals = [functools.partial(lambda expected, action: fails(action, (403, expected)), expected) for expected in codes]
check.temporary(os.environ["OSS"], lambda key, secret, token: client(secret, key, token), taken, refusals)
