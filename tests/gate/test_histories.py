"""One small project for each kind of history that is found in the wild, proven by the command, and what comes of it."""

import sys
from pathlib import Path

import pytest

from slipway.gate.layers import growth

pytestmark = pytest.mark.slow

HISTORIES = sorted(file.parent for file in (Path(__file__).parent / "histories").glob("*/expected.json"))


@pytest.mark.parametrize("history", HISTORIES, ids=[folder.name for folder in HISTORIES])
def test_a_history_in_the_wild_ends_in_what_its_folder_expects(history, check_history, request, monkeypatch):
    monkeypatch.setattr(growth, "ROWS", (10, 200))  # no folder expects a time
    if history != HISTORIES[0]:  # for which the command starts the gate itself
        request.getfixturevalue("forked_gate")
    check_history(history, sys.prefix)


def test_there_is_a_project_for_each_kind():
    assert len(HISTORIES) == 20
