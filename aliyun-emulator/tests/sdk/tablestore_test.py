"""Alibaba's Python SDK for TableStore, with both signatures, against the emulator."""

import functools
import logging
import os
import struct

import check
from check import at_once, refused

logging.disable(logging.CRITICAL)
from tablestore import (
    INF_MAX,
    INF_MIN,
    PK_AUTO_INCR,
    BatchGetRowRequest,
    BatchWriteRowRequest,
    CapacityUnit,
    ComparatorType,
    CompositeColumnCondition,
    Condition,
    DeleteRowItem,
    Direction,
    LogicalOperator,
    OTSClient,
    OTSClientError,
    OTSServiceError,
    PutRowItem,
    ReservedThroughput,
    ReturnType,
    Row,
    RowExistenceExpectation,
    SingleColumnCondition,
    TableInBatchGetRowItem,
    TableInBatchWriteRowItem,
    TableMeta,
    TableOptions,
    UpdateRowItem,
)

ENDPOINT = os.environ["TABLESTORE"]
REGION = os.environ["REGION"]
ABSENT = Condition(RowExistenceExpectation.EXPECT_NOT_EXIST)
PRESENT = Condition(RowExistenceExpectation.EXPECT_EXIST)
ANY = Condition(RowExistenceExpectation.IGNORE)
FAILED = dict(get_http_status=403, get_error_code="OTSConditionCheckFail")


def client(secret="testAccessKeySecret", key="testAccessKeyId", instance="jlinst", **options):
    return OTSClient(ENDPOINT, key, secret, instance, **options)


emulator = functools.partial(check.emulator, ENDPOINT)


def create(ots, table, key=(("pk", "STRING"),), ttl=-1, versions=1):
    options = TableOptions(ttl, versions)
    ots.create_table(TableMeta(table, list(key)), options, ReservedThroughput(CapacityUnit(0, 0)))


def tables(ots, table):
    create(ots, table)
    assert table in ots.list_table()
    described = ots.describe_table(table)
    assert described.table_meta.schema_of_primary_key == [("pk", "STRING")], described.table_meta.schema_of_primary_key
    assert described.table_options.max_version == 1
    ots.update_table(table, TableOptions(86400, 2))
    assert ots.describe_table(table).table_options.time_to_live == 86400
    refused(lambda: create(ots, table), OTSServiceError, get_http_status=409, get_error_code="OTSObjectAlreadyExist")
    refused(lambda: create(ots, "short", ttl=60), OTSServiceError, get_http_status=400, get_error_code="OTSParameterInvalid")
    ots.delete_table(table)
    gone = dict(get_http_status=404, get_error_code="OTSObjectNotExist")
    refused(lambda: ots.describe_table(table), OTSServiceError, **gone)
    refused(lambda: ots.put_row(table, Row([("pk", "a")], []), ANY), OTSServiceError, **gone)


def rows(ots, table):
    create(ots, table)
    key = [("pk", "w1#n3")]
    columns = [("b", bytearray(b"\x00\xff")), ("f", 0.5), ("n", 5), ("t", "dönè"), ("yes", True)]
    _, returned = ots.put_row(table, Row(key, columns), ABSENT, ReturnType.RT_PK)
    assert returned.primary_key == key, returned.primary_key
    failed = dict(get_http_status=403, get_error_code="OTSConditionCheckFail")
    refused(lambda: ots.put_row(table, Row(key, columns), ABSENT), OTSServiceError, **failed)
    _, row, _ = ots.get_row(table, key, max_version=1)
    assert [(name, value) for name, value, _ in row.attribute_columns] == columns, row.attribute_columns
    _, row, _ = ots.get_row(table, key, columns_to_get=["n"], max_version=1)
    assert [name for name, _, _ in row.attribute_columns] == ["n"]
    _, row, _ = ots.get_row(table, [("pk", "none")], max_version=1)
    assert row is None
    refused(lambda: ots.get_row(table, key, max_version=-1), OTSServiceError, get_error_code="OTSParameterInvalid")
    refused(lambda: ots.put_row(table, Row([("pk", 1)], []), ANY), OTSServiceError, get_error_code="OTSInvalidPK")
    refused(lambda: ots.put_row(table, Row([("pk", "x" * 1025)], []), ANY), OTSServiceError, get_http_status=400)
    refused(lambda: ots.put_row(table, Row(key, [("big", "x" * (2 << 20 | 1))]), ANY), OTSServiceError, get_http_status=400)
    refused(lambda: ots.put_row(table, Row(key, [("1st", 1)]), ANY), OTSServiceError, get_error_code="OTSParameterInvalid")

    ots.put_row(table, Row(key, [("n", 6)]), PRESENT)
    _, row, _ = ots.get_row(table, key, max_version=1)
    assert [(name, value) for name, value, _ in row.attribute_columns] == [("n", 6)]
    ots.update_row(table, Row(key, {"PUT": [("t", "x")], "DELETE_ALL": ["n"]}), PRESENT)
    _, row, _ = ots.get_row(table, key, max_version=1)
    assert [(name, value) for name, value, _ in row.attribute_columns] == [("t", "x")]
    ots.delete_row(table, Row(key), PRESENT)
    refused(lambda: ots.delete_row(table, Row(key), PRESENT), OTSServiceError, **failed)
    ots.delete_row(table, Row(key), ANY)


