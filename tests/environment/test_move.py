"""The move from App Runner to ECS Express Mode; the oracle is the simulated account, and what its clients get.

`SLIPWAY_MOVES=50 pytest tests/environment/test_move.py -k fifty` plays it that often, `SLIPWAY_EVERY_REQUEST=1 … -k killed` kills each command before and
after each request.
"""

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import httpx
import pytest

from slipway.environment.move import Move
from slipway.environment.move_plan import plan_back, plan_finish, plan_forward
from slipway.environment.move_sides import Sides
from slipway.environment.redeploy import CompatibilityEvidence, plan_rollback, rollback
from slipway.environment.shifting import SHIFTS
from slipway.environment.status import status
from slipway.errors import BadInputError, RefusedError
from slipway.records.outcome import Outcome, Status, Verb
from slipway.records.plan import Action
from slipway.records.progress import Tell
from slipway.release.bootstrap.roles import policy, scope_of
from slipway.release.move import shift
from slipway.release.move.counterpart import keys_after
from slipway.release.move.records import NEW
from slipway.settings import parse
from tests.environment.express import ARN
from tests.environment.moves import HOST, SETTINGS, Moving, moved_from
from tests.release.deployers import EVERY_REQUEST, Kill, MortalAws, mortal
from tests.release.policed import hold

MOVES = int(os.environ.get("SLIPWAY_MOVES", "0"))
UNPROVEN = CompatibilityEvidence(None, "a story")


