"""The act for ECS Express Mode only: the canary of a release answers with errors, and the platform rolls it back."""

from typing import TypeVar

from slipway.records.image import Image
from slipway.records.outcome import Outcome, Status
from slipway.records.rehearsal import Act
from slipway.rehearsal.scene import Scene, summary
from slipway.rehearsal.stage import Candidate
from slipway.settings import TargetKind
from slipway.untrusted import one_line

C = TypeVar("C", bound=Candidate)
_ALARMS = ("alarm-5xx", "alarm-4xx", "alarm")


async def failing_canary(scene: Scene[C], live: Image) -> Act | None:
    """Play act IV: a healthy release answers with errors, the load balancer's alarm fires, and only this release's requests fail."""
    release, account = scene.story.failing, scene.stage.account
    if release is None or account.target is not TargetKind.ECS_EXPRESS:
        return None
    act = scene.begin("IV", f"a healthy release answers with errors, {one_line(release.subject)!r}")
    image = await scene.build(act, release)
    requests, failed = scene.clients.requests, scene.clients.failed
    outcome = await scene.deploy(act, image, "production", note=", whose alarm watches it")
    await scene.clients.served()
    requests, failed = scene.clients.requests - requests, scene.clients.failed - failed
    # These include the errors of slipway's own requests during a canary, which may trigger the alarm before a client
    # meets one.
    by_release, by_others = account.errors_since_newest("production")
    if not by_release:
        paths = ", ".join(scene.clients.paths)
        remedy = f"the clients request {paths}: name a path that this release breaks in smoke-paths of [tool.slipway]"
        happened = f"{summary(outcome)}, and no request failed"
        return act.ended(happened, passed=False, details=(remedy,))
    scene.clients.expect(0 if by_others else min(failed, by_release))
    others = f", other releases {by_others}" if by_others else ""
    own = max(0, by_release + by_others - failed)
    shares = f"the bad release failed {failed - by_others} of the clients' {requests} requests{others}, and {own} of slipway's own during the canary"
    happened = f"{summary(outcome)} still serves; {shares}; deploy exits {outcome.status.exit_code}"
    passed = _rolled_back(outcome, live) and by_others == 0 and failed <= by_release
    return scene.of_outcome(act, outcome, happened, passed=passed, expects_failure=True)


def _rolled_back(outcome: Outcome, live: Image) -> bool:
    alarmed = outcome.diagnosis is not None and outcome.diagnosis.rule in _ALARMS
    return outcome.status is Status.ROLLED_BACK and outcome.live == live.digest and alarmed