def conditions(ots, table):
    create(ots, table)
    key = [("pk", "a")]
    ots.put_row(table, Row(key, [("n", 5), ("owner", "x")]), ABSENT)

    def update(test, existence=RowExistenceExpectation.IGNORE):
        ots.update_row(table, Row(key, {"PUT": [("seen", 1)]}), Condition(existence, test))

    def fails(test):
        refused(lambda: update(test), OTSServiceError, get_error_code="OTSConditionCheckFail")

    def column(name, value, comparator, pass_if_missing=False):
        return SingleColumnCondition(name, value, comparator, pass_if_missing)

    update(column("n", 5, ComparatorType.EQUAL))
    fails(column("n", 6, ComparatorType.EQUAL))
    update(column("n", 6, ComparatorType.LESS_THAN))
    fails(column("n", 5, ComparatorType.GREATER_THAN))
    fails(column("none", 5, ComparatorType.EQUAL))
    update(column("none", 5, ComparatorType.EQUAL, True))
    both = CompositeColumnCondition(LogicalOperator.AND)
    both.add_sub_condition(column("n", 5, ComparatorType.EQUAL))
    both.add_sub_condition(column("owner", "y", ComparatorType.EQUAL))
    fails(both)
    neither = CompositeColumnCondition(LogicalOperator.NOT)
    neither.add_sub_condition(both)
    update(neither)
    either = CompositeColumnCondition(LogicalOperator.OR)
    either.add_sub_condition(column("n", 7, ComparatorType.EQUAL))
    either.add_sub_condition(column("owner", "x", ComparatorType.NOT_EQUAL))
    fails(either)
    _, row, _ = ots.get_row(table, key, column_filter=column("n", 6, ComparatorType.EQUAL), max_version=1)
    assert row is None


def races(ots, table):
    create(ots, table)

    def claim(index):
        try:
            ots.put_row(table, Row([("pk", "claim")], [("by", index)]), ABSENT)
            return True
        except OTSServiceError as error:
            assert error.get_error_code() == "OTSConditionCheckFail", error
            return False

    assert at_once(32, claim).count(True) == 1

    def count(_):
        for _ in range(10):
            ots.update_row(table, Row([("pk", "count")], {"INCREMENT": [("n", 1)]}), ANY)

    at_once(16, count)
    _, row, _ = ots.get_row(table, [("pk", "count")], max_version=1)
    assert row.attribute_columns[0][:2] == ("n", 160), row.attribute_columns

    def add(by, condition=ANY):
        return ots.update_row(table, Row([("pk", "count")], {"INCREMENT": [("n", by)]}), condition)

    refused(lambda: add((1 << 63) - 1), OTSServiceError, get_error_code="OTSParameterInvalid")
    ots.update_row(table, Row([("pk", "count")], {"PUT": [("n", "text")]}), ANY)
    refused(lambda: add(1), OTSServiceError, get_error_code="OTSParameterInvalid")


