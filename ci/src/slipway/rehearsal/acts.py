"""The acts. What each must show stands here; what a release is made of, and which one is bad, stands nowhere in slipway.

Before: production runs the release before this one. I: the checkout goes to staging, is tried, and is promoted.
II: the gate refuses a release. III: a release is deployed though nobody tried it, and the platform takes it back.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

import anyio

from slipway.records.image import Image
from slipway.records.migration import Migration
from slipway.records.outcome import Outcome, Status
from slipway.records.progress import Event
from slipway.records.proof import Proof, Verdict
from slipway.records.rehearsal import Act
from slipway.records.migration import Standing
from slipway.release.engine.engine import Tell
from slipway.release.preflight.preflight import refuse
from slipway.release.runners.runner import Runner
from slipway.untrusted import one_line
from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.environment.promote import promote
from slipway.rehearsal.scene import Scene
from slipway.rehearsal.stage import Release, Stage
from slipway.records.progress import NullProgress, Progress

R = TypeVar("R", bound=Release)


@dataclass(frozen=True)
class Players(Generic[R]):
    """What every act is played with."""

    stage: Stage[R]
    voice: Progress

    async def prologue(self, release: R) -> Act:
        """Production runs a release, made from a commit of its own with the same files; it is played behind the first act."""
        scene = Scene("before", "production runs the release before this one", NullProgress())
        image = await self._build(scene, release)
        outcome = await self._deploy(scene, image, "production")
        self.voice.note(f"meanwhile production: {told(outcome)}, the release before this one; clients begin to ask it")
        succeeded = outcome.status is Status.SUCCEEDED
        return scene.ended(told(outcome), self.stage.how, passed=succeeded, details=_diagnosis(outcome))

    async def promoted(self, release: R, production_open: anyio.Event) -> tuple[Act, Image]:
        """Act I: built, proven, deployed to staging, tried there, promoted by digest to a production that is in use."""
        scene = Scene("I", "the checkout's release goes to production", self.voice)
        image = await self._build(scene, release)
        proof = await self._prove(scene, release, image)
        if proof.verdict is Verdict.FAIL:
            happened = f"the gate refuses the checkout's own migrations ({_rules(proof)})"
            details = (*_findings(proof), *self._adoption())
            return scene.ended(happened, self.stage.gate, passed=False, details=details), image
        await self._preflight(scene, image, "staging")
        staged = await self._deploy(scene, image, "staging")
        if staged.status.exit_code:
            return scene.ended(told(staged), self.stage.how, passed=False, details=_diagnosis(staged)), image
        await self._smoke(scene, "staging")
        await production_open.wait()
        outcome = await self._promote(scene, image)
        passed = outcome.status.exit_code == 0 and outcome.live == image.digest == staged.live
        happened = f"{told(outcome)}, the digest that staging had"
        return scene.ended(happened, self.stage.how, passed=passed, details=_diagnosis(outcome)), image

    async def refused(self, release: R) -> Act:
        """Act II: the gate refuses a migration, and says where, what it measured, and what to write instead."""
        scene = Scene("II", f"the gate refuses a release, {one_line(release.subject)!r}", self.voice)
        proof = await self._prove(scene, release, await self._build(scene, release))
        if proof.verdict is Verdict.PASS:
            return scene.ended("the gate let it pass", self.stage.gate, passed=False)
        return scene.ended(
            f"REFUSED by {_rules(proof)}", self.stage.gate, passed=_blocks(proof), details=_findings(proof)
        )

    async def rolled_back(self, release: R, live: Image) -> Act:
        """Act III: deployed without having been started before, it does not become healthy; the platform goes back, and slipway says so."""
        scene = Scene("III", f"a release is deployed untried, {one_line(release.subject)!r}", self.voice)
        image = await self._build(scene, release)
        proof = await self._prove(scene, release, image)
        outcome = await self._deploy(scene, image, "production", note=", not started here before")
        named = outcome.diagnosis is not None and outcome.diagnosis.rule != "unknown"
        rolled_back = outcome.status is Status.ROLLED_BACK and outcome.live == live.digest
        happened = f"{told(outcome)} still serves; would exit {outcome.status.exit_code}"
        passed = proof.verdict is Verdict.PASS and rolled_back and named
        return scene.ended(happened, self.stage.how, passed=passed, details=_diagnosis(outcome))

    async def _build(self, scene: Scene, release: R) -> Image:
        with scene.step(f"building {release.revision[:12]}") as doing:
            image = await self.stage.build(release)
            size = f"{image.size / 1000:.0f} kB, kind {image.kind.value}"
            doing.said = f"built {_short(image.digest)} from the commit {release.revision[:12]} ({size})"
        return image

    async def _prove(self, scene: Scene, release: R, image: Image) -> Proof:
        with scene.step("proving its migrations") as doing:
            proof = await self.stage.prove(release, image)
            verdict = "proven" if proof.verdict is Verdict.PASS else "refused"
            done = f"{proof.coverage.revisions} revisions up, down and up again on PostgreSQL {proof.postgres}"
            doing.said = f"migrations {verdict}: {done}{self._other_major(proof)}"
        return proof

    def _adoption(self) -> tuple[str, ...]:
        """A service that comes to slipway has a past, which its production has survived."""
        if self.stage.account.settings.migrations.start_after:
            return ()
        return (
            'what production has had for long can be left out: start-after = "REVISION" in [tool.slipway.migrations]',
        )

    def _other_major(self, proof: Proof) -> str:
        wanted = self.stage.account.settings.migrations.major
        return "" if wanted in (None, int(proof.postgres.partition(".")[0])) else f", not on {wanted}"

    async def _preflight(self, scene: Scene, image: Image, environment: str) -> None:
        with scene.step("preflight") as doing:
            found = await self.stage.preflight(image, environment)
            refuse(found)
            looked = sum(len(branch.checks) for branch in found.branches) - len(found.not_covered)
            doing.said = f"preflight: {looked} checks are OK, {len(found.not_covered)} things cannot be looked at here"

    async def _deploy(self, scene: Scene, image: Image, environment: str, note: str = "") -> Outcome:
        with scene.step(f"deploying to {environment}{note}") as doing:
            outcome = await self._environment(image, environment).deploy(image.digest, partial(_tell, scene))
            doing.said, doing.platform_seconds = (
                f"{environment}{note}: {told(outcome)}{_database(outcome)}",
                outcome.seconds,
            )
        return outcome

    async def _promote(self, scene: Scene, image: Image) -> Outcome:
        with scene.step("promoting staging's digest to production") as doing:
            staging, production = (self._environment(image, name) for name in ("staging", "production"))
            outcome = await promote(staging, production, partial(_tell, scene))
            doing.said, doing.platform_seconds = f"promoted: {told(outcome)}{_database(outcome)}", outcome.seconds
        return outcome

    async def _smoke(self, scene: Scene, environment: str) -> None:
        with scene.step(f"asking {environment}") as doing:
            paths = await self.stage.account.environment(environment).smoke()
            doing.said = f"{environment} answers {', '.join(paths) or 'connections'}"

    def _environment(self, image: Image, name: str) -> Environment:
        """An environment whose database the stage can reach."""

        async def runner(_digest: str, _deployment: str) -> Runner:
            return _OnStage(self.stage, image, name)

        return replace(self.stage.account.environment(name), runner=runner, starts=False)


@dataclass(frozen=True)
class _OnStage(Generic[R]):
    """Who migrates a database of the stage's; see `Runner`."""

    stage: Stage[R]
    image: Image
    environment: str
    how: str = "the stage"

    async def migrate(self, tell: Tell) -> Migration:  # noqa: ARG002 -- the stage has nothing to tell
        return await self.stage.migrate(self.image, self.environment)

    async def look(self) -> Standing:
        raise NotImplementedError("on a stage nobody only looks")


