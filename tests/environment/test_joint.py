"""A release of several services ends in one truth, whatever fails and wherever its run is killed."""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from slipway.environment.joint import images_of, joint_deployment
from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.records.joint import Fate, JointOutcome
from slipway.records.ledger import Release
from slipway.records.migration import Migration
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action
from slipway.release.errors import AwsRefusedError
from tests.environment.several import Repository, repository, settings_of
from tests.release.deployers import EVERY_REQUEST, Kill, MortalAws, mortal
from tests.simulator.scripted import Script

SICK = Script(healthy=False, lines=("a line",))
STAYS = 'when-a-later-fails = "stay"'
CHANGES = ("CreateExpressGatewayService", "UpdateExpressGatewayService", "DeleteExpressGatewayService")
NEVER = Kill(10_000, done=False)


def ignore(_event):
    pass


async def images(shop: Repository, **scripts: Script) -> dict[str, str]:
    return {name: await shop.image(name, scripts.get(name)) for name in shop.services}


async def released(shop: Repository, digests: Mapping[str, str], **parts) -> JointOutcome:
    return await (await shop.joint(digests, **parts)).run(ignore)


async def records(shop: Repository, name: str) -> list[Release]:
    return list((await shop.environment(name).history()).releases)


def fates(outcome: JointOutcome) -> dict[str, Fate]:
    return {part.service: part.fate for part in outcome.parts}


@pytest.fixture
async def shop():
    async with repository(settings_of("web", "billing", subnets="public"), settings_of("billing")) as made:
        yield made


async def test_callees_come_first_each_ledger_names_the_release_and_a_second_run_changes_nothing(shop):
    digests = await images(shop)
    plan = await (await shop.joint(digests)).plan()
    assert [(each.service, each.action) for each in plan.plans] == [
        ("billing-staging", Action.CREATE),
        ("web-staging", Action.CREATE),
    ]
    assert "BILLING_URL gets the address of billing when that is deployed" in plan.plans[1].notes
    assert plan.back == ("web", "billing")
    assert sorted(images_of(plan, "staging")) == sorted(each.image for each in plan.plans)
    with pytest.raises(BadInputError, match="in staging, not for billing-staging in production"):
        images_of(plan, "production")
    billing = await shop.connected("billing")  # as by a run that was killed after its first service
    await billing.within((await shop.joint(digests)).release).deploy(digests["billing"], ignore)
    outcome = await replace(await shop.joint(digests), approved=plan).run(ignore)
    assert (outcome.exit_code, fates(outcome)) == (0, dict.fromkeys(("billing", "web"), Fate.LIVE))
    assert await shop.live() == digests
    assert shop.variables("web")["BILLING_URL"] == f"http://{shop.service('billing').gateway.front.address}"
    for name in digests:
        (record,) = await records(shop, name)
        assert record.joint == outcome.id == plan.id
        assert (await shop.environment(name).ledger.intent(1)).joint.images == tuple(
            f"{each}@{digests[each]}" for each in ("billing", "web")
        )
    before = len(shop.account.cloud.requests)
    again = await released(shop, digests)
    assert (again.exit_code, fates(again)) == (0, fates(outcome))
    assert not [each for each in shop.account.cloud.requests[before:] if each in CHANGES]


async def test_when_a_later_one_fails_the_earlier_go_back_and_the_next_run_tries_again(shop):
    first = await images(shop)
    await released(shop, first)
    second = await images(shop, web=SICK)
    outcome = await released(shop, second)
    assert (outcome.exit_code, fates(outcome)) == (1, {"billing": Fate.WENT_BACK, "web": Fate.FAILED})
    assert await shop.live() == first
    assert [each.live for each in outcome.parts] == [first["billing"], first["web"]]
    assert [(each.verb, each.joint) for each in await records(shop, "billing")][:2] == [
        (Verb.ROLLBACK, outcome.id),
        (Verb.DEPLOY, outcome.id),
    ]
    shop.account.backend.scripts[second["web"]] = Script()
    again = await released(shop, second)
    assert (again.exit_code, again.id, await shop.live()) == (0, outcome.id, second)


async def test_a_service_stays_when_its_settings_say_so_when_it_is_new_and_when_its_way_back_is_unproven(shop):
    digests = await images(shop, web=SICK)
    outcome = await released(shop, digests)
    assert fates(outcome) == {"billing": Fate.STAYS, "web": Fate.FAILED}
    assert "no other release was ever live here" in outcome.parts[0].why
    assert (outcome.exit_code, (await shop.live())["billing"]) == (1, digests["billing"])
    shop.services["billing"] = settings_of("billing", more=STAYS)
    later = digests | {"billing": await shop.image("billing")}
    outcome = await released(shop, later)
    assert fates(outcome) == {"billing": Fate.STAYS, "web": Fate.FAILED}
    assert (await shop.live())["billing"] == later["billing"]