def batches(ots, table):
    create(ots, table, [("pk", "STRING"), ("sk", "INTEGER")])
    keys = [[("pk", "a"), ("sk", index)] for index in range(20)]
    puts = [PutRowItem(Row(key, [("n", key[1][1])]), ABSENT) for key in keys]

    def write(items):
        request = BatchWriteRowRequest()
        request.add(TableInBatchWriteRowItem(table, items))
        return ots.batch_write_row(request)

    assert write(puts).is_all_succeed()
    again = write([*puts[:1], UpdateRowItem(Row(keys[1], {"PUT": [("n", 100)]}), PRESENT), DeleteRowItem(Row(keys[2]), PRESENT)])
    assert not again.is_all_succeed()
    assert [item.error_code for item in again.get_put()[1]] == ["OTSConditionCheckFail"]
    assert again.get_failed_of_update() == [] and again.get_failed_of_delete() == []
    refused(lambda: write([PutRowItem(Row([("pk", "b"), ("sk", index)], []), ANY) for index in range(201)]), OTSServiceError, get_error_code="OTSParameterInvalid")

    request = BatchGetRowRequest()
    request.add(TableInBatchGetRowItem(table, keys[:4], max_version=1))
    read = ots.batch_get_row(request).get_result_by_table(table)
    values = [item.row.attribute_columns[0][1] if item.row else None for item in read]
    assert values == [0, 100, None, 3], values

    start, end = [("pk", "a"), ("sk", INF_MIN)], [("pk", "a"), ("sk", INF_MAX)]
    _, following, page, _ = ots.get_range(table, Direction.FORWARD, start, end, limit=10, max_version=1)
    assert [row.primary_key[1][1] for row in page] == [0, 1, *range(3, 11)]
    assert following == [("pk", "a"), ("sk", 11)]
    _, following, page, _ = ots.get_range(table, Direction.FORWARD, following, end, max_version=1)
    assert [row.primary_key[1][1] for row in page] == list(range(11, 20)) and following is None
    _, _, page, _ = ots.get_range(table, Direction.BACKWARD, end, start, limit=2, max_version=1)
    assert [row.primary_key[1][1] for row in page] == [19, 18]
    _, _, page, _ = ots.get_range(table, Direction.FORWARD, [("pk", "z"), ("sk", INF_MIN)], [("pk", "z"), ("sk", INF_MAX)], max_version=1)
    assert page == []
    refused(lambda: ots.get_range(table, Direction.FORWARD, end, start, max_version=1), OTSServiceError, get_error_code="OTSParameterInvalid")


def single(name, value, comparator=ComparatorType.EQUAL, pass_if_missing=True):
    return SingleColumnCondition(name, value, comparator, pass_if_missing)


def every(*tests):
    composite = CompositeColumnCondition(LogicalOperator.AND)
    for test in tests:
        composite.add_sub_condition(test)
    return composite


def no(test):
    composite = CompositeColumnCondition(LogicalOperator.NOT)
    composite.add_sub_condition(test)
    return composite


def on(test):
    return Condition(RowExistenceExpectation.IGNORE, test)


def columns(ots, table, key):
    _, row, _ = ots.get_row(table, key, max_version=1)
    return None if row is None else {name: value for name, value, _ in row.attribute_columns}


def slots(ots, table):
    """A row of bytes and counters, made once, filled slot by slot, full once: its column is missing where it passes a
    comparison with bytes that no column holds."""
    create(ots, table)
    key = [("pk", "w1#n3")]
    missing = lambda name: single(name, bytearray(b"no column holds this"))

    def make(body):
        put = [("body", body), ("expires_at", 9), ("check_at", 7), ("indexed", 1)]
        ots.update_row(table, Row(key, {"PUT": put}), on(missing("body")))

    body = bytearray(b"\x00\xff\x80body")
    make(body)
    refused(lambda: make(bytearray(b"other")), OTSServiceError, **FAILED)
    assert columns(ots, table, key) == {"body": body, "check_at": 7, "expires_at": 9, "indexed": 1}

    def arrive(slot, ok, key=key, last=False):
        tests = every(missing(f"s{slot}"), missing("closed"), single("filled", 2, ComparatorType.LESS_THAN))
        change = {"PUT": [(f"s{slot}", bytearray(struct.pack("<d", slot)))], "INCREMENT": [("filled", 1), ("ok", ok), ("indexed", 0)]}
        if last:
            change["DELETE_ALL"] = ["check_at"]
        ots.update_row(table, Row(key, change), on(tests))

    arrive(0, 1)
    refused(lambda: arrive(0, 1), OTSServiceError, **FAILED)
    arrive(1, 0, last=True)
    refused(lambda: arrive(2, 1), OTSServiceError, **FAILED)
    found = columns(ots, table, key)
    assert (found["filled"], found["ok"], found["indexed"]) == (2, 1, 1) and "check_at" not in found, found
    assert found["s1"] == bytearray(struct.pack("<d", 1)), found
    # Counters that are added 0 to: there, and 0, where there was nothing.
    arrive(0, 0, key=[("pk", "new")])
    assert columns(ots, table, [("pk", "new")])["indexed"] == 0

    def leave():
        ots.update_row(table, Row(key, {"DELETE_ALL": ["expires_at"]}), on(no(missing("expires_at"))))

    leave()
    refused(leave, OTSServiceError, **FAILED)
    refused(lambda: ots.update_row(table, Row(key, {"PUT": [("x", 1)]}), on(no(missing("x")))), OTSServiceError, **FAILED)
    assert "x" not in columns(ots, table, key)


