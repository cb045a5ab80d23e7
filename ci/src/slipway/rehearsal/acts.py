"""The acts on every target, and what each of them must show. The releases come from the service's own repository.

Before: production runs the release before this one. I: the checkout goes to staging, is tested there, and is promoted.
II: the gate refuses a release. III: an untested release is deployed, and the platform rolls it back.
"""

from typing import TypeVar

import anyio

from slipway.records.image import Image
from slipway.records.outcome import Status
from slipway.records.progress import Progress
from slipway.records.proof import Implication, Proof, Verdict
from slipway.records.rehearsal import Act
from slipway.rehearsal.scene import RunningAct, Scene, summary
from slipway.rehearsal.stage import Candidate
from slipway.untrusted import one_line

C = TypeVar("C", bound=Candidate)


async def before(scene: Scene[C]) -> Act:
    """Deploy the previous release to production; shows no progress, because the first act runs at the same time."""
    act = RunningAct("before", "production runs the release before this one", Progress())
    image = await scene.build(act, scene.story.before)
    outcome = await scene.deploy(act, image, "production")
    return scene.of_outcome(act, outcome, summary(outcome), passed=outcome.status is Status.SUCCEEDED)


async def promoted(scene: Scene[C], production_open: anyio.Event) -> tuple[Act, Image]:
    """Act I: build, test the migrations, deploy to staging, test there, promote the digest to a production with traffic."""
    act, release = RunningAct("I", "the checkout's release goes to production", scene.progress), scene.story.release
    image = await scene.build(act, release)
    proof = await scene.prove(act, release, image)
    if proof.verdict is Verdict.FAIL:
        happened = f"the gate refuses the checkout's own migrations ({_rules(proof)})"
        details = (*_findings(proof), *_adoption(scene))
        return act.ended(happened, scene.stage.gate, passed=False, details=details), image
    await scene.preflight(act, image, "staging")
    staged = await scene.deploy(act, image, "staging")
    if staged.status.exit_code:
        return scene.of_outcome(act, staged, summary(staged), passed=False), image
    await scene.smoke(act, "staging")
    await production_open.wait()
    outcome = await scene.promote(act, image)
    passed = outcome.status.exit_code == 0 and outcome.live == image.digest == staged.live
    return scene.of_outcome(act, outcome, f"{summary(outcome)}, the digest from staging", passed=passed), image


async def refused(scene: Scene[C], _live: Image | None) -> Act | None:
    """Act II: the gate refuses a migration and reports the place, the measured fact and the remedy."""
    release = scene.story.refused
    if release is None:
        return None
    act = RunningAct("II", f"the gate refuses a release, {one_line(release.subject)!r}", scene.progress)
    proof = await scene.prove(act, release, await scene.build(act, release))
    if proof.verdict is Verdict.PASS:
        return act.ended("the gate passed it", scene.stage.gate, passed=False)
    happened, details = f"REFUSED by {_rules(proof)}", _findings(proof)
    return act.ended(happened, scene.stage.gate, passed=_blocks(proof), details=details, expects_failure=True)


async def rolled_back(scene: Scene[C], live: Image | None) -> Act | None:
    """Act III: a release that was never started fails its health check, is rolled back, and the cause is named."""
    release = scene.story.rolled_back
    if release is None or live is None:
        return None
    act = RunningAct("III", f"an untested release is deployed, {one_line(release.subject)!r}", scene.progress)
    image = await scene.build(act, release)
    proof = await scene.prove(act, release, image)
    outcome = await scene.deploy(act, image, "production", note=", never started before")
    cause_known = outcome.diagnosis is not None and outcome.diagnosis.rule != "unknown"
    rolled_back = outcome.status is Status.ROLLED_BACK and outcome.live == live.digest
    happened = f"{summary(outcome)} still serves; deploy exits {outcome.status.exit_code}"
    passed = proof.verdict is Verdict.PASS and rolled_back and cause_known
    return scene.of_outcome(act, outcome, happened, passed=passed, expects_failure=True)


def _adoption(scene: Scene[C]) -> tuple[str, ...]:
    """Suggest `start-after` to a service whose old revisions have already run in production."""
    if scene.stage.account.settings.migrations.start_after:
        return ()
    return ('skip revisions that production already has: start-after = "REVISION" in [tool.slipway.migrations]',)


def _rules(proof: Proof) -> str:
    return ", ".join(sorted({finding.rule for finding in proof.failures}))


def _blocks(proof: Proof) -> bool:
    """Return whether the proof names a measured lock, and every failure has a place, a fact and a remedy."""
    explained = all(finding.line and finding.measured and finding.remedy for finding in proof.failures)
    return explained and any(Implication.BLOCKING in finding.implies for finding in proof.failures)


def _findings(proof: Proof) -> tuple[str, ...]:
    return tuple(
        line
        for finding in proof.failures
        for line in (
            f"{finding.file}:{finding.line} {finding.rule} {finding.message}",
            f"measured: {finding.measured}",
            "instead:",
            *finding.remedy.splitlines(),
        )
    )
