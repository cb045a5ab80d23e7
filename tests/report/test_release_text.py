from dataclasses import replace

import pytest

from slipway.records.ledger import History, OpenDeployment, Release, Situation
from slipway.records.migration import Readiness
from slipway.records.outcome import Diagnosis, Outcome, Status, Verb
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.report.release import NOT_ENDED, of_history, of_outcome, of_plan, of_situation


def test_a_plan_lists_its_fields():
    changes = (
        FieldChange("image", "sha256:01", "sha256:02"),
        FieldChange("PORT", None, "80"),
        FieldChange("A", "1", None),
    )
    plan = Plan(
        environment="staging",
        service="notes-staging",
        image="sha256:02",
        action=Action.UPDATE,
        changes=changes,
        fingerprint="f00d",
    )
    assert of_plan(plan).splitlines() == [
        "update notes-staging in staging",
        "  image: sha256:01 -> sha256:02",
        "  PORT: none -> 80",
        "  A: 1 -> none",
    ]


def test_a_plan_that_is_blocked_says_why():
    plan = Plan(
        environment="staging",
        service="notes",
        image="sha256:02",
        action=Action.BLOCKED,
        changes=(),
        fingerprint="f00d",
        reason="an operation is in flight",
    )
    assert of_plan(plan) == "blocked notes in staging: an operation is in flight\n"


@pytest.mark.parametrize(
    ("observed", "lines"),
    [
        (Observed(), ["staging: no service"]),
        (Observed(status="DELETED", url="a.example"), ["staging: no service"]),
        (
            Observed(status="RUNNING", state=State.LIVE),
            ["staging: RUNNING", "  digest:     none is live", "  url:        none"],
        ),
        (
            Observed(
                status="OPERATION_IN_PROGRESS", state=State.BUSY, digest="sha256:01", url="a.example", operation="0123"
            ),
            [
                "staging: OPERATION_IN_PROGRESS",
                "  digest:     sha256:01",
                "  url:        https://a.example",
                "  live since: unknown: no deployment in the ledger released this digest",
                "  in flight:  0123",
            ],
        ),
    ],
)
def test_a_situation_shows_what_is_live(observed, lines):
    assert of_situation(Situation(environment="staging", observed=observed)).splitlines() == lines


AGAIN = "`slipway deploy --environment staging --image r/notes@sha256:06`"
OPEN = (
    OpenDeployment(number=6, verb=Verb.DEPLOY, image="r/notes@sha256:06", holder="ci", commit="1234567890"),
    OpenDeployment(number=7, verb=Verb.PAUSE, image="", holder=""),
)


LIVE = Release(
    environment="staging",
    number=4,
    image="notes@sha256:01",
    status=Status.SUCCEEDED,
    live="sha256:01",
    operation=None,
    ended=0,
    seconds=1.0,
    holder="ann@laptop",
)


def test_a_situation_shows_the_live_deployment_later_ones_and_unfinished_ones():
    newest = replace(LIVE, number=5, status=Status.ROLLED_BACK, ended=60, verb=Verb.PROMOTE, holder="")
    said = Readiness(("aaa",), (), "c0ffee")
    situation = Situation(
        environment="staging",
        observed=Observed(status="RUNNING", state=State.LIVE, digest="sha256:01"),
        live=LIVE,
        newest=newest,
        unfinished=(6, 7),
        open=OPEN,
        readiness=said,
    )
    assert of_situation(situation).splitlines()[3:] == [
        "  live since: deployment 4, deploy, 1970-01-01 00:00:00Z, by ann@laptop",
        "  newest:     deployment 5, promote, 1970-01-01 00:01:00Z, ROLLED_BACK",
        "  release:    commit c0ffee, knows revision aaa, database at no revision",
        f"  unfinished: deployment 6, deploy of sha256:06, commit 1234567, by ci, {NOT_ENDED}; {AGAIN} resumes it",
        f"  unfinished: deployment 7, pause, {NOT_ENDED}; `slipway pause --environment staging` resumes it",
    ]
    unanswered = of_situation(replace(situation, live=replace(LIVE, status=Status.UNANSWERED)))
    assert "live since: deployment 4, deploy, 1970-01-01 00:00:00Z, by ann@laptop, UNANSWERED" in unanswered
    assert "newest" not in of_situation(replace(situation, newest=LIVE))