def index(ots, table):
    """An index by time: entries put again and again, read up to a time page by page, removed as they were seen."""
    create(ots, table, [("shard", "STRING"), ("check_at", "INTEGER"), ("key", "STRING")])

    def entry(at, key, shard="0"):
        return [("shard", shard), ("check_at", at), ("key", key)]

    def enter(at, key, version, shard="0"):
        ots.put_row(table, Row(entry(at, key, shard), [("version", version), ("other", "x")]), ANY)

    for at in range(10):
        enter(at, f"k{at}", at)
    enter(3, "a", 33)
    enter(4, "k4", 44)
    enter(1, "elsewhere", 1, shard="1")

    def page(start, end, limit, direction=Direction.FORWARD, columns=("version",)):
        _, following, rows, _ = ots.get_range(table, direction, start, end, list(columns), limit, max_version=1)
        return [(row.primary_key[2][1], {name: value for name, value, _ in row.attribute_columns}) for row in rows], following

    start, end = entry(INF_MIN, INF_MIN), entry(6, INF_MAX)
    first, following = page(start, end, 3)
    assert first == [("k0", {"version": 0}), ("k1", {"version": 1}), ("k2", {"version": 2})], first
    assert following == entry(3, "a"), following
    rest, following = page(following, end, 1000)
    assert [key for key, _ in rest] == ["a", "k3", "k4", "k5", "k6"] and following is None, (rest, following)
    assert rest[2] == ("k4", {"version": 44})
    # The end of a time is not of it, and rows without the columns that are asked for are not seen.
    assert page(start, entry(6, INF_MIN), 1000)[0][-1][0] == "k5"
    assert page(start, end, 1000, columns=("none",)) == ([], None)
    assert page(start, end, 1000, columns=("version", "other"))[0][0] == ("k0", {"version": 0, "other": "x"})
    back, following = page(entry(6, INF_MAX), start, 2, Direction.BACKWARD)
    assert [key for key, _ in back] == ["k6", "k5"] and following == entry(4, "k4"), (back, following)
    back, following = page(following, start, 1000, Direction.BACKWARD)
    assert [key for key, _ in back] == ["k4", "k3", "a", "k2", "k1", "k0"] and following is None, back
    refused(lambda: page(start, end, 0), OTSServiceError, get_error_code="OTSParameterInvalid")

    def leave(at, key, version):
        ots.delete_row(table, Row(entry(at, key)), on(single("version", version)))

    refused(lambda: leave(4, "k4", 4), OTSServiceError, **FAILED)
    leave(4, "k4", 44)
    leave(4, "k4", 44)
    assert columns(ots, table, entry(4, "k4")) is None
    ots.delete_row(table, Row(entry(5, "k5")), ANY)
    assert [key for key, _ in page(start, end, 1000)[0]] == ["k0", "k1", "k2", "a", "k3", "k6"]

    # Keys in the order of their bytes: what comes right after one.
    after = page(entry(3, "a\0"), end, 1)[0]
    assert [key for key, _ in after] == ["k3"], after


