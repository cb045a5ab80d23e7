"""Foreign clients get AWS's answers from the simulator; each plays the story once, each step is a test."""

import json
import os

import anyio
import pytest

from slipway.pytest_plugin.gate import once
from tests.foreign.clients import CLIENTS, MissingError
from tests.foreign.play import Play, play
from tests.foreign.step import wrong
from tests.foreign.story import STORY

pytestmark = pytest.mark.slow


def _played(client):
    try:
        return anyio.run(play, client).to_json()
    except MissingError as missing:
        return json.dumps({"missing": f"the {client.name} did not play: {missing}"})


@pytest.fixture(scope="module")
def played(request, tmp_path_factory):
    """The record of a client's play; of several test processes one plays, the others read."""
    client, own = request.param, tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    text, _ = once(shared / f"foreign-{client.folder.name}.json", lambda: _played(client))
    record = json.loads(text)
    if "missing" in record:
        pytest.skip(record["missing"])
    return client, Play(**record)


@pytest.mark.parametrize("step", STORY, ids=lambda step: step.name)
@pytest.mark.parametrize("played", CLIENTS, ids=lambda client: client.name, indirect=True)
def test_a_foreign_client_sees_that(played, step):
    client, story = played
    assert step.name in story.lines, (
        f"not played, because a value that it needs was not seen; the last step was {list(story.lines)[-1]}"
    )
    line = story.lines[step.name]
    assert list(wrong(step, line, story.kept)) == []
    assert bool(line.get("request")) is client.tells_requests
    if not step.waits:
        assert story.requests[step.name] == (2 if step.meets else 1)