@pytest.mark.parametrize(
    ("verb", "direction"),
    [(Verb.MOVE, "--to ecs-express"), (Verb.SHIFT, "--to ecs-express"), (Verb.SHIFT_BACK, "--back")],
)
def test_an_unfinished_move_is_resumed_in_its_own_direction(verb, direction):
    begun = replace(OPEN[0], verb=verb)
    situation = Situation(environment="staging", observed=Observed(), open=(begun,), traffic="it has moved")
    said = of_situation(situation)
    assert f"`slipway move --environment staging {direction}` resumes it" in said
    assert "  traffic:    it has moved\n" in said


def test_an_unreadable_ledger_is_reported():
    situation = Situation(
        environment="staging",
        observed=Observed(status="RUNNING", state=State.LIVE, digest="sha256:01"),
        unseen="AWS refused it: ask",
    )
    assert of_situation(situation).splitlines()[3:] == ["  ledger:     cannot be read: AWS refused it: ask"]


def test_an_outcome_shows_what_is_live():
    outcome = Outcome(
        environment="staging",
        service="notes",
        status=Status.SUCCEEDED,
        requested="sha256:02",
        live="sha256:02",
        url=None,
        seconds=297.0,
    )
    assert of_outcome(outcome).splitlines() == [
        "SUCCEEDED notes in staging after 4 m 57 s",
        "  requested: sha256:02",
        "  live:      sha256:02",
    ]


def test_an_outcome_shows_the_url_of_what_is_live():
    outcome = Outcome(
        environment="staging",
        service="notes",
        status=Status.SUCCEEDED,
        requested="sha256:02",
        live="sha256:02",
        url="notes.example.org",
        seconds=9.0,
    )
    assert "  url:       https://notes.example.org" in of_outcome(outcome).splitlines()
    assert "  url:       http://127.0.0.1:80" in of_outcome(replace(outcome, url="127.0.0.1:80")).splitlines()
    assert "url:" not in of_outcome(replace(outcome, live=None))


def test_a_history_shows_duration_commit_holder_and_cause_in_80_columns_in_the_order_of_the_numbers():
    release = replace(LIVE, commit="c0ffee" * 6)
    job = "ann in https://github.com/OWNER/NAME/actions/runs/12345678901"
    cause = "the release reads the variable REDIS_URL, which staging does not set; slipway does not migrate it"
    failed = replace(
        release, number=2, commit=None, status=Status.ROLLBACK_FAILED, seconds=3599, holder=job, cause=cause
    )
    paused = replace(release, number=1, verb=Verb.PAUSE, image="", holder="", commit=None, risk="it is night")
    lines = of_history(
        History(
            environment="staging",
            releases=(release, failed, paused),
            unfinished=(3,),
            open=(replace(OPEN[0], number=3),),
        )
    ).splitlines()
    assert lines[1:] == [
        "   4  1970-01-01 00:00:00Z  deploy    SUCCEEDED             1.0 s  c0ffeec",
        "      sha256:01 by ann@laptop",
        f"   3  {NOT_ENDED}",
        "      deploy of sha256:06, commit 1234567, by ci",
        "   2  1970-01-01 00:00:00Z  deploy    ROLLBACK_FAILED   59 m 59 s",
        "      sha256:01 by ann in https://github.com/OWNER/NAME/actions/runs/12345678901",
        "      the release reads the variable REDIS_URL, which staging does not set;",
        "            slipway does not migrate it",
        "   1  1970-01-01 00:00:00Z  pause     SUCCEEDED             1.0 s",
        "      without certificate: it is night",
    ]
    assert of_history(History(environment="staging", releases=(release,), older=3)).endswith(
        "\n3 older ones are not listed; --limit 4 lists all\n"
    )


def test_a_plan_shows_its_notes():
    plan = Plan(
        environment="staging",
        service="notes",
        image="sha256:02",
        action=Action.CREATE,
        changes=(),
        fingerprint="f00d",
        notes=("the database is not migrated",),
    )
    assert of_plan(plan).splitlines()[-1] == "  note: the database is not migrated"


def test_a_failed_outcome_shows_its_cause_evidence_and_remedy():
    diagnosis = Diagnosis(
        rule="port", cause="it listens on another port", lines=("listening on 80", "no answer"), remedy="set port = 80"
    )
    outcome = Outcome(
        environment="staging",
        service="notes",
        status=Status.CREATE_FAILED,
        requested="sha256:02",
        live=None,
        url=None,
        seconds=9.0,
        diagnosis=diagnosis,
    )
    assert of_outcome(outcome).splitlines()[2:] == [
        "  live:      nothing",
        "  cause:     it listens on another port",
        "  log:       listening on 80",
        "  log:       no answer",
        "  remedy:    set port = 80",
    ]
