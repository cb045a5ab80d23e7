import threading

import pytest

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.local import gate as proving  # here, because pytester forgets what its tests import first
from slipway.local.prove import GateOptions, NamedServer
from slipway.pytest_plugin import gate as asking
from slipway.pytest_plugin.gate import AlreadyReportedError, Gate, once


@pytest.fixture
def gate(tmp_path):
    return lambda: Gate(
        GateOptions(source=tmp_path, server=NamedServer("postgresql://me:hunter2@here/x")),
        tmp_path,
    )


def test_the_first_makes_and_the_others_wait_and_read(tmp_path):
    made = []

    def make():
        made.append("once")
        return "text"

    others = [threading.Thread(target=lambda: made.append(once(tmp_path / "a", make))) for _ in range(5)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert sorted(map(str, made)) == ["('text', False)"] * 4 + ["('text', True)", "once"]


def test_the_first_caller_gets_the_reason_for_a_missing_proof_and_the_others_that_it_was_reported(monkeypatch, gate):
    async def refuse(*_, **__):
        raise RefusedError("no", "because")

    monkeypatch.setattr(proving, "gate", refuse)
    first, other = gate(), gate()
    with pytest.raises(RefusedError, match=r"^no: because$"):
        first.proof()
    for each in (first, other):
        with pytest.raises(AlreadyReportedError, match=r"^there is no proof: no$"):
            each.proof()


def test_an_unexpected_error_is_a_sentence_too(monkeypatch, gate):
    async def fail(*_, **__):
        raise ValueError("oops")

    monkeypatch.setattr(proving, "revisions", fail)
    with pytest.raises(UnknownOutcomeError, match=r"^unexpected ValueError: oops: run `slipway"):
        gate().listing()


def test_options_do_not_show_their_password(tmp_path):
    assert "hunter2" not in repr(GateOptions(source=tmp_path, server=NamedServer("postgresql://me:hunter2@here/x")))


def test_pytests_own_environment_is_a_services_when_it_has_alembic(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    monkeypatch.setattr(asking.sys, "prefix", str(tmp_path))
    assert asking.own_environment() == tmp_path
    monkeypatch.setattr(asking.importlib.util, "find_spec", lambda name: None)
    assert asking.own_environment() is None
