from dataclasses import replace

import pytest

from slipway.records.ledger import History, Release, Situation
from slipway.records.migration import Migration
from slipway.records.outcome import Diagnosis, Examination, Outcome, Status, Verb
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.records.refusal import Refusal
from slipway.report.release_markdown import of_examination, of_history, of_outcome, of_plan, of_refusal, of_situation

OLD, NEW = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
WHY = Diagnosis(
    rule="port",
    cause="it listens on 127.0.0.1",
    lines=("not shown",),
    remedy="bind 0.0.0.0",
    place="application log, line 3",
)
OUTCOME = Outcome(
    environment="staging",
    service="notes-staging",
    status=Status.ROLLED_BACK,
    requested=NEW,
    live=OLD,
    url="a.awsapprunner.com",
    seconds=190.0,
    operation="0123",
    diagnosis=WHY,
    number=7,
    migration=Migration(before=(), after=("3f2a",), applied=("3f2a",), attempts=1, seconds=0.4),
)
PLAN = Plan(
    environment="staging",
    service="notes-staging",
    image=f"notes@{NEW}",
    action=Action.UPDATE,
    changes=(FieldChange("cpu", None, "1024"),),
    fingerprint="f00d",
)


def test_an_outcome_says_the_verdict_first_then_the_digests_the_cause_its_place_and_the_remedy():
    assert (
        of_outcome(OUTCOME)
        == f"""\
## ❌ ROLLED\\_BACK: notes-staging in staging

The platform rolled it back: the requested change is not live. It took 3 m 10 s.

|  |  |
| --- | --- |
| requested | {NEW} |
| live | {OLD} |
| url | a.awsapprunner.com |
| deployment | 7 |
| operation | 0123 |
| database | no revision -&gt; 3f2a |

**Cause:** it listens on 127.0.0.1

**Evidence:** application log, line 3, rule port; `slipway diagnose` shows it.

**Remedy:** bind 0.0.0.0
"""
    )


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence_and_the_sign_of_its_exit_code(status):
    sign = {0: "✅", 1: "❌", 3: "❓", 4: "❌"}[status.exit_code]
    heading, sentence, *_ = of_outcome(replace(OUTCOME, status=status)).split("\n\n")
    assert heading.startswith(f"## {sign} {status.value.partition('_')[0]}")
    assert sentence.endswith(". It took 3 m 10 s.")


def test_what_was_no_deployment_is_called_by_its_name():
    paused = replace(OUTCOME, status=Status.FAILED, verb=Verb.PAUSE, requested="", diagnosis=None)
    assert of_outcome(paused).startswith(
        "## ❌ FAILED: pause of notes-staging in staging\n\nThe platform did not make the requested change."
    )
    assert "| requested |" not in of_outcome(paused)


def test_an_examination_says_how_the_newest_change_ended_and_why():
    said = of_examination(
        Examination(environment="staging", operation="0123", ending="rolled back", diagnosis=WHY, number=4)
    )
    assert said.startswith(
        "## ❌ staging: deployment 4, operation 0123, rolled back\n\n**Cause:** it listens on 127.0.0.1\n"
    )
    assert (
        of_examination(Examination(environment="staging", operation=None, ending="succeeded"))
        == "## ✅ staging: succeeded\n"
    )


def test_a_plan_is_a_table_of_what_would_change():
    assert of_plan(PLAN).splitlines()[:5] == [
        "## Plan: update notes-staging in staging",
        "",
        "| field | now | then |",
        "| --- | --- | --- |",
        "| cpu | none | 1024 |",
    ]


def test_a_plan_that_changes_nothing_and_one_that_is_blocked_say_so():
    assert "Nothing would change." in of_plan(replace(PLAN, action=Action.NOOP, changes=()))
    blocked = of_plan(replace(PLAN, action=Action.BLOCKED, reason="an operation goes on"))
    assert blocked.startswith("## ⛔ Plan: blocked notes-staging in staging\n\nan operation goes on\n")


def test_a_situation_shows_what_is_live():
    observed = Observed(
        arn="arn", url="a.awsapprunner.com", status="RUNNING", state=State.LIVE, digest=NEW, operation="0123"
    )
    told = of_situation(Situation(environment="staging", observed=observed))
    assert told.startswith("## staging: RUNNING\n")
    assert f"| digest | {NEW} |" in told
    assert "| in flight | 0123 |" in told
    assert of_situation(Situation(environment="staging", observed=Observed())) == "## staging: no service\n"


def test_a_history_is_a_row_for_each_deployment():
    release = Release(
        environment="staging",
        number=7,
        image=f"notes@{NEW}",
        status=Status.ROLLED_BACK,
        live=OLD,
        operation="0123",
        ended=1_700_000_000,
        seconds=190.0,
        cause="why",
    )
    rows = of_history(History(environment="staging", releases=(release,), unfinished=(8,))).splitlines()[4:]
    assert rows == [
        "| 8 |  |  | no end is recorded |  |  |  |  |  |",
        f"| 7 | 2023-11-14 22:13:20Z | deploy | ROLLED\\_BACK | 3 m 10 s |  |  | {NEW} | why |",
    ]
    assert "Nothing has been deployed yet." in of_history(History(environment="staging", releases=()))


@pytest.mark.parametrize(
    ("code", "heading"), [(1, "❌ Refused"), (2, "❌ Unusable input"), (3, "❓ Unknown"), (9, "❓ Unknown")]
)
def test_an_error_says_what_it_is_and_what_to_do(code, heading):
    assert (
        of_refusal(Refusal(what="it is busy", next_step="wait", exit_code=code))
        == f"## {heading}\n\nit is busy\n\nwait\n"
    )
