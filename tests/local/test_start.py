"""The gate's process, launched before the command has imported the rest."""

import sys
import tempfile
from pathlib import Path

import pytest

from slipway.local.start import gate_ahead, gate_started
from slipway.records.progress import SILENT

pytestmark = pytest.mark.slow
PYTHON = Path(sys.prefix)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


async def test_the_process_that_was_launched_is_the_one_that_starts_and_it_ends_with_the_block(temporary, tmp_path):
    with gate_ahead(tmp_path, PYTHON):
        (folder,) = temporary.iterdir()
        async with gate_started(tmp_path, PYTHON, SILENT) as place:
            assert place.process.output.parent == folder
            assert place.process.process.poll() is None
    assert place.process.process.poll() is not None
    assert list(temporary.iterdir()) == []


def test_a_process_that_is_not_asked_for_leaves_nothing(temporary, tmp_path):
    with gate_ahead(tmp_path, PYTHON):
        assert list(temporary.iterdir()) != []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("named", ["no-environment", None])
def test_without_an_environment_nothing_is_launched_and_nothing_is_raised(temporary, tmp_path, named):
    with gate_ahead(tmp_path, named and tmp_path / named):
        assert list(temporary.iterdir()) == []