def rows_of_batches(ots, table):
    """What goes wrong with a row of a batch is that row's alone."""
    create(ots, table)
    keys = [[("pk", f"k{index}")] for index in range(4)]
    write = BatchWriteRowRequest()
    write.add(TableInBatchWriteRowItem(table, [PutRowItem(Row(key, [("n", bytearray(b"x"))]), ANY) for key in keys[:3]]))
    assert ots.batch_write_row(write).is_all_succeed()

    def read(of, keys=keys):
        request = BatchGetRowRequest()
        request.add(TableInBatchGetRowItem(of, keys, max_version=1))
        return ots.batch_get_row(request).get_result_by_table(of)

    found = read(table)
    assert [item.is_ok for item in found] == [True] * 4
    assert [item.row and item.row.attribute_columns[0][1] for item in found] == [bytearray(b"x")] * 3 + [None]
    busy = dict(service="tablestore", operation="RowOfBatch", target=table, times=1, skip=1)
    busy |= dict(status=503, code="OTSServerBusy", message="Server is busy.")
    emulator("faults", {**busy, "action": "error"})
    found = read(table)
    assert [item.is_ok for item in found] == [True, False, True, True]
    assert found[1].error_code == "OTSServerBusy" and found[2].row is not None
    emulator("faults", {**busy, "action": "error_after", "code": "OTSTimeout"})
    write = BatchWriteRowRequest()
    write.add(TableInBatchWriteRowItem(table, [DeleteRowItem(Row(key), ANY) for key in keys[:3]]))
    done = ots.batch_write_row(write).get_delete()
    assert [len(part) for part in done] == [2, 1] and done[1][0].error_code == "OTSTimeout"
    assert [item.row for item in read(table)] == [None] * 4
    assert [item.error_code for item in read("none", keys[:2])] == ["OTSObjectNotExist"] * 2
    refused(lambda: read(table, [[("pk", str(index))] for index in range(101)]), OTSServiceError, get_error_code="OTSParameterInvalid")
    assert [item.error_code for item in read(table, [[("pk", 1)], keys[0]])][0] == "OTSInvalidPK"


def refusals(ots, table):
    """Errors that are not of the emulator's making, as an SDK tells them apart; and bodies that are too large."""
    create(ots, table)

    def put(value=1):
        ots.put_row(table, Row([("pk", "a")], [("n", value)]), ANY)

    for status, code in ((403, "OTSNoPermissionAccess"), (413, "OTSRequestBodyTooLarge"), (404, "OTSObjectNotExist"), (500, "OTSInternalServerError")):
        emulator("faults", {"service": "tablestore", "operation": "PutRow", "target": table, "times": 1, "action": "error", "status": status, "code": code, "message": "m"})
        refused(put, OTSServiceError, get_http_status=status, get_error_code=code)
    # Throttled, which the SDK tries again.
    for code in ("OTSRowOperationConflict", "OTSServerBusy", "OTSPartitionUnavailable", "OTSTableNotReady", "OTSNotEnoughCapacityUnit"):
        emulator("faults", {"service": "tablestore", "operation": "PutRow", "target": table, "times": 1, "action": "error", "status": 503, "code": code, "message": "m"})
        put()
    batch = BatchWriteRowRequest()
    large = [PutRowItem(Row([("pk", str(index))], [("n", "x" * (2 << 20))]), ANY) for index in range(3)]
    batch.add(TableInBatchWriteRowItem(table, large))
    refused(lambda: ots.batch_write_row(batch), OTSServiceError, get_http_status=413, get_error_code="OTSRequestBodyTooLarge")


def damage(ots, table):
    """Answers that are damaged, each of which the SDK notices, and the services' clock far from ours."""
    create(ots, table)
    key = [("pk", "a")]
    ots.put_row(table, Row(key, [("n", 5)]), ANY)

    def read():
        return columns(ots, table, key)

    rule = dict(service="tablestore", operation="GetRow", target=table, times=1, action="corrupt")
    for part, said in (("signature", "Invalid signature"), ("digest", "MD5 mismatch"), ("body", "MD5 mismatch"), ("truncated", "MD5 mismatch")):
        emulator("faults", {**rule, "part": part})
        error = refused(read, OTSClientError)
        assert said in str(error), (part, error)
        assert read() == {"n": 5}
    emulator("faults", {**rule, "part": "content"})
    refused(read, Exception)
    emulator("faults", {**rule, "part": "cut"})
    refused(read, Exception)
    assert read() == {"n": 5}
    emulator("clock", {"skew_ms": 20 * 60 * 1000})
    error = refused(read, Exception)
    assert "15 minutes" in str(error) or "OTSAuthFailed" in str(error), error
    emulator("clock", {"skew_ms": 0})
    assert read() == {"n": 5}


