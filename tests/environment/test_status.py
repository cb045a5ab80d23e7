"""Status: the live release, its deployment, later failures and readiness; and diagnoses of changes that ended before."""

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest

from slipway.environment.diagnosis import diagnose
from slipway.environment.environment import ServiceEnvironment, destroy, pause
from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.environment.status import status, watch
from slipway.environment.watch import watched
from slipway.errors import BadInputError, RefusedError
from slipway.records.form import to_json
from slipway.records.ledger import Intent, OpenDeployment
from slipway.records.migration import Migration, Readiness
from slipway.records.outcome import NOTHING, Status, Verb
from slipway.records.plan import State
from slipway.release.engine import late
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError, LostAnswerError
from slipway.report.answers.release import of_outcome
from slipway.report.answers.service import of_examination, of_release_watch, of_situation
from slipway.settings import MigrationRunner, RunnerKind
from slipway.simulator.faults import Effect, Fault
from tests.environment.environments import SETTINGS
from tests.environment.test_rollback import deployed
from tests.simulator.account import asked
from tests.simulator.scripted import Script

pytestmark = pytest.mark.slow


async def test_an_empty_environment_has_an_empty_status(staging):
    seen = await status(staging.environment)
    assert (seen.observed.status, seen.live, seen.newest, seen.unfinished, seen.readiness) == (
        None,
        None,
        None,
        (),
        None,
    )
    assert seen.unseen == ""


async def test_the_deployment_that_brought_what_is_live_is_named_and_what_failed_after_it(staging):
    first = await deployed(staging)
    await deployed(staging)
    await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())
    await staging.environment.deploy(await staging.image(healthy=False), staging.tell)
    seen = await status(staging.environment)
    assert (seen.observed.digest, seen.live.number, seen.live.verb) == (first, 3, Verb.ROLLBACK)
    assert (seen.newest.number, seen.newest.status) == (4, Status.ROLLED_BACK)


async def test_the_release_says_which_schema_it_knows_and_which_it_has(staging):
    await deployed(staging, "aaa", commit="c0ffee")
    staging.head = "zzz"
    assert (await status(staging.environment)).readiness == Readiness(("aaa",), ("zzz",), "c0ffee")


async def test_unfinished_deployments_are_named(staging):
    digest = await staging.account.image(Script(), revision="c0ffee")
    await deployed(staging)
    image = f"{staging.environment.spec(digest).image}"
    await staging.environment.ledger.claim(
        Intent(environment="staging", number=0, image=image, wanted="w", fingerprint="f", holder="ci", nonce="n"), 1
    )
    seen = await status(staging.environment)
    assert seen.unfinished == (2,)
    opened = OpenDeployment(number=2, verb=Verb.DEPLOY, image=image, holder="ci", commit="c0ffee")
    assert seen.open == (opened,)
    migrating = replace(staging.environment.own_settings, migration=MigrationRunner(runner=RunnerKind.DIRECT))
    environment = staging.environment.with_settings(
        replace(staging.environment.settings, environments={"staging": migrating})
    )
    seen = await status(environment)
    assert seen.open == (replace(opened, may_migrate=True),)
    assert "and its migration may still run in the database; `slipway deploy " in of_situation(seen).text
    await staging.environment.ledger.migrated(
        2, Migration(before=(), after=("aaa",), applied=("aaa",), attempts=1, seconds=1)
    )
    assert (await status(environment)).open == (opened,)


async def test_a_release_that_slipway_did_not_deploy_has_no_deployment(account, staging):
    await account.create(await account.image(), "notes-staging")
    seen = await status(staging.environment)
    assert (seen.observed.status, seen.live, seen.newest) == ("RUNNING", None, None)


@pytest.mark.parametrize("command", ["pause", "destroy"])
async def test_the_newest_deployment_is_shown_when_nothing_is_live(staging, command):
    await deployed(staging)
    environment = staging.environment
    await (
        pause(environment, staging.tell) if command == "pause" else destroy(environment, staging.tell, "notes-staging")
    )
    seen = await status(staging.environment)
    assert (seen.live, seen.newest.verb.value, seen.readiness) == (None, command, None)


async def test_without_access_to_the_ledger_the_rest_is_shown(staging, monkeypatch):
    digest = await deployed(staging)

    async def refused(*_):
        raise AwsRefusedError("ecr", "list_images", {"Code": "AccessDeniedException", "Message": "not yours"})

    monkeypatch.setattr(ServiceEnvironment, "history", refused)
    seen = await status(staging.environment)
    assert (seen.observed.digest, seen.live, seen.readiness.image) == (digest, None, ("aaa",))
    assert seen.unseen.startswith("AWS refused ecr list_images with AccessDeniedException: not yours")