@pytest.fixture(autouse=True)
def brief(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step be watched for a minute, except in plays under traffic."""
    if "under_traffic" not in request.node.name:
        monkeypatch.setattr(shift, "WATCH_SECONDS", 60.0)


async def moved(there: Moving) -> None:
    outcome = await there.move.forward(there.tell)
    assert (outcome.status, outcome.verb, outcome.live) == (Status.SUCCEEDED, Verb.SHIFT, there.digest), outcome


async def under_traffic(there: Moving, path: str = "/") -> None:
    """Move while clients ask, and some time more."""
    async with anyio.create_task_group() as clients:
        clients.start_soon(there.traffic, path)
        await moved(there)
        await there.account.cloud.clock.sleep(60)
        clients.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_service_moves_under_traffic_without_a_failed_request_and_is_finished_and_rolled_back():
    async with moved_from() as there:
        there.policed = True
        hold(there.account, policy(scope_of(parse(SETTINGS), "staging"), ["move"]))
        plan = await plan_forward(there.move)
        assert (plan.action, plan.changes[-1].before, plan.changes[-1].after) == (
            Action.CREATE,
            "0 % on ecs-express",
            "100 %",
        )
        assert "65.39 $ a month" in " ".join(plan.notes)
        await under_traffic(there)
        assert (set(there.answers), there.answers.total() > 50) == ({"200"}, True)
        assert await there.share() == 100
        assert [line for line in there.told if "new side" in line] == [
            f"{step} % of the traffic for the new side" for step in (0, 10, 50, 100)
        ]
        again = await there.move.forward(there.tell)
        assert (again.status, (await plan_forward(there.move)).action) == (Status.NOOP, Action.NOOP)
        with pytest.raises(RefusedError, match="has moved to ECS"):
            await there.environment.deploy(await there.account.image(), there.tell)
        assert (await there.environment.plan(await there.account.image())).action is Action.BLOCKED
        situation = await status(there.environment)
        assert "has moved to ECS Express Mode with deployment 3" in situation.traffic
        there.settings = settings_after(there)
        await is_finished(there)
        there.account.cloud.guard.policies.clear()
        assert not [line for line in there.told if "not authorized" in line]
        await continues(there)


def settings_after(there: Moving) -> str:
    """The settings with the printed keys."""
    head = SETTINGS.partition("[tool.slipway.environments.staging.move]")[0]
    kept = [line for line in head.splitlines() if not line.startswith(("access-role", "health-check", "target"))]
    return "\n".join([*kept, keys_after(there.move.new.settings, "staging")])


async def is_finished(there: Moving) -> None:
    assert (await plan_finish(there.move, "")).action is Action.PAUSE
    paused = await there.move.finish(there.tell, "")
    (old,) = there.account.cloud.app_runner.services.values()
    assert (paused.status, old.status) == (Status.SUCCEEDED, "PAUSED")
    assert [change.name for change in (await plan_back(there.move, "")).changes] == ["traffic", "state"]
    with pytest.raises(BadInputError, match="was not deleted"):
        await there.move.finish(there.tell, "other")
    gone = await there.move.finish(there.tell, "notes")
    assert (gone.status, old.status, await there.share()) == (
        Status.SUCCEEDED,
        "DELETED",
        there.express.gateway.balancer.dns,
    )
    assert (await there.move.finish(there.tell, "notes")).status is Status.NOOP
    with pytest.raises(RefusedError, match="nothing to go back to"):
        await there.move.back(there.tell, "")


async def continues(there: Moving) -> None:
    """With the printed settings the environment deploys to ECS, and rolls back to a release from before the move."""
    first = there.digest
    assert (await there.environment.deploy(first, there.tell)).status is Status.NOOP
    well = await status(there.environment)
    assert (well.names, well.unanswered, well.exit_code) == ((HOST,), "", 0)
    no_certificate(there)
    broken = await status(there.environment)
    assert (f"under the name {HOST}" in broken.unanswered, broken.exit_code) == (True, 1)
    assert f"restore the certificate and the rule of {HOST} at " in broken.way_out
    second = await there.account.image()
    assert (await there.environment.deploy(second, there.tell)).live == second
    assert [change.name for change in (await plan_rollback(there.environment, 1, UNPROVEN)).changes] == ["image"]
    back = await rollback(there.environment, there.tell, None, UNPROVEN)
    assert (back.status, back.live) == (Status.SUCCEEDED, first)


@pytest.mark.slow
@pytest.mark.skipif(not MOVES, reason="SLIPWAY_MOVES=50 plays it fifty times")
@pytest.mark.parametrize("number", range(MOVES))
async def test_fifty_moves_under_traffic_have_no_failed_request(number):
    async with moved_from() as there:
        await there.account.cloud.clock.sleep(number * 7)  # another place in the minutes of CloudWatch
        async with anyio.create_task_group() as clients:
            for _ in range(3):
                clients.start_soon(there.traffic, "/", 1.0 + number % 5)
            await moved(there)
            assert (await there.move.finish(there.tell, "")).status is Status.SUCCEEDED
            await there.account.cloud.clock.sleep(60)
            clients.cancel_scope.cancel()
        assert set(there.answers) == {"200"}, there.answers


@pytest.mark.slow
async def test_errors_of_clients_take_the_traffic_back_and_the_command_fails():
    async with moved_from() as there:
        async with anyio.create_task_group() as clients:
            clients.start_soon(there.traffic, "/search")
            clients.start_soon(planted_at, there, 10, "/search")
            outcome = await there.move.forward(there.tell)
            clients.cancel_scope.cancel()
        assert (outcome.status, outcome.status.exit_code) == (Status.ROLLED_BACK, 1)
        assert "with 5xx" in outcome.diagnosis.cause
        assert await there.share() == 0
        (recorded,) = [each for each in (await there.environment.history()).releases if each.verb is Verb.SHIFT]
        assert (recorded.status, recorded.cause) == (Status.ROLLED_BACK, outcome.diagnosis.cause)
        second = await there.environment.deploy(await there.account.image(), there.tell)
        assert second.status is Status.SUCCEEDED  # App Runner has the traffic, and takes releases again
        back = await rollback(there.environment, there.tell, None, UNPROVEN)
        assert (back.status, back.live) == (Status.SUCCEEDED, there.digest)  # its newest record is that of the move
        await gives_back_what_a_deleted_service_has(there)


@pytest.mark.slow
async def test_a_side_that_does_not_answer_under_the_services_own_name_gets_no_traffic():
    async with moved_from() as there:
        await refuses_before_the_first_step(there)
        for lost, said in ((no_certificate, "ECS does not answer /front under the name"), (no_rule, "with 404")):
            assert said in await is_taken_back(there, lost)
        await is_taken_back_after_a_kill(there)
        await moved(there)
        no_certificate(there)
        with pytest.raises(RefusedError, match=r"ECS does not answer /front under the name notes\.example\.com"):
            await there.move.finish(there.tell, "")
        assert (await plan_finish(there.move, "")).action is Action.BLOCKED
        (lacking,) = (await plan_forward(there.move)).changes
        assert (lacking.name, lacking.before) == (f"certificate for {HOST}", "issued")
        assert (await there.move.forward(there.tell)).status is Status.NOOP  # with its certificate again
        await is_not_worsened(there)


@pytest.mark.slow
async def test_a_move_that_asks_only_the_services_own_address_is_caught_by_its_clients(monkeypatch):
    """The mistake, planted: it ends as a success, and no client of the name gets an answer."""
    for way in ("old_way", "new_way"):
        asked = getattr(Sides, way)
        monkeypatch.setattr(Sides, way, lambda sides, between, _name=None, asked=asked: asked(sides, between))
    async with moved_from() as there:
        with keeping_no_certificate(there):
            await moved(there)
        with pytest.raises(httpx.RemoteProtocolError):
            await there.traffic()


async def refuses_before_the_first_step(there: Moving) -> None:
    """A load balancer that keeps no certificate fails every handshake under the name; the service's own address answers."""
    with keeping_no_certificate(there), pytest.raises(RefusedError) as refused:
        await there.move.forward(there.tell)
    assert f"stays on App Runner: ECS does not answer /front under the name {HOST}" in refused.value.what
    assert await there.share() == there.old  # no weighted record was ever made


@contextmanager
def keeping_no_certificate(there: Moving) -> Iterator[None]:
    async def forgotten(request: Any, _call: Any) -> dict[str, Any]:
        return {"Certificates": request["Certificates"]}

    services = there.account.cloud.operations
    before = services["elbv2"]
    services["elbv2"] = {**before, "AddListenerCertificates": forgotten}
    yield
    services["elbv2"] = before


def no_certificate(there: Moving) -> None:
    there.express.gateway.balancer.certificates.clear()


def no_rule(there: Moving) -> None:
    there.express.gateway.rule.hosts.remove(HOST)


async def is_taken_back(there: Moving, lost: Callable[[Moving], None]) -> str:
    async def lose() -> None:
        while await there.share() != 10:
            await there.account.cloud.clock.sleep(5)
        lost(there)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lose)
        outcome = await there.move.forward(there.tell)
    assert (outcome.status, outcome.status.exit_code, await there.share()) == (Status.ROLLED_BACK, 1, 0)
    return str(outcome.diagnosis.cause)