def versions(ots, table):
    """Versions of a column, by number and by time; columns from one to another; keys that the table chooses."""
    create(ots, table, versions=3)
    key, now = [("pk", "a")], emulator("clock")["now_ms"]
    for age in range(5):
        ots.update_row(table, Row(key, {"PUT": [("n", age, now - age)]}), ANY)
    ots.update_row(table, Row(key, {"PUT": [("a", 1), ("m", 2), ("z", 3)]}), ANY)

    def read(**view):
        _, row, _ = ots.get_row(table, key, **view)
        return [(name, value) for name, value, _ in row.attribute_columns]

    assert read(columns_to_get=["n"], max_version=9) == [("n", 0), ("n", 1), ("n", 2)], "the newest three are kept"
    assert read(columns_to_get=["n"], max_version=1) == [("n", 0)]
    assert read(columns_to_get=["n"], max_version=9, time_range=(now - 2, now)) == [("n", 1), ("n", 2)]
    assert read(columns_to_get=["n"], time_range=now - 1) == [("n", 1)]
    assert [name for name, _ in read(max_version=1, start_column="m", end_column="z")] == ["m", "n"]
    ots.update_row(table, Row(key, {"DELETE": [("n", None, now)]}), ANY)
    assert read(columns_to_get=["n"], max_version=1) == [("n", 1)]
    ots.update_row(table, Row(key, {"DELETE_ALL": ["n"]}), ANY)
    assert "n" not in [name for name, _ in read(max_version=1)]
    far = now - 2 * 86_400_000
    refused(lambda: ots.update_row(table, Row(key, {"PUT": [("n", 1, far)]}), ANY), OTSServiceError, get_error_code="OTSParameterInvalid")

    create(ots, f"{table}_chosen", [("pk", "STRING"), ("id", "INTEGER", PK_AUTO_INCR)])

    def add(condition=ANY):
        return ots.put_row(f"{table}_chosen", Row([("pk", "a"), ("id", PK_AUTO_INCR)], []), condition, ReturnType.RT_PK)[1].primary_key

    chosen = [key[1][1] for key in at_once(16, lambda _: add())]
    assert len(set(chosen)) == 16, chosen
    refused(lambda: add(ABSENT), OTSServiceError, get_error_code="OTSParameterInvalid")


def limits(ots, table):
    """The most that is taken, and one more."""
    create(ots, table)
    key = [("pk", "a")]
    invalid = dict(get_http_status=400, get_error_code="OTSParameterInvalid")

    def put(columns, key=key):
        ots.put_row(table, Row(key, columns), ANY)

    put([(f"c{index:04}", index) for index in range(1024)])
    refused(lambda: put([(f"c{index:04}", index) for index in range(1025)]), OTSServiceError, get_error_code="OTSOutOfColumnCountLimit")
    put([("t", "x" * (2 << 20))])
    refused(lambda: put([("t", "x" * ((2 << 20) + 1))]), OTSServiceError, **invalid)
    large = [("t", "x" * (2 << 20)), ("u", "x" * (2 << 20))]
    refused(lambda: put(large), OTSServiceError, get_error_code="OTSOutOfRowSizeLimit")
    put([], [("pk", "k" * 1024)])
    refused(lambda: put([], [("pk", "k" * 1025)]), OTSServiceError, **invalid)
    put([("n" * 255, 1)])
    refused(lambda: put([("n" * 256, 1)]), OTSServiceError, **invalid)
    wanted = [f"c{index}" for index in range(129)]
    ots.get_row(table, key, wanted[:128], max_version=1)
    refused(lambda: ots.get_row(table, key, wanted, max_version=1), OTSServiceError, **invalid)
    tests = [single("n", index) for index in range(11)]
    ots.update_row(table, Row(key, {"PUT": [("seen", 1)]}), on(every(*tests[:10])))
    refused(lambda: ots.update_row(table, Row(key, {"PUT": [("seen", 1)]}), on(every(*tests))), OTSServiceError, **invalid)
    refused(lambda: create(ots, f"{table}_keys", [(f"k{index}", "STRING") for index in range(5)]), OTSServiceError, **invalid)
    create(ots, f"{table}_keys", [(f"k{index}", "STRING") for index in range(4)])
    refused(lambda: create(ots, "1st"), OTSServiceError, **invalid)
    refused(lambda: create(ots, f"{table}_none", versions=0), OTSServiceError, **invalid)
    refused(lambda: client(instance="x").list_table(), OTSServiceError, **invalid)
    others = client(instance=f"limits-{table[-2:]}")
    for index in range(64):
        create(others, f"t{index}")
    refused(lambda: create(others, "one_more"), OTSServiceError, get_http_status=403, get_error_code="OTSQuotaExhausted")
    assert "t0" not in ots.list_table()

    # A page of a range ends at 5000 rows.
    for first in range(0, 5001, 200):
        batch = BatchWriteRowRequest()
        items = [PutRowItem(Row([("pk", f"r{index:05}")], []), ANY) for index in range(first, min(first + 200, 5001))]
        batch.add(TableInBatchWriteRowItem(table, items))
        assert ots.batch_write_row(batch).is_all_succeed()
    _, following, rows, _ = ots.get_range(table, Direction.FORWARD, [("pk", "r")], [("pk", "s")], max_version=1)
    assert len(rows) == 5000 and following == [("pk", "r05000")], (len(rows), following)