def unread(account, effect, times=99):
    for operation in ("ListServices", "DescribeService", "ListOperations"):
        account.cloud.faults.add(Fault(operation=operation, effect=effect, times=times))


@pytest.mark.parametrize("effect", [Effect.DENIED, Effect.THROTTLED, Effect.CALL_LOST])
async def test_without_the_platform_the_ledger_is_shown_and_the_address_that_it_recorded_is_asked(
    staging, account, effect
):
    digest = await deployed(staging)
    unread(account, effect)
    environment = staging.environment
    environment.aws.patience.answered = False  # the first call of the command is the one that fails
    seen = await status(environment)
    assert (seen.exit_code, seen.newest.number, seen.unseen, seen.observed.digest) == (3, 1, "", None)
    assert (seen.asked, seen.readiness.image, seen.unanswered) == (("/front", "/healthz"), ("aaa",), "")
    shown = of_situation(seen).text
    assert "platform:   cannot be read, so the live digest is unknown: " in shown
    assert ", as deployment 1 recorded it\n  answers:    yes: /front, /healthz\n" in shown
    assert "newest:     deployment 1" in shown
    account.backend.scripts[digest].silent = "/front"
    seen = await status(environment)
    assert (seen.exit_code, "`slipway rollback" in seen.way_out) == (1, False)  # which needs the platform
    found = await diagnose(environment, None)
    assert (found.number, found.ending, found.exit_code) == (1, "unknown", 1)
    assert "; in the ledger deployment 1 ended as SUCCEEDED" in found.diagnosis.cause


async def test_a_service_that_was_paused_is_not_asked_without_the_platform_and_expired_credentials_are_an_error(
    staging, account
):
    await deployed(staging)
    await pause(staging.environment, staging.tell)
    unread(account, Effect.DENIED)
    seen = await status(staging.environment)
    assert (seen.remembered, seen.asked, seen.exit_code) == (None, (), 3)
    account.cloud.faults.clear()
    unread(account, Effect.EXPIRED)
    for read in (status, lambda environment: diagnose(environment, None)):
        with pytest.raises(AwsRefusedError, match="ExpiredTokenException"):  # which is the person's, not the platform's
            await read(staging.environment)


async def test_without_platform_and_ledger_status_and_diagnose_are_unknown_and_say_what_failed(staging, account):
    """ECS throttled and ECR denied: one sentence and exit 1, where the pages promise 3."""
    await deployed(staging)
    unread(account, Effect.THROTTLED)
    for operation in ("BatchGetImage", "ListImages", "DescribeImages"):
        account.cloud.faults.add(Fault(operation=operation, effect=Effect.DENIED, times=99))
    seen, found = await status(staging.environment), await diagnose(staging.environment, None)
    shown = of_situation(seen).text
    assert "platform:   cannot be read, so the live digest is unknown: AWS throttles apprunner " in shown
    assert "url:        unknown without the ledger: request the one that your users have" in shown
    assert "ledger:     cannot be read: AWS refused ecr " in shown
    assert "neither can the ledger (AWS refused ecr " in found.diagnosis.cause
    assert (seen.exit_code, found.exit_code, found.ending) == (3, 3, "unknown")


async def test_without_any_answer_of_aws_there_is_no_status(staging, monkeypatch):
    async def lost(*_, **__):
        raise LostAnswerError("AWS did not answer")

    environment = staging.environment
    environment.aws.patience.answered = False
    monkeypatch.setattr(type(environment.aws), "call", lost)
    for command in (status(environment), diagnose(environment, None)):
        with pytest.raises(LostAnswerError):
            await command


async def test_a_ledger_that_does_not_answer_is_asked_for_a_few_seconds_only(staging, account, monkeypatch):
    digest = await deployed(staging)
    monkeypatch.setattr(late, "_PATIENCE_SECONDS", 0.2)
    environment = staging.environment
    environment.aws.patience.sleep = anyio.sleep
    for operation in ("BatchGetImage", "ListImages", "DescribeImages"):
        account.cloud.faults.add(Fault(operation=operation, effect=Effect.UNAVAILABLE, times=99))
    seen = await status(environment)
    assert (seen.observed.digest, seen.readiness.image, seen.exit_code) == (digest, ("aaa",), 0)
    assert seen.unseen.startswith("its repository in ECR has not answered for ")


async def test_without_access_to_the_platform_there_is_no_status(staging, monkeypatch):
    async def refused(*_):
        raise RefusedError("no", "ask")

    monkeypatch.setattr(ServiceEnvironment, "status", refused)
    with pytest.raises(RefusedError):
        await status(staging.environment)


