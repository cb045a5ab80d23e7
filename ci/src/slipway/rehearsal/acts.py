"""The acts on every target, and what each must show. The releases come from the service's own repository.

- Start: the checkout starts on this machine, and its migrations are tested. This finds in seconds what would make every
  act fail.
- Before: production gets the previous release.
- I: the checkout goes to staging, is tested there, and is promoted.
- II: the gate refuses a release.
- III: an untested release is deployed, and the platform rolls it back.
"""

from typing import TypeVar

from slipway.records.checks import Check
from slipway.records.image import Image
from slipway.records.outcome import Status
from slipway.records.proof import Finding, Implication, Proof, Verdict
from slipway.records.rehearsal import Act
from slipway.rehearsal.scene import Scene, summary
from slipway.rehearsal.stage import ENVIRONMENTS, Candidate
from slipway.release.diagnosis import variables_of
from slipway.untrusted import one_line

C = TypeVar("C", bound=Candidate)


async def start(scene: Scene[C]) -> Image | None:
    """Build the checkout, start it once as the platform will, and test its migrations.

    Return None when one of these fails.
    """
    act, release = scene.begin("start", "the checkout starts here, and its migrations are tested"), scene.story.release
    image = await scene.build(act, release)
    if refusals := await scene.preflight(act, image, ENVIRONMENTS[0]):
        why = ", and ".join(
            f"{one_line(check.found, 1000).rstrip('.')}: {one_line(_remedy(scene, check), 1000)}" for check in refusals
        )
        details = tuple(f"log: {one_line(line)}" for check in refusals for line in check.lines)
        act.ended("the preflight refuses the release", passed=False, details=details, why=why)
        return None
    proof = await scene.prove(act, release, image)
    if proof.verdict is Verdict.FAIL:
        happened = f"the gate refuses the checkout's own migrations ({_rules(proof)})"
        details, first = (*_findings(proof), *_adoption(scene)), proof.failures[0]
        why = f"{happened}: {_place(first)}{first.message.rstrip('.')}: `slipway gate` shows it with its remedy"
        act.ended(happened, passed=False, details=details, why=why)
        return None
    act.ended(f"the checkout becomes healthy; the gate passes ({proof.executed})", passed=True)
    return image


async def before(scene: Scene[C]) -> str | None:
    """Deploy the previous release to production. Return its address, or None on failure."""
    act = scene.begin("before", "production runs the release before this one")
    outcome = await scene.deploy(act, await scene.build(act, scene.story.before), "production")
    if outcome.status is not Status.SUCCEEDED:
        scene.of_outcome(act, outcome, summary(outcome), passed=False)
        return None
    with act.step("requesting production"):
        production = scene.stage.account.environment("production")
        address = production.address_of((await production.status()).url)
        await scene.clients.check(address)
    scene.of_outcome(act, outcome, summary(outcome), passed=True)
    return address


async def promoted(scene: Scene[C], image: Image) -> Act:
    """Play act I: deploy to staging, test there, and promote the digest to production while clients use it."""
    act = scene.begin("I", "the checkout's release goes to production")
    staged = await scene.deploy(act, image, "staging")
    if staged.status.exit_code:
        return scene.of_outcome(act, staged, summary(staged), passed=False)
    await scene.smoke(act, "staging")
    outcome = await scene.promote(act, image)
    passed = outcome.status.exit_code == 0 and outcome.live == image.digest == staged.live
    return scene.of_outcome(act, outcome, f"{summary(outcome)}, the digest from staging", passed=passed)


async def refused(scene: Scene[C], _live: Image) -> Act | None:
    """Play act II: the gate refuses a migration, and reports place, measured fact and remedy."""
    release = scene.story.refused
    if release is None:
        return None
    act = scene.begin("II", f"the gate refuses a release, {one_line(release.subject)!r}", how=scene.stage.gate)
    proof = await scene.prove(act, release, await scene.build(act, release))
    if proof.verdict is Verdict.PASS:
        return act.ended("the gate passed it", passed=False)
    happened, details = f"REFUSED by {_rules(proof)}", _findings(proof)
    return act.ended(happened, passed=_blocks(proof), details=details, expects_failure=True)


async def rolled_back(scene: Scene[C], live: Image) -> Act | None:
    """Play act III: a release that was never started fails its health check and is rolled back, and the diagnosis names the cause."""
    release = scene.story.rolled_back
    if release is None:
        return None
    act = scene.begin("III", f"an untested release is deployed, {one_line(release.subject)!r}")
    image = await scene.build(act, release)
    proof = await scene.prove(act, release, image)
    outcome = await scene.deploy(act, image, "production", note=", never started before")
    cause_known = outcome.diagnosis is not None and outcome.diagnosis.rule != "unknown"
    rolled_back = outcome.status is Status.ROLLED_BACK and outcome.live == live.digest
    happened = f"{summary(outcome)} still serves; deploy exits {outcome.status.exit_code}"
    passed = proof.verdict is Verdict.PASS and rolled_back and cause_known
    return scene.of_outcome(act, outcome, happened, passed=passed, expects_failure=True)


def _remedy(scene: Scene[C], check: Check) -> str:
    """Return a check's remedy.

    For a service without a table for its environment, name the table in which variables can be set.
    """
    environment = ENVIRONMENTS[0]
    declared = environment in scene.stage.account.declared
    return check.remedy if declared else check.remedy.replace(variables_of(environment), variables_of(""))


def _adoption(scene: Scene[C]) -> tuple[str, ...]:
    """Return the advice to set `start-after`, for a service whose old revisions have already run in production."""
    if scene.stage.account.settings.migrations.start_after:
        return ()
    return ('skip revisions that production already has: start-after = "REVISION" in [tool.slipway.migrations]',)


def _rules(proof: Proof) -> str:
    return ", ".join(sorted({finding.rule for finding in proof.failures}))


def _blocks(proof: Proof) -> bool:
    """Return whether the proof has a measured lock, and every failure has a place, a fact and a remedy."""
    explained = all(finding.line and finding.measured and finding.remedy for finding in proof.failures)
    return explained and any(Implication.BLOCKING in finding.implies for finding in proof.failures)


def _place(finding: Finding) -> str:
    """Return file and line of a finding; empty for one on the whole history."""
    return f"{finding.file}:{finding.line} " if finding.file else ""


def _findings(proof: Proof) -> tuple[str, ...]:
    return tuple(
        line
        for finding in proof.failures
        for line in (
            f"{_place(finding)}{finding.rule} {finding.message}",
            f"measured: {finding.measured}",
            "instead:",
            *finding.remedy.splitlines(),
        )
    )