async def is_taken_back_after_a_kill(there: Moving) -> None:
    """A move that was killed with half of the traffic on ECS does not leave it there."""
    assert await is_killed(there, "forward", Kill(1, done=True, of="change_resource_record_sets"))
    assert await there.share() == 50
    no_certificate(there)
    with keeping_no_certificate(there):
        outcome = await there.move.forward(there.tell)
    assert (outcome.status, await there.share()) == (Status.ROLLED_BACK, 0)
    assert f"ECS does not answer /front under the name {HOST}" in outcome.diagnosis.cause


async def is_not_worsened(there: Moving) -> None:
    """Going back to a side that does not answer is refused as long as the other one does."""
    (old,) = there.account.cloud.app_runner.services.values()
    address, _ = next(iter(old.front._shares.items()))
    old.front.route(None)
    with pytest.raises(RefusedError, match=r"stays on ECS, which answers: App Runner answers /front under .* with 503"):
        await there.move.back(there.tell, "")
    assert await there.share() == 100
    no_certificate(there)
    assert (await there.move.back(there.tell, "")).status is Status.SUCCEEDED
    old.front.route(address)


async def gives_back_what_a_deleted_service_has(there: Moving) -> None:
    for record in await there.records():
        await there.put({**record, "Weight": 100 if record["SetIdentifier"] == NEW else 0})
    await there.account.ask("ecs", "delete_express_gateway_service", serviceArn=ARN)
    await there.account.cloud.clock.sleep(60)
    assert (await there.move.back(there.tell, "")).status is Status.SUCCEEDED
    assert await there.share() == there.old