async def test_the_cause_of_the_newest_failure_is_diagnosed_afterwards(account, staging):
    await deployed(staging)
    broken = await account.image(Script(lines=("KeyError: 'REDIS_URL'",), exit_code=1))
    outcome = await staging.environment.deploy(broken, staging.tell)
    found = await diagnose(staging.environment, None)
    assert (found.ending, found.exit_code) == ("rolled back", 1)
    assert found.diagnosis == outcome.diagnosis
    assert (found.operation, found.number) == (outcome.operation, 2)
    assert f"staging: deployment 2, operation {outcome.operation}, rolled back\n" in of_examination(found).text


async def test_words_of_the_application_are_shown_to_a_person_and_kept_nowhere(account, staging):
    await deployed(staging)
    lines = (
        "Traceback (most recent call last):",
        '  File "app.py", line 1',
        "ValueError: 'kanarie-unknown' is no number",
    )
    sick = await account.image(Script(lines=lines, exit_code=1))
    outcome = await staging.environment.deploy(sick, staging.tell)
    for answer in (of_outcome(outcome), of_examination(await diagnose(staging.environment, None))):
        assert lines[-1] in answer.text
        assert "kanarie" not in f"{answer.markdown} {answer.outputs} {to_json(answer.record)}"
        why = answer.record.diagnosis
        assert (why.rule, why.cause, why.place) == (
            "error",
            "the release ends with an error: …",
            "application log, line 1",
        )
    repositories = account.cloud.store.repositories.values()
    kept = b"".join(
        part
        for each in repositories
        for part in (*each.blobs.values(), *(found.content for found in each.manifests.values()))
    )
    assert b"ends with an error" in kept
    assert b"kanarie" not in kept


async def test_an_older_deployment_is_named_by_its_number(account, staging):
    await staging.environment.deploy(await account.image(Script(exit_code=137)), staging.tell)
    await deployed(staging)
    assert (await diagnose(staging.environment, None)).exit_code == 0
    found = await diagnose(staging.environment, 1)
    assert (found.ending, found.diagnosis.rule) == ("failed", "killed")


async def test_a_service_without_changes_has_nothing_to_diagnose(staging):
    found = await diagnose(staging.environment, None)
    assert (found.ending, found.operation, found.exit_code) == (NOTHING, None, 0)


async def test_a_number_without_an_operation_is_bad_input(staging):
    await deployed(staging)
    for number in (0, 5):
        with pytest.raises(BadInputError, match=f"the ledger has no deployment {number}"):
            await diagnose(staging.environment, number)


async def test_a_refused_deployment_is_the_newest_and_its_recorded_cause_is_shown(staging):
    """The platform's newest operation had succeeded, so it exited 0."""

    async def ahead(*_):
        raise RefusedError("the database is ahead of this release", "deploy the newest commit")

    await deployed(staging)
    await deployed(staging, "bbb")
    refused = await staging._environment(runner=ahead).deploy(await staging.image("aaa"), staging.tell)
    for number in (None, 3):
        found = await diagnose(staging.environment, number)
        assert (found.number, found.operation, found.ending, found.exit_code) == (3, None, "REFUSED", 1)
        assert found.diagnosis.cause == refused.diagnosis.cause
    assert (await diagnose(staging.environment, 2)).exit_code == 0


async def test_a_deployment_without_an_end_is_unknown_and_one_that_did_not_answer_is_no_success(account, staging):
    script = Script(silent="/front")
    await staging.environment.deploy(await account.image(script), staging.tell)
    found = await diagnose(staging.environment, None)
    assert (found.ending, found.exit_code) == ("live, and did not answer", 1)
    assert found.diagnosis.cause == found.answer.problem == "staging answers /front with 503"
    script.silent = None
    found = await diagnose(staging.environment, None)
    assert (found.answer.problem, found.answer.paths, found.way_out) == ("", ("/front", "/healthz"), "")
    image = f"{staging.environment.spec(f'sha256:{1:064}').image}"
    await staging.environment.ledger.claim(
        Intent(environment="staging", number=0, image=image, wanted="w", fingerprint="f", holder="ci", nonce="n"), 1
    )
    found = await diagnose(staging.environment, None)
    assert (found.number, found.exit_code) == (2, 3)
    assert found.diagnosis.cause == "the run of ci has recorded no end, and started nothing on the platform yet"


