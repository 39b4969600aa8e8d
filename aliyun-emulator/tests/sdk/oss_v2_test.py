"""Alibaba's second Python SDK for OSS, which signs and checks checksums by itself."""

import os

import alibabacloud_oss_v2 as oss
from check import at_once, refused

BUCKET = "jl-second"


def client(secret="testAccessKeySecret"):
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider("testAccessKeyId", secret)
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
keys = [oss.DeleteObject(key="a/b c"), oss.DeleteObject(key="claim")]
objects.delete_multiple_objects(oss.DeleteMultipleObjectsRequest(bucket=BUCKET, objects=keys))
assert not objects.list_objects_v2(oss.ListObjectsV2Request(bucket=BUCKET)).contents
fails(lambda: client("wrong").get_object(oss.GetObjectRequest(bucket=BUCKET, key="x")), (403, "SignatureDoesNotMatch"))
