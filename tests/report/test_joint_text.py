"""A release of several services in words: the verdict first, then each service with what is live and why."""

from dataclasses import replace

from slipway.records.joint import Fate, JointOutcome, JointPart, JointPlan, JointSituation, ServiceSituation
from slipway.records.plan import Action, Plan
from slipway.records.refusal import Refusal
from slipway.report.answers.release import of_joint_outcome, of_joint_plan, of_joint_situation

BACK = JointPart(service="billing", fate=Fate.WENT_BACK, requested="sha256:b2", live="sha256:b1")
FAILED = JointPart(
    service="web", fate=Fate.FAILED, requested="sha256:w2", live="sha256:w1", why="it exits", remedy="read its log"
)
OUTCOME = JointOutcome(environment="production", id="7dc4", parts=(BACK, FAILED), seconds=61)
PLAN = Plan(
    environment="production", service="billing-production", image="i", action=Action.NOOP, changes=(), fingerprint="f"
)


def test_an_outcome_says_which_are_live_and_which_went_back():
    answer = of_joint_outcome(OUTCOME)
    assert answer.code == 1
    assert answer.text == (
        "FAILED release 7dc4 in production after 1 m 01 s\n"
        "  billing  went back  live: sha256:b1\n"
        "  web      failed     live: sha256:w1\n"
        "    cause:  it exits\n"
        "    remedy: read its log\n"
    )
    assert answer.outputs["services"] == "billing: went back, web: failed"


def test_an_unknown_fate_is_exit_code_3_with_the_way_on():
    answer = of_joint_outcome(replace(OUTCOME, parts=(BACK, replace(FAILED, fate=Fate.UNKNOWN))))
    assert answer.code == 3
    assert answer.text.startswith("UNKNOWN release 7dc4")
    assert answer.text.endswith("run the same command again, which finishes it\n")


def test_a_plan_begins_with_the_order_and_the_way_back():
    plan = JointPlan(
        environment="production", id="7dc4", order=("billing", "web"), plans=(PLAN,), back=("web", "billing")
    )
    answer = of_joint_plan(plan)
    assert answer.text.splitlines()[:2] == [
        "release 7dc4 in production: billing, then web",
        "  if one fails, the others go back: web, then billing",
    ]
    assert (answer.code, answer.outputs["order"]) == (0, "billing web")
    assert of_joint_plan(replace(plan, plans=(replace(PLAN, action=Action.BLOCKED),))).code == 1


def test_a_service_that_cannot_be_read_does_not_hide_the_others():
    unread = ServiceSituation("web", refusals=(Refusal(what="no access", next_step="grant it", exit_code=1),))
    answer = of_joint_situation(JointSituation("production", (unread,)))
    assert (answer.text, answer.code) == ("=== web\ncannot be read: no access\n", 1)