async def test_after_a_rollback_of_the_platform_its_outcome_status_and_diagnose_name_the_answers_that_users_get(
    account, staging
):
    """Its migration renamed a column that the release before uses: ROLLED_BACK, RUNNING, exit 0, and 500 for everyone."""
    staging.head = "aaa"
    script = Script(says=lambda: json.dumps({"image_head": "aaa", "database_head": staging.head}))
    await staging.environment.deploy(await account.image(script), staging.tell)
    assert (await status(staging.environment)).exit_code == 0
    script.silent = "/front"
    broken = await account.image(Script(lines=("KeyError: 'REDIS_URL'",), exit_code=1))
    outcome = await staging.migrating_to("bbb").deploy(broken, staging.tell)
    forward = (
        "the live release knows revision aaa, and the database is at bbb; on its commit, add the revisions up to bbb"
    )
    assert (outcome.status, outcome.answer.problem) == (Status.ROLLED_BACK, "staging answers /front with 503")
    assert "REDIS_URL" in outcome.diagnosis.cause
    seen, found = await status(staging.environment), await diagnose(staging.environment, None)
    texts = of_outcome(outcome).text, of_situation(seen).text, of_examination(found).text
    for text in texts:
        assert "answers:   no: staging answers /front with 503" in text.replace("answers:    no", "answers:   no")
        assert forward in text
    assert of_situation(seen).text.startswith("staging: RUNNING, DOES NOT ANSWER\n")
    assert (seen.exit_code, found.exit_code, found.number) == (1, 1, 2)


async def test_a_migration_under_which_the_release_before_failed_is_named_by_a_deployment_that_succeeded(
    account, staging
):
    """Users got errors from the migration until the new release was live, and SUCCEEDED was all that remained."""
    before = await deployed(staging)
    account.backend.scripts[before].silent = "/front"
    outcome = await staging.migrating_to("bbb").deploy(await staging.image("bbb"), staging.tell)
    failed = "staging answers /front with 503"
    assert (outcome.status, outcome.note) == (
        Status.SUCCEEDED,
        f"between the migration and the new release users got errors: {failed}",
    )
    assert f"on the migrated database the release before fails: {failed}; it is replaced now" in staging.told
    answer = of_outcome(outcome)
    assert f"note:      {outcome.note}" in answer.text
    assert outcome.note in answer.markdown
    after = await staging.migrating_to("ccc").deploy(await staging.image("ccc"), staging.tell)
    assert (after.status, after.note) == (Status.SUCCEEDED, "")


async def test_no_rollback_is_offered_to_a_release_that_knows_another_schema(account, staging):
    """The new release answers errors on the schema to which it migrated: a rollback would be refused without a certificate."""
    first = Script(says=lambda: json.dumps({"image_head": "aaa", "database_head": "aaa"}))
    await staging.environment.deploy(await account.image(first), staging.tell)
    second = Script(says=lambda: json.dumps({"image_head": "bbb", "database_head": "bbb"}))
    await staging.migrating_to("bbb").deploy(await account.image(second), staging.tell)
    second.silent = "/front"
    seen, found = await status(staging.environment), await diagnose(staging.environment, None)
    for each in (seen, found):
        assert "deploy a commit with a revision that repairs it" in each.way_out
        assert "slipway rollback" not in each.way_out
    assert found.log == ()
    (service,) = account.cloud.app_runner.services.values()
    for line in (
        "Traceback (most recent call last):",
        '  File "/app/main.py", line 4, in notes',
        "KeyError: 'kanarie'",
    ):
        account.cloud.logs.write(f"{service.log_group}/application", "instance/1", account.cloud.clock.now(), line)
    shown = of_examination(await diagnose(staging.environment, None))
    assert "503\n  log:       File \"/app/main.py\", line 4, in notes\n  log:       KeyError: 'kanarie'\n" in shown.text
    assert "kanarie" not in f"{shown.markdown} {shown.outputs} {to_json(shown.record)}"


async def test_a_release_without_its_database_does_not_answer_whatever_its_health_path_says(account, staging):
    """A release stays ready without its database, so that the platform does not replace it."""
    said = {"image_head": "aaa", "database_head": "aaa"}
    await staging.environment.deploy(await account.image(Script(says=lambda: json.dumps(said))), staging.tell)
    said |= {"database": "unreachable"}
    seen = await status(staging.environment)
    assert seen.unanswered == "staging reports at /healthz that it cannot reach its database"
    assert "a rollback would not help" in seen.way_out
    assert "database unreachable" in of_situation(seen).text