@dataclass
class Migrating:
    """A runner that brings one database to the next head at each deployment."""

    head: int = 0
    how: str = "a test"

    async def migrate(self, _tell) -> Migration:
        self.head += 1
        before, after = (f"r{self.head - 1}",), (f"r{self.head}",)
        return Migration(before=before, after=after, applied=after, attempts=1, seconds=0.1)


async def test_a_service_that_has_migrated_goes_back_with_a_proof_or_a_reason_only(shop):
    first, runner = await images(shop), Migrating()

    async def migrating(_environment, _digest, _deployment):
        return runner

    async def released_with(digests: Mapping[str, str], reason: str = "") -> JointOutcome:
        made = await shop.joint(digests)
        billing = replace(made.environments["billing"], runner=migrating)
        return await replace(made, environments={**made.environments, "billing": billing}, reason=reason).run(ignore)

    assert (await released_with(first)).exit_code == 0
    second = await images(shop, web=SICK)
    outcome = await released_with(second)
    assert fates(outcome) == {"billing": Fate.STAYS, "web": Fate.FAILED}
    assert "no certificate covers the wanted release, of revision r1, on a database at r2" in outcome.parts[0].why
    assert (await shop.live())["billing"] == second["billing"]
    tried = await records(shop, "web")
    outcome = await released_with(second, reason="both work")
    assert await records(shop, "web") == tried  # it finishes the way back only
    assert (fates(outcome), await shop.live()) == ({"billing": Fate.WENT_BACK, "web": Fate.FAILED}, first)
    assert (await records(shop, "billing"))[0].risk == "both work"


async def test_what_is_refused_before_the_first_change_changes_nothing(shop):
    first = await images(shop)
    approved = await (await shop.joint(first)).plan()
    await released(shop, first)
    missing = {name: f"sha256:{number:064}" for number, name in enumerate(first)}
    before = len(shop.account.cloud.requests)
    with pytest.raises(RefusedError) as error:
        await released(shop, missing)
    assert {"web cannot be deployed now", "billing cannot be deployed now"} <= {
        part.strip() for part in str(error.value).replace(";", ":").split(":")
    }
    assert not [each for each in shop.account.cloud.requests[before:] if each in CHANGES]
    second = await images(shop)
    assert (await released(shop, second)).exit_code == 0
    with pytest.raises(RefusedError, match="live state of billing-staging has changed since the plan was made"):
        await replace(await shop.joint(first), approved=approved).run(ignore)
    with pytest.raises(RefusedError, match="brought a newer one"):  # a job of an old commit that runs again
        await released(shop, first)


async def test_a_callee_that_is_neither_live_nor_released_blocks_the_plan_and_the_release(shop):
    digests = {"web": await shop.image("web")}
    (plan,) = (await (await shop.joint(digests)).plan()).plans
    assert (plan.action, plan.reason) == (
        Action.BLOCKED,
        "it calls billing, which is not deployed and has no --image; pass one",
    )
    with pytest.raises(RefusedError, match="web cannot be deployed now: it calls billing"):
        await released(shop, digests)
    assert not [each for each in shop.account.cloud.requests if each in CHANGES]


async def test_images_of_no_service_are_named_at_once(shop):
    digest = await shop.image("web")
    there = shop.services["web"].environment("staging")
    host = f"{there.account}.dkr.ecr.{there.region}.amazonaws.com"
    found = await shop.joint({"web": digest})
    named = [*(f"{host}/{name}@{digest}" for name in ("web", "web", "mailer")), f"shop@{digest}"]

    async def opened(settings):
        return found.environments[settings.name]

    with pytest.raises(BadInputError) as error:
        await joint_deployment(shop.folders, "staging", named, opened)
    assert [str(each) for each in error.value.obstacles] == [
        "there are two images of web: pass one --image for each service",
        "no service of this repository is called 'mailer': it has billing, web",
        "no service of this repository is called 'shop': it has billing, web",
    ]
    with pytest.raises(BadInputError, match=r"^there are no images to release: pass"):
        await joint_deployment(shop.folders, "staging", (), opened)


async def test_another_deployment_meanwhile_is_no_success(shop):
    await released(shop, await images(shop))
    digests = await images(shop)
    made = await shop.joint(digests)
    other = await shop.image("billing")
    environment = made.environments["web"]
    deploy = type(environment).deploy

    async def deploy_and_be_overtaken(self, digest, tell, certificate=None, *, older=False):
        outcome = await deploy(self, digest, tell, certificate, older=older)
        if self.settings.name == "web":
            await shop.environment("billing").deploy(other, ignore)
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(environment), "deploy", deploy_and_be_overtaken)
        outcome = await made.run(ignore)
    assert (outcome.exit_code, fates(outcome)) == (1, {"billing": Fate.FAILED, "web": Fate.LIVE})
    assert outcome.parts[0].why == "another deployment has replaced it"


def truth(before: Mapping[str, str | None], digests: Mapping[str, str], live: Mapping[str, str | None]) -> set[str]:
    """Return which of the two states the services are in: `new`, `old`, or both."""
    return {"new" if live[name] == digests[name] else "old" if live[name] == before[name] else "?" for name in digests}


