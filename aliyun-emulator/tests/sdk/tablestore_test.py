"""Alibaba's Python SDK for TableStore, with both signatures, against the emulator."""

import json
import logging
import os
import urllib.request

from check import at_once, refused


logging.disable(logging.CRITICAL)
from tablestore import (
    INF_MAX,
    INF_MIN,
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


def client(secret="testAccessKeySecret", key="testAccessKeyId", **options):
    return OTSClient(ENDPOINT, key, secret, "jlinst", **options)


def emulator(path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ENDPOINT}/_emulator/{path}", data, method=method)
    return json.load(urllib.request.urlopen(request))


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
    for part in (tables, rows, conditions, races, batches, faults, expiry):
        part(ots, f"{part.__name__}_{version}")
    signatures(options)
