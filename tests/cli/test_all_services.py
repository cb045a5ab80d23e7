"""`slipway gate --all-services`: each service with its own settings, none stops the others."""

import json
from dataclasses import replace

import pytest

from slipway.cli import run
from slipway.errors import BadInputError, ObstaclesError
from tests.cli.test_advisory import REFUSED, TOMORROW
from tests.cli.test_json import PROOF

TABLE = "[tool.slipway.migrations]\n"


@pytest.fixture
def gate(capsys, monkeypatch, tmp_path):
    """Run the gate on services with these outcomes; return exit code, record, and the options of each call."""

    def ask(outcomes, *flags):
        asked = []

        async def proves(options, **_):
            asked.append(options)
            folder = options.source.relative_to(tmp_path).as_posix()
            outcome = outcomes[folder]
            if isinstance(outcome, Exception):
                raise outcome
            return replace(outcome, folder="" if folder == "." else folder)  # as the gate does in a repository

        monkeypatch.setattr("slipway.local.gate.gate", proves)
        for folder in outcomes:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / "pyproject.toml").write_text(TABLE)
        code = run(["gate", "--all-services", "--source", str(tmp_path), "--json", *flags])
        return code, json.loads(capsys.readouterr().out), asked

    return ask


def test_a_service_that_cannot_be_proven_does_not_stop_the_others(gate):
    obstacles = ObstaclesError([BadInputError("no lock", "run uv lock"), BadInputError("no alembic.ini", "add it")])
    grouped = ExceptionGroup("tasks", [BadInputError("no Postgres", "install one")])
    code, record, asked = gate({"a/shop": obstacles, "b/shop": grouped, "c/shop": REFUSED}, "--since", "main")
    first, second, third = record["services"]
    assert code == 2
    assert [each["what"] for each in first["refusals"]] == ["no lock", "no alembic.ini"]
    assert [each["what"] for each in second["refusals"]] == ["no Postgres"]
    assert (third["folder"], third["proof"]["folder"], third["refusals"]) == ("c/shop", "c/shop", [])
    assert {options.since for options in asked} == {"main"}


def test_advice_and_reports_are_those_of_each_service(gate, tmp_path):
    code, record, _ = gate(
        {".": PROOF, "c": REFUSED}, "--advisory", str(TOMORROW), "--report", str(tmp_path / "report")
    )
    assert code == 0
    assert [each["proof"]["folder"] for each in record["services"]] == ["", "c"]
    assert (tmp_path / "report/services/c/index.html").is_file()
    assert "advisory" in (tmp_path / "report/comment.md").read_text()


def test_an_error_of_our_own_is_none_of_a_service(gate):
    code, record, _ = gate({"a": ZeroDivisionError()})
    assert (code, record["schema"]) == (3, "slipway/refusal/1")


def test_flags_of_one_service_and_of_all_exclude_each_other(capsys, tmp_path):
    assert run(["gate", "--all-services", "--statements", "x"]) == 2
    assert run(["gate", "--changed", "--source", str(tmp_path)]) == 2
    assert "pass --all-services, too" in capsys.readouterr().err


def test_a_folder_of_services_that_is_none_itself_names_them(capsys, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pyproject.toml").write_text(TABLE)
    for with_history in (False, True):
        if with_history:
            (tmp_path / "b/alembic.ini").write_text("[alembic]\nscript_location = m\n")
            (tmp_path / "b/m").mkdir()
            (tmp_path / "b/m/env.py").write_text("from alembic import context\n")
        assert run(["gate", "--source", str(tmp_path)]) == 2
        assert "is no service, but has services below it: a, b: pass --all-services" in capsys.readouterr().err