def tokens(options):
    denied = lambda action: refused(action, OTSServiceError, get_http_status=403, get_error_code="OTSAuthFailed")
    connect = lambda key, secret, token: client(secret, key, sts_token=token, **options)
    check.temporary(ENDPOINT, connect, lambda ots: ots.list_table(), [denied] * 3)


def signatures(options):
    wrong = dict(get_http_status=403, get_error_code="OTSAuthFailed")
    refused(lambda: client(secret="wrong", **options).list_table(), OTSServiceError, **wrong)
    refused(lambda: client(key="nobody", **options).list_table(), OTSServiceError, **wrong)
    if options:
        refused(lambda: client(region="cn-nowhere").list_table(), OTSServiceError, **wrong)


def faults(ots, table):
    create(ots, table)
    rule = dict(service="tablestore", target=table, times=1)

    def put(key):
        ots.put_row(table, Row([("pk", key)], []), ABSENT)

    def exists(key):
        return ots.get_row(table, [("pk", key)], max_version=1)[1] is not None

    answer = dict(operation="PutRow", status=503, code="OTSTimeout", message="Operation timeout.")
    emulator("faults", {**rule, **answer, "action": "error_after"})
    refused(lambda: put("after"), OTSServiceError, get_http_status=503, get_error_code="OTSTimeout")
    assert exists("after")
    emulator("faults", {**rule, **answer, "action": "error"})
    refused(lambda: put("before"), OTSServiceError, get_error_code="OTSTimeout")
    assert not exists("before")
    emulator("faults", {**rule, **answer, "action": "error", "code": "OTSServerBusy"})
    put("busy")
    emulator("faults", {**rule, "operation": "PutRow", "action": "drop_after"})
    refused(lambda: put("dropped"), Exception)
    assert exists("dropped")
    assert emulator("faults") == [] or all(rule["times"] == 0 for rule in emulator("faults"))


def expiry(ots, table):
    create(ots, table, ttl=86400)
    ots.put_row(table, Row([("pk", "a")], [("n", 1)]), ABSENT)
    ots.put_row(table, Row([("pk", "b")], []), ABSENT)
    emulator("clock", {"advance_ms": 86_000_000})
    assert ots.get_row(table, [("pk", "a")], max_version=1)[1] is not None
    emulator("clock", {"advance_ms": 500_000})
    assert ots.get_row(table, [("pk", "a")], max_version=1)[1] is None
    ots.put_row(table, Row([("pk", "b")], []), ABSENT)


for version, options in (("v2", {}), ("v4", {"region": REGION})):
    ots = client(**options)
    for part in (tables, rows, conditions, races, batches, slots, index, rows_of_batches, versions, limits, faults, refusals, damage, expiry):
        part(ots, f"{part.__name__}_{version}")
    signatures(options)
    tokens(options)