def _tell(scene: Scene, event: Event) -> None:
    if event.line:
        scene.voice.line(event.line)


def told(outcome: Outcome) -> str:
    """An outcome in two words: what became of it, and what is live."""
    return f"{outcome.status.value} {_short(outcome.live)}"


def _database(outcome: Outcome) -> str:
    """Where the migration before the release left the database."""
    done = outcome.migration
    if done is None:
        return ""
    heads = one_line(", ".join(head[:12] for head in done.after))
    return (
        f", database at {heads} ({len(done.applied)} revisions applied)"
        if done.applied
        else f", database at {heads} already"
    )


def _short(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else "nothing"


def _rules(proof: Proof) -> str:
    return ", ".join(sorted({finding.rule for finding in proof.failures}))


def _blocks(proof: Proof) -> bool:
    """Refused for the lock that was measured, and told in full: where, what, and what to write instead."""
    explained = all(finding.line and finding.measured and finding.remedy for finding in proof.failures)
    return explained and any(finding.rule.startswith(("L", "Q")) for finding in proof.failures)


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


def _diagnosis(outcome: Outcome) -> tuple[str, ...]:
    found = outcome.diagnosis
    return (
        (f"cause: {found.cause}", *(f"log: {line}" for line in found.lines), f"remedy: {found.remedy}") if found else ()
    )