async def test_settings_that_another_tool_has_changed_are_not_those_of_the_live_deployment(account, staging):
    """A run without the ledger had set a variable, and `status` named the deployment before as the one that is live."""
    environment = staging.environment
    own = environment.own_settings
    coloured = replace(SETTINGS, environments={**SETTINGS.environments, "staging": replace(own, variables={"V": "1"})})
    digest = await account.image()
    await environment.with_settings(coloured).deploy(digest, staging.tell)
    assert (await status(environment)).differs == ()
    by_hand = asked(digest)
    by_hand["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]["RuntimeEnvironmentVariables"] = {"V": "3"}
    (arn,) = account.cloud.app_runner.services
    await account.ask("apprunner", "update_service", ServiceArn=arn, **by_hand)
    await account.settled(arn)
    seen = await status(environment)
    assert "variable V" in seen.differs
    assert "settings:   not those of deployment 1: " in of_situation(seen).text


async def test_the_health_path_is_that_of_the_live_release_not_that_of_the_folder(account, staging):
    """A deployment with a wrong path was rolled back, and `status` asked for that path ever after."""
    script = Script(silent="/ready")
    await staging.environment.deploy(await account.image(script), staging.tell)
    wrong = staging.environment.with_settings(replace(SETTINGS, health_path="/ready", smoke_paths=("/ready",)))
    assert (await status(wrong)).asked == ("/front", "/healthz")
    assert (await status(wrong)).unanswered == ""


async def test_a_situation_is_watched_until_the_operation_in_progress_has_ended(account, staging):
    await deployed(staging)
    seen = []
    async for situation in watch(staging.environment):
        seen.append(situation.observed.state)
        if len(seen) == 2:  # an operation that another client begins
            arn = situation.observed.arn
            await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
    assert seen[:2] == [State.LIVE, State.LIVE]
    assert State.BUSY in seen
    assert seen[-1] is State.LIVE


def interrupted(place, act, after=3):
    """The environment, in which something happens at a sleep."""
    environment, slept = place.environment, itertools.count(1)

    async def sleep(seconds):
        await time.sleep(seconds)
        if next(slept) == after:
            await act()

    time = environment.time
    return replace(environment, time=Time(time.now, sleep))


async def test_a_release_is_watched_after_its_deployment_until_it_does_not_answer(account, staging):
    script = Script(lines=("ERROR: an old one",))
    await staging.environment.deploy(await account.image(script), staging.tell)

    async def fall_silent():
        (service,) = account.cloud.app_runner.services.values()
        group, stream = f"{service.log_group}/application", f"instance/{service.instance.id}"
        for line in ("ERROR: no more connections", '"GET / HTTP/1.1" 500', "INFO: well"):
            account.cloud.logs.write(group, stream, account.cloud.clock.now(), line)
        script.silent = "/front"

    found = await watched(interrupted(staging, fall_silent), timedelta(hours=1), staging.tell)
    assert (found.status, found.errors) == (Status.UNANSWERED, 2)
    assert found.problem == "staging answers /front with 503"
    assert found.seconds < 300
    assert "log: ERROR: no more connections" in staging.told
    answer = of_release_watch(found)
    assert answer.code == 1
    assert "`slipway rollback --environment staging` goes back" in answer.text
    assert "connections" not in f"{answer.text} {answer.outputs} {to_json(answer.record)}"


async def test_a_watch_ends_after_its_span_or_with_another_release(account, staging):
    with pytest.raises(RefusedError, match="there is no service"):
        await watched(staging.environment, timedelta(minutes=1), staging.tell)
    await deployed(staging)
    found = await watched(staging.environment, timedelta(minutes=1), staging.tell)
    assert (found.status, found.errors, found.problem) == (Status.SUCCEEDED, 0, "")
    assert 60 <= found.seconds < 80
    other = await account.image()

    async def replace_it():
        (arn,) = account.cloud.app_runner.services
        await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(other))
        await account.settled(arn)

    found = await watched(interrupted(staging, replace_it), timedelta(hours=1), staging.tell)
    assert (found.status, found.problem) == (Status.SUPERSEDED, f"another release is live: {other}")


async def test_a_failed_change_of_another_tool_is_diagnosed_without_a_digest(account, staging):
    """Its image has a tag, and its port is not that of the settings."""
    arn = await account.create(await account.image())
    tagged = asked(await account.image(Script(lines=("Listening at: http://0.0.0.0:8000",), healthy=False)))
    image = tagged["SourceConfiguration"]["ImageRepository"]
    image["ImageConfiguration"] = {"Port": "3000"}
    await account.ask("apprunner", "update_service", ServiceArn=arn, **tagged)
    await account.settled(arn)
    account.cloud.app_runner.services[arn].name = "notes-staging"
    found = await diagnose(staging.environment, None)
    assert (found.ending, found.diagnosis.rule) == ("rolled back", "other-port")
    assert found.diagnosis.cause == "the release listens on the port 8000, and is asked on 3000"
