import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from slipway.cli import run
from slipway.records.proof import Finding, Level, Verdict
from tests.cli.test_json import PROOF

ERROR = Finding(rule="L01", level=Level.ERROR, message="It blocks.", measured="SHARE on a", remedy="Do not.")
REFUSED = replace(PROOF, findings=(ERROR,), verdict=Verdict.FAIL)
TODAY = datetime.now(UTC).date()
TOMORROW, YESTERDAY = (TODAY + timedelta(days=days) for days in (1, -1))


@pytest.fixture
def gate(capsys, monkeypatch, tmp_path):
    """Run the gate with flags on a folder with this proof; return exit code and output."""

    def ask(proof, *flags):
        async def proves(*_, **__):
            return proof

        monkeypatch.setattr("slipway.local.gate.gate", proves)
        code = run(["gate", "--source", str(tmp_path), "--report", str(tmp_path / "report"), *flags])
        return code, capsys.readouterr().out

    return ask


def test_before_the_day_errors_are_reported_and_the_exit_code_is_0(gate, tmp_path):
    code, text = gate(REFUSED, "--advisory", str(TOMORROW))
    assert code == 0
    assert "ERROR   L01" in text
    assert f"refused, advisory until {TOMORROW}: 1 error" in text
    for name in ("comment.md", "summary.md"):
        assert f"Migrations refused, advisory until {TOMORROW}" in (tmp_path / "report" / name).read_text()
    assert json.loads((tmp_path / "report/proof.json").read_text())["verdict"] == "fail"


@pytest.mark.parametrize("day", [TODAY, YESTERDAY])
def test_from_the_day_on_errors_fail_again(gate, day):
    code, text = gate(REFUSED, "--advisory", str(day))
    assert code == 1
    assert "advisory" not in text


def test_a_proof_that_passes_is_not_called_advisory(gate):
    code, text = gate(PROOF, "--advisory", str(TOMORROW))
    assert code == 0
    assert "advisory" not in text


@pytest.mark.parametrize("day", ["tomorrow", "2027-02-30", "20270301", "2027-3", ""])
def test_a_day_that_is_none_is_bad_input(gate, capsys, day):
    assert run(["gate", "--advisory", day]) == 2
    assert f"found {day!r}, allowed is a date such as 2027-03-01" in capsys.readouterr().err
