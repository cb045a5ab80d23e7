"""The act of a move from App Runner to ECS Express Mode, while clients request the service's own domain name."""

from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio

from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.environment.move import Move, moving
from slipway.errors import RefusedError
from slipway.records.image import Image
from slipway.records.outcome import Outcome, Status
from slipway.records.rehearsal import Act
from slipway.rehearsal.clients import Clients
from slipway.rehearsal.scene import RunningAct, Scene, summary
from slipway.rehearsal.stage import LEGACY, Candidate, SimulatedAccount
from slipway.settings import TargetKind
from slipway.simulator.route53 import full

C = TypeVar("C", bound=Candidate)
_ZONE = "example.com"
_HOST = f"{LEGACY}.{_ZONE}"
_KNOWN_SECONDS = 60  # until resolvers know a new record


async def moved(scene: Scene[C], live: Image) -> Act | None:
    """Play act V: a service moves from App Runner to ECS Express Mode, the old service is paused, and no request fails."""
    account = scene.stage.account
    if account.target is not TargetKind.ECS_EXPRESS:
        return None
    act = scene.begin("V", "a service moves from App Runner to ECS Express Mode")
    environment = scene.environment(live, LEGACY, migrates=False)
    words = f"deploying to {LEGACY}, on App Runner", f"{LEGACY}, on App Runner"
    outcome = await scene.changed(act, words, partial(environment.deploy, live.digest))
    if outcome.status.exit_code:
        return scene.of_outcome(act, outcome, summary(outcome), passed=False)
    clients, address = Clients(environment.smoke_paths, account.cloud.clock), await _named(account, environment)
    with act.step(f"requesting {_HOST}"):
        await clients.check(address)
    refused = ""
    async with anyio.create_task_group() as tasks:
        clients.start(address, tasks)
        try:
            outcome = await _moved(scene, act, moving(environment))
        except RefusedError as error:
            refused = str(error)
        await clients.served()
        tasks.cancel_scope.cancel()
    traffic = clients.traffic()
    happened = (
        refused or f"{summary(outcome)} on ECS Express Mode; {traffic.failed} of {traffic.requests} requests failed"
    )
    passed = outcome.status is Status.SUCCEEDED and not refused and not traffic.failed
    ended = scene.of_outcome(act, outcome, happened, passed=passed)
    return replace(ended, details=(*ended.details, *traffic.failures))


async def _moved(scene: Scene[C], act: RunningAct, move: Move) -> Outcome:
    """Move, then pause the old service. Return the outcome of the move, or that of a pause that failed."""
    outcome = await scene.changed(act, (f"moving {_HOST} to ECS Express Mode", f"{_HOST} moved"), move.forward)
    if outcome.status.exit_code:
        return outcome
    words = "pausing the service on App Runner", "the service on App Runner paused"
    paused = await scene.changed(act, words, partial(move.finish, confirmed=""))
    return paused if paused.status.exit_code else outcome


async def _named(account: SimulatedAccount, environment: Environment) -> str:
    """Give the service on App Runner a name in Route 53. Return the address to which clients send requests."""
    arn = (await environment.status()).arn
    added = await environment.aws.call(
        "apprunner", "associate_custom_domain", ServiceArn=arn, DomainName=_HOST, EnableWWWSubdomain=False
    )
    made = await environment.aws.call("route53", "create_hosted_zone", Name=_ZONE, CallerReference=_ZONE)
    record = {"Name": _HOST, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": added["DNSTarget"]}]}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    await environment.aws.call(
        "route53",
        "change_resource_record_sets",
        HostedZoneId=made["HostedZone"]["Id"],
        ChangeBatch={"Changes": changes},
    )
    await account.cloud.clock.sleep(_KNOWN_SECONDS)
    return f"http://{account.cloud.route53.fronts[full(_HOST)].address}"