async def killed_and_run_again(kill: Kill, *, sick: bool) -> int:
    """Kill a release anywhere and run it until it says how it ended; return the number of requests of the first run."""
    async with repository(settings_of("web", "billing", subnets="public"), settings_of("billing")) as shop:
        before = await images(shop)
        await released(shop, before)
        digests = await images(shop, **({"web": SICK} if sick else {}))
        aws = MortalAws(shop.account, kill)
        outcome = None
        with mortal() as fate:
            outcome = await released(shop, digests, aws=aws)
        if fate.killed:
            await shop.account.cloud.clock.sleep(3600)  # a lock expires
            outcome = await released(shop, digests)
        assert outcome
        assert outcome.exit_code == (1 if sick else 0), (kill, outcome)
        assert truth(before, digests, await shop.live()) == ({"old"} if sick else {"new"}), (kill, outcome)
        for part in outcome.parts:
            assert part.live == (await shop.live())[part.service], kill
        return len(aws.mortal.operations)


@pytest.mark.slow
@pytest.mark.parametrize("sick", [False, True])
async def test_killed_at_some_requests_it_is_finished_by_the_same_command(sick):
    whole = await killed_and_run_again(NEVER, sick=sick)
    chosen = range(whole) if EVERY_REQUEST else random.Random(7).sample(range(whole), 4)
    for index in chosen:
        for done in (False, True) if EVERY_REQUEST else (index % 2 == 0,):
            await killed_and_run_again(Kill(index, done=done), sick=sick)


class _Outage(MortalAws):
    """A connection that is refused from one request on, for so many requests."""

    def __init__(self, account, index: int, times: int) -> None:
        super().__init__(account, None)
        self.refused = range(index, index + times)

    async def once(self, service: str, operation: str, /, **parameters):
        if len(self.mortal.operations) in self.refused:
            self.mortal.operations.append(operation)
            raise AwsRefusedError(service, operation, {"Code": "ExpiredTokenException", "Message": "expired"})
        return await super().once(service, operation, **parameters)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 10_000])
async def test_refused_requests_never_end_in_a_success_that_is_none_nor_hide_what_was_changed(times):
    for index in range(200) if EVERY_REQUEST else random.Random(times).sample(range(100), 5):
        async with repository(settings_of("web", "billing", subnets="public"), settings_of("billing")) as shop:
            await released(shop, await images(shop))
            digests = await images(shop, **({"web": SICK} if index % 2 else {}))
            aws, before = _Outage(shop.account, index, times), len(shop.account.cloud.requests)
            try:
                outcome = await released(shop, digests, aws=aws)
            except SlipwayError:
                assert not [each for each in shop.account.cloud.requests[before:] if each in CHANGES], index
                continue
            live = await shop.live()
            assert (outcome.exit_code == 0) <= (live == digests), (index, outcome)
            for part in outcome.parts:
                assert part.live in (live[part.service], None), (index, outcome)


def generated(rng: random.Random) -> tuple[dict[str, tuple[str, ...]], set[str], set[str], set[str]]:
    """Return a graph without cycles, the services that stay, those without an image, and those that fail."""
    names = [f"s{number}" for number in range(rng.randint(1, 4))]
    graph = {name: tuple(each for each in names[:index] if rng.random() < 0.5) for index, name in enumerate(names)}
    pick = lambda chance: {name for name in names if rng.random() < chance}  # noqa: E731 -- one line
    return graph, pick(0.2), pick(0.2), pick(0.3)


STORIES = int(os.environ.get("SLIPWAY_SCENARIOS", "6"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STORIES))
async def test_generated_graphs_and_failures_end_in_one_truth(seed):
    rng = random.Random(seed)
    graph, staying, left, failing = generated(rng)
    services = [settings_of(name, *calls, more=STAYS if name in staying else "") for name, calls in graph.items()]
    async with repository(*services) as shop:
        before = await images(shop)
        assert (await released(shop, before)).exit_code == 0
        digests = await images(shop, **dict.fromkeys(failing, SICK))
        digests = {name: digest for name, digest in digests.items() if name not in left} or digests
        made = await shop.joint(digests)
        outcome, live = await made.run(ignore), await shop.live()
        failed = next((name for name in made.order if name in failing), None)
        earlier = made.order[: made.order.index(failed)] if failed else made.order
        for name, callees in graph.items():
            assert all(made.graph.order.index(each) < made.graph.order.index(name) for each in callees)
        assert outcome.exit_code == (1 if failed else 0)
        for name in graph:
            is_new = name in earlier and (failed is None or name in staying)
            assert live[name] == (digests[name] if is_new else before[name]), (name, outcome)
        for part in outcome.parts:
            assert part.live == live[part.service]
            assert (part.fate in (Fate.LIVE, Fate.STAYS)) == (live[part.service] == digests[part.service])
            assert part.outcome is None or part.outcome.status is not Status.UNKNOWN
