from datetime import UTC, datetime, timedelta

import pytest

from slipway.errors import RefusedError
from slipway.records.checks import Branch, Preflight, PreflightResult
from slipway.records.image import Reference
from slipway.release.preflight.checking import events, naming_changes, refuse
from slipway.release.preflight.checks import judge_account, no, not_covered, ok
from slipway.release.preflight.image import judge_config, judge_index, judge_tree
from slipway.release.preflight.named import judge_role, names_of
from slipway.release.targets.app_runner.preflight import BUILD, TASKS
from tests.release.desired import spec

OK, REFUSED, NOT_COVERED = PreflightResult.OK, PreflightResult.REFUSED, PreflightResult.NOT_COVERED
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AMD64, ARM64 = {"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64"}
ATTESTATION = {"os": "unknown", "architecture": "unknown"}
ALLOW = {"Effect": "Allow", "Principal": {"Service": BUILD}, "Action": "sts:AssumeRole"}
IF = {"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}


def role(*statements, age=1000):
    policy = {"Version": "2012-10-17", "Statement": [*statements]}
    return {"AssumeRolePolicyDocument": policy, "CreateDate": NOW - timedelta(seconds=age)}


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([ALLOW], OK),
        ([ALLOW | {"Principal": {"Service": [TASKS, BUILD]}, "Action": ["sts:TagSession", "sts:AssumeRole"]}], OK),
        ([ALLOW | {"Action": "sts:*"}], OK),
        ([ALLOW | {"Action": "STS:assumerole"}], OK),
        ([ALLOW | {"Principal": "*"}], OK),
        ([ALLOW | IF, ALLOW], OK),
        ([], REFUSED),
        ([ALLOW | {"Principal": {"Service": TASKS}}], REFUSED),
        ([ALLOW | {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}], REFUSED),
        ([ALLOW | {"Action": "sts:TagSession"}], REFUSED),
        ([ALLOW, ALLOW | {"Effect": "Deny"}], REFUSED),
        ([ALLOW | IF], NOT_COVERED),
        ([ALLOW, ALLOW | {"Effect": "Deny"} | IF], NOT_COVERED),
        ([{"Effect": "Allow", "NotPrincipal": {"AWS": "*"}, "Action": "sts:AssumeRole"}], NOT_COVERED),
        ([{"Effect": "Allow", "Principal": "*", "NotAction": "s3:*"}], NOT_COVERED),
    ],
)
def test_a_trust_policy_is_judged_by_its_statements(statements, verdict):
    assert judge_role("access role", "arn", BUILD, role(*statements), NOW).verdict is verdict


def test_a_single_statement_without_a_list_is_read():
    policy = {"AssumeRolePolicyDocument": {"Statement": ALLOW}, "CreateDate": NOW - timedelta(days=1)}
    assert judge_role("access role", "arn", BUILD, policy, NOW).verdict is OK


def test_a_new_role_passes_with_its_age():
    found = judge_role("access role", "arn", BUILD, role(ALLOW, age=12), NOW)
    assert (found.verdict, "it is 12 s old" in found.found) == (OK, True)
    assert "old" not in judge_role("access role", "arn", BUILD, role(ALLOW, age=91), NOW).found


@pytest.mark.parametrize(
    ("config", "verdict"),
    [
        (AMD64, OK),
        (ARM64, REFUSED),
        ({"os": "windows", "architecture": "amd64"}, REFUSED),
        ({}, NOT_COVERED),
        ({"os": "linux"}, REFUSED),
    ],
)
def test_the_platform_of_a_config_is_judged(config, verdict):
    assert judge_config(config).verdict is verdict


def test_an_index_is_refused_with_the_manifest_that_fits():
    image, fitting = Reference("notes", "sha256:" + "1" * 64), "sha256:" + "2" * 64
    entries = [
        {"digest": "sha256:" + "3" * 64, "platform": ARM64},
        {"digest": fitting, "platform": AMD64},
        {"digest": "sha256:" + "4" * 64, "platform": ATTESTATION},
        "nonsense",
        {"platform": AMD64},
    ]
    assert f"notes@{fitting}" in judge_index(image, entries).remedy
    assert "has none for linux/amd64" in judge_index(image, entries[:1]).found


def test_a_source_tree_runs_in_a_simulated_account_only():
    assert judge_tree(real=True).verdict is REFUSED
    assert judge_tree(real=False).verdict is NOT_COVERED


def test_credentials_of_another_account_are_refused():
    assert judge_account(spec(), "123456789012", real=True).verdict is OK
    found = judge_account(spec(), "999999999999", real=True)
    assert found.found == "the credentials are of the account 999999999999, and staging is in 123456789012"
    assert (found.verdict, judge_account(spec(), "999999999999", real=False).verdict) == (REFUSED, NOT_COVERED)


@pytest.mark.parametrize(
    ("resource", "names"), [("/url", ("url", "/url")), ("/team/url", ("/team/url",))], ids=["flat", "hierarchical"]
)
def test_the_names_that_a_parameters_arn_can_mean(resource, names):
    assert names_of(f"arn:aws:ssm:eu-west-1:123456789012:parameter{resource}") == names


def preflight(*checks):
    return Preflight(
        environment="staging", service="notes", image="notes@sha256:1", seconds=1.0, branches=(Branch("roles", checks),)
    )


def test_the_first_refusal_is_reported_with_the_number_of_others():
    refuse(preflight(ok("a", "fine"), not_covered("b", "unseen")))
    with pytest.raises(RefusedError) as refused:
        refuse(
            preflight(ok("a", "fine"), no("b", "there is no role x", "make it"), no("c", "no y", "z"), no("d", "", ""))
        )
    assert (
        str(refused.value)
        == "there is no role x (and 2 more: `slipway preflight --environment staging --image notes@sha256:1` lists them); staging is unchanged: make it"
    )


def test_the_remedy_of_a_release_that_does_not_start_names_the_values_that_change():
    wanted = spec(variables={"SAME": "1", "NEW": "hunter2"}, secrets={"TOKEN": "arn:b"})
    live = spec(variables={"SAME": "1", "OLD": "hunter3"}, secrets={"TOKEN": "arn:a"}).fields()
    result = preflight(no("image", "is arm64", "build it"), no("release", "it ends", "start it"))
    image, release = naming_changes(result, wanted, live).refusals
    assert image.remedy == "build it"
    assert release.remedy.startswith("start it; this deployment changes ")
    assert set(release.remedy.rpartition("changes ")[2].split(", ")) == {"variable NEW", "variable OLD", "secret TOKEN"}
    assert naming_changes(result, wanted, {}).refusals[1].remedy == "start it"


def test_uncovered_checks_become_events():
    told = events(preflight(ok("a", "fine"), not_covered("quotas", "nobody\nknows"), no("b", "", "")))
    assert [event.line for event in told] == ["not covered: quotas: nobody knows"]