async def planted_at(there: Moving, share: int, path: str) -> None:
    while not (there.zone and ARN in there.account.cloud.ecs.express.services and await there.share() == share):
        await there.account.cloud.clock.sleep(5)
    there.plant(path)


@pytest.mark.slow
async def test_a_person_goes_back_during_a_move_and_deletes_the_new_service():
    async with moved_from() as there:
        outcomes = {}

        async def forward() -> None:
            outcomes["forward"] = await there.move.forward(there.tell)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forward)
            while await there.share() != 50:
                await there.account.cloud.clock.sleep(10)
            assert (await plan_back(there.move, "")).changes[0].before == "50 % on ecs-express"
            with pytest.raises(RefusedError, match="does not lead to ECS alone"):
                await there.move.finish(there.tell, "")
            outcomes["back"] = await there.move.back(there.tell, "")
        assert (outcomes["back"].status, outcomes["forward"].status) == (Status.SUCCEEDED, Status.SUPERSEDED)
        assert await there.share() == 0
        gone = await there.move.back(there.tell, "notes")
        assert (gone.status, there.express.status, await there.share()) == (Status.SUCCEEDED, "INACTIVE", there.old)
        assert (await there.move.back(there.tell, "notes")).status is Status.NOOP


@pytest.mark.slow
async def test_obstacles_and_answers_that_differ_change_nothing():
    async with moved_from() as there:
        there.account.backend.scripts[there.digest].says = lambda: '{"image_head": "b", "database_head": "a"}'
        await there.put({"Name": HOST, "Type": "CNAME", "TTL": 9, "ResourceRecords": [{"Value": "elsewhere.net"}]})
        with pytest.raises(RefusedError) as refused:
            await there.move.forward(there.tell)
        assert [word in refused.value.what for word in ("a move does not migrate", "elsewhere.net")] == [True, True]
        plan = await plan_forward(there.move)
        assert (plan.action, plan.reason in str(refused.value)) == (Action.BLOCKED, True)
        assert ARN not in there.account.cloud.ecs.express.services


@dataclass(frozen=True)
class Command:
    """A command of a move.

    - ends: the states of both services after it. share: of the new side, or the side that a simple record leads to.
    - needs: the commands before it, also after itself. once: whether it needs a service of its own.
    """

    run: Callable[[Move, Tell], Awaitable[Outcome]]
    ends: tuple[str, str]
    share: int | str
    needs: tuple[str, ...] = ()
    once: bool = False


COMMANDS = {
    "forward": Command(lambda move, tell: move.forward(tell), ("RUNNING", "ACTIVE"), 100, once=True),
    "back": Command(lambda move, tell: move.back(tell, ""), ("RUNNING", "ACTIVE"), 0, ("forward",)),
    "pause": Command(lambda move, tell: move.finish(tell, ""), ("PAUSED", "ACTIVE"), 100, ("back", "forward")),
    "back from a pause": Command(
        lambda move, tell: move.back(tell, ""), ("RUNNING", "ACTIVE"), 0, ("forward", "pause")
    ),
    "back and delete": Command(
        lambda move, tell: move.back(tell, "notes"), ("RUNNING", "INACTIVE"), "old", ("forward",)
    ),
    "finish and delete": Command(
        lambda move, tell: move.finish(tell, "notes"), ("DELETED", "ACTIVE"), "new", ("forward",), once=True
    ),
}
WRITES = ("change_", "create_", "delete_", "modify_", "pause_", "resume_", "request_", "add_", "put_", "batch_delete_")


@pytest.mark.slow
async def test_killed_commands_of_a_move_resume_to_the_truth():
    weights = "change_resource_record_sets"
    story = {
        "forward": Kill(2, done=True, of=weights),
        "back and delete": Kill(0, done=True, of="delete_express_gateway_service"),
        "finish and delete": Kill(0, done=True, of="delete_service"),
    }
    async with moved_from() as there:
        for name, kill in story.items():
            if name.startswith("finish"):
                await there.move.forward(there.tell)
            assert await is_killed(there, name, kill), name
            await resumes(there, name, kill)


