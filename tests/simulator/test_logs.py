from datetime import UTC, datetime, timedelta

import pytest

from tests.simulator.account import Account

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = 60_000
MILLISECONDS = int(NOON.timestamp() * 1000)


@pytest.fixture
def group(request, shared_account: Account) -> str:
    """A log group with a line a minute from noon on, in the streams `a` and `b` in turn."""
    name = f"/aws/test/{request.node.originalname}"
    for minute in range(6):
        stream = "ab"[minute % 2]
        shared_account.cloud.logs.write(name, f"stream/{stream}", NOON + timedelta(minutes=minute), f"{stream}{minute}")
    return name


async def filtered(account: Account, group: str, **how) -> list[str]:
    answer = await account.ask("logs", "filter_log_events", logGroupName=group, **how)
    return [event["message"] for event in answer["events"]]


async def test_events_of_all_streams_come_in_the_order_of_their_time(shared_account, group):
    assert await filtered(shared_account, group) == ["a0", "b1", "a2", "b3", "a4", "b5"]


async def test_a_time_includes_its_end_for_filters_and_not_for_one_stream(shared_account, group):
    within = {"startTime": MILLISECONDS + 2 * MINUTE, "endTime": MILLISECONDS + 4 * MINUTE}
    assert await filtered(shared_account, group, **within) == ["a2", "b3", "a4"]
    stream = {"logGroupName": group, "logStreamName": "stream/a"}
    answer = await shared_account.ask("logs", "get_log_events", **stream, **within)
    assert [event["message"] for event in answer["events"]] == ["a2"]


async def test_streams_are_chosen_by_name_or_by_the_beginning_of_it(shared_account, group):
    assert await filtered(shared_account, group, logStreamNames=["stream/b"]) == ["b1", "b3", "b5"]
    assert await filtered(shared_account, group, logStreamNamePrefix="stream/a") == ["a0", "a2", "a4"]
    assert await filtered(shared_account, group, logStreamNamePrefix="none") == []


async def test_events_are_filtered_by_terms(shared_account, group):
    for pattern, lines in (
        ("a", ["a0", "a2", "a4"]),
        ("a 2", ["a2"]),
        ("?0 ?5", ["a0", "b5"]),
        ("b -1", ["b3", "b5"]),
        ('"a2"', ["a2"]),
        ("A", []),
    ):
        assert await filtered(shared_account, group, filterPattern=pattern) == lines
    fields = {"logGroupName": group, "filterPattern": "{ $.level = 7 }"}
    assert (await shared_account.refusal("logs", "filter_log_events", **fields))[0] == "InvalidParameterException"


async def test_a_group_is_named_by_name_or_identifier(shared_account, group):
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{group}"
    for identifier in (group, arn):
        answer = await shared_account.ask("logs", "filter_log_events", logGroupIdentifier=identifier)
        assert len(answer["events"]) == 6
    for named in ({}, {"logGroupName": group, "logGroupIdentifier": group}):
        refused = await shared_account.refusal("logs", "describe_log_streams", **named)
        assert refused[0] == "InvalidParameterException"


async def test_streams_are_ordered_by_name_or_by_their_last_event(shared_account, group):
    async def streams(**how) -> list[str]:
        answer = await shared_account.ask("logs", "describe_log_streams", logGroupName=group, **how)
        return [stream["logStreamName"] for stream in answer["logStreams"]]

    assert await streams() == ["stream/a", "stream/b"]
    assert await streams(orderBy="LastEventTime", descending=True, limit=1) == ["stream/b"]
    by_prefix = {"logGroupName": group, "orderBy": "LastEventTime", "logStreamNamePrefix": "stream"}
    refused = await shared_account.refusal("logs", "describe_log_streams", **by_prefix)
    assert refused[0] == "InvalidParameterException"


async def test_pages_follow_each_other_without_a_gap(shared_account, group):
    lines, token = [], {}
    while True:
        page = await shared_account.ask("logs", "filter_log_events", logGroupName=group, limit=4, **token)
        lines.append([event["message"] for event in page["events"]])
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert lines == [["a0", "b1", "a2", "b3"], ["a4", "b5"]]


async def test_one_stream_is_read_from_its_end_or_from_its_head(shared_account, group):
    async def read(**how) -> list[str]:
        answer = await shared_account.ask(
            "logs", "get_log_events", logGroupName=group, logStreamName="stream/a", limit=2, **how
        )
        return [event["message"] for event in answer["events"]]

    assert await read() == ["a2", "a4"]
    assert await read(startFromHead=True) == ["a0", "a2"]


async def test_one_stream_is_read_page_by_page_until_the_token_stays(shared_account, group):
    async def page(**how):
        where = {"logGroupName": group, "logStreamName": "stream/a", "limit": 2}
        answer = await shared_account.ask("logs", "get_log_events", **where, **how)
        events = [event["message"] for event in answer["events"]]
        return events, answer["nextForwardToken"], answer["nextBackwardToken"]

    first, forward, start = await page(startFromHead=True)
    second, end, backward = await page(nextToken=forward)
    assert (first, second) == (["a0", "a2"], ["a4"])
    assert (await page(nextToken=end))[:2] == ([], end)
    assert (await page(nextToken=backward))[::2] == (["a0", "a2"], start)
    assert (await page(nextToken=start))[::2] == ([], start)


@pytest.mark.parametrize("token", ["x", "f/", "f/999", "b/-1", "/1"])
async def test_a_token_that_was_not_given_is_refused(shared_account, group, token):
    where = {"logGroupName": group, "logStreamName": "stream/a", "nextToken": token}
    code, _ = await shared_account.refusal("logs", "get_log_events", **where)
    assert code == "InvalidParameterException"


async def test_streams_are_described_with_their_first_and_last_time(shared_account, group):
    answer = await shared_account.ask("logs", "describe_log_streams", logGroupName=group)
    assert [stream["logStreamName"] for stream in answer["logStreams"]] == ["stream/a", "stream/b"]
    assert answer["logStreams"][0]["firstEventTimestamp"] == MILLISECONDS
    assert answer["logStreams"][0]["lastEventTimestamp"] == MILLISECONDS + 4 * MINUTE


async def test_groups_are_listed_by_the_beginning_of_their_names(shared_account, group):
    answer = await shared_account.ask("logs", "describe_log_groups", logGroupNamePrefix=group)
    assert [found["logGroupName"] for found in answer["logGroups"]] == [group]
    assert (await shared_account.ask("logs", "describe_log_groups", logGroupNamePrefix="/none"))["logGroups"] == []


@pytest.mark.parametrize("operation", ["filter_log_events", "describe_log_streams", "get_log_events"])
async def test_a_group_exists_only_from_its_first_event_on(shared_account, operation):
    stream = {"logStreamName": "events"} if operation == "get_log_events" else {}
    refused = await shared_account.refusal("logs", operation, logGroupName="/aws/absent", **stream)
    assert refused == ("ResourceNotFoundException", "The specified log group does not exist.")


async def test_a_stream_exists_only_from_its_first_event_on(shared_account, group):
    refused = await shared_account.refusal("logs", "get_log_events", logGroupName=group, logStreamName="absent")
    assert refused == ("ResourceNotFoundException", "The specified log stream does not exist.")


async def test_a_group_that_is_deleted_is_gone(shared_account, group):
    await shared_account.ask("logs", "delete_log_group", logGroupName=group)
    refused = await shared_account.refusal("logs", "filter_log_events", logGroupName=group)
    assert refused[0] == "ResourceNotFoundException"