@pytest.mark.slow
@pytest.mark.skipif(
    not EVERY_REQUEST, reason="SLIPWAY_EVERY_REQUEST=1 kills each command before and after each request"
)
@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_of_a_move_that_is_killed_at_each_request_resumes_to_the_truth(name):
    """Before and after each write, before the first read of each kind, and after the last."""
    command, count = COMMANDS[name], 0
    async with moved_from() as there:
        await prepare(there, command)
        kills = points(await run_until(there, name, Kill(10_000, done=False)))
    size = 1 if command.once else 25
    for batch in (kills[first : first + size] for first in range(0, len(kills), size)):
        async with moved_from() as there:
            for kill in batch:
                await prepare(there, command)
                count += await is_killed(there, name, kill)
                await resumes(there, name, kill)
    assert count > 0.9 * len(kills) > 15  # later runs have fewer reads of a kind at times


def points(requests: list[str]) -> list[Kill]:
    kills, seen = list[Kill](), Counter[str]()
    for operation in requests:
        index, last = seen[operation], requests.count(operation) - 1
        is_write = operation.startswith(WRITES)
        kills += [Kill(index, done=False, of=operation)] if is_write or index == 0 else []
        kills += [Kill(index, done=True, of=operation)] if is_write or index == last else []
        seen[operation] += 1
    return kills


async def prepare(there: Moving, command: Command) -> None:
    for need in command.needs:
        await COMMANDS[need].run(there.move, there.tell)


async def is_killed(there: Moving, name: str, kill: Kill) -> bool:
    requests = await run_until(there, name, kill)
    return requests.count(str(kill.of)) == kill.index + 1


async def run_until(there: Moving, name: str, kill: Kill) -> list[str]:
    """Run a command in a process that dies, and return its requests."""
    aws, move = MortalAws(there.account, kill), there.move
    environment = replace(there.environment, connection=aws)
    with mortal():
        await COMMANDS[name].run(
            replace(move, old=environment, new=environment.with_settings(move.new.settings)), there.tell
        )
    return aws.mortal.operations


async def resumes(there: Moving, name: str, kill: object) -> None:
    command = COMMANDS[name]
    end = await command.run(there.move, there.tell)
    assert end.status in {Status.SUCCEEDED, Status.NOOP}, (kill, end)
    (old,) = there.account.cloud.app_runner.services.values()
    (new,) = there.account.cloud.ecs.express.services.values()
    assert ((old.status, new.status), len(new.deployments)) == (command.ends, 1), kill
    assert await there.share() == {"old": there.old, "new": new.gateway.balancer.dns}.get(command.share, command.share)
    history = await there.environment.settled(await there.environment.history())
    ends = {each.status for each in history.releases if each.verb in SHIFTS}
    assert (ends, history.unfinished) == ({Status.SUCCEEDED}, ()), kill


@pytest.mark.slow
async def test_without_route_53_the_records_are_printed_and_awaited_and_without_a_name_the_new_address_is():
    asked: list[str] = []

    async def resolve(name: str) -> frozenset[str]:
        asked.append(name)
        return frozenset({"192.0.2.1"} if name != HOST or len(asked) > 8 else {"192.0.2.9"})

    async with moved_from(named=False, resolve=resolve) as there:
        assert "no traffic is shifted" in (await plan_forward(there.move)).notes[-1]
        outcome = await there.move.forward(there.tell)
        assert (outcome.status, outcome.url) == (Status.SUCCEEDED, there.express.gateway.front.address)
        assert ("only address" in there.told[-2], "after the move" in there.told[-1]) == (True, True)

        (service,) = there.account.cloud.app_runner.services.values()
        service.domains[HOST] = False
        there.account.cloud.certificates.proven.add(HOST)
        outcome = await there.move.forward(there.tell)
        assert (outcome.status, len(asked)) == (Status.NOOP, 10)
        target = there.express.gateway.balancer.dns
        assert f"set this record: {HOST} CNAME {target}" in there.told
        asked.clear()
        with pytest.raises(RefusedError, match=r"in DNS notes\.example\.com does not"):
            await there.move.finish(there.tell, "")
        there.resolve = None
        unknown = await there.move.forward(there.tell)
        assert (unknown.status, "was not asked" in unknown.diagnosis.cause) == (Status.UNKNOWN, True)
