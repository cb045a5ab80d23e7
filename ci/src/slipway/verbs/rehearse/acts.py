"""The acts. What each must show stands here; what a release is made of, and which one is bad, stands nowhere in slipway.

Prologue: production runs the release before this one. I: the checkout goes to staging, is tried, and is promoted. II: a release is refused by
the gate. III: a release is deployed though nobody tried it, and the platform takes it back.
"""

from dataclasses import dataclass

import anyio

from slipway.errors import RefusedError
from slipway.records.image import Image
from slipway.records.outcome import Outcome, Status
from slipway.records.proof import Proof, Verdict
from slipway.records.rehearsal import Act
from slipway.source.commit import Commit
from slipway.untrusted import one_line
from slipway.verbs.build import build
from slipway.verbs.environment import promote
from slipway.verbs.migrate import migrate
from slipway.verbs.preflight import preflight
from slipway.verbs.prove import prove
from slipway.verbs.rehearse.scene import Scene
from slipway.verbs.rehearse.stage import Stage
from slipway.verbs.voice import Silence, Voice


@dataclass(frozen=True)
class Players:
    """What every act is played with."""

    stage: Stage
    voice: Voice

    async def prologue(self, commit: Commit) -> Act:
        """Production runs a release, made from a commit of its own with the same files; it is played behind the first act."""
        scene = Scene("Before: production runs the release before this one", Silence())
        image = await self._build(scene, commit)
        await self._migrate(scene, image, "production")
        outcome = await self._deploy(scene, image, "production")
        self.voice.line(f"meanwhile production: {_told(outcome)}, the release before this one; clients begin to ask it")
        return scene.ended(_told(outcome), self.stage.how, as_told=outcome.status is Status.SUCCEEDED, details=_diagnosis(outcome))

    async def promoted(self, commit: Commit, production_open: anyio.Event) -> tuple[Act, Image]:
        """Act I: built, proven, deployed to staging, tried there, promoted by digest to a production that is in use."""
        scene = Scene("I  The checkout's release goes to production", self.voice)
        image = await self._build(scene, commit)
        proof = await self._prove(scene, image)
        if proof.verdict is Verdict.FAIL:
            return scene.ended("the gate refused the checkout's own migrations", self.stage.how, as_told=False, details=_findings(proof)), image
        await self._preflight(scene, image, "staging")
        await self._migrate(scene, image, "staging")
        staged = await self._deploy(scene, image, "staging")
        if staged.status.exit_code:
            return scene.ended(_told(staged), self.stage.how, as_told=False, details=_diagnosis(staged)), image
        with scene.step("asking staging") as doing:
            paths = await self.stage.environment("staging").smoke()
            doing.said = f"staging answers {', '.join(paths) or 'connections'}"
        await production_open.wait()
        await self._migrate(scene, image, "production")
        with scene.step("promoting staging's digest to production") as doing:
            outcome = await promote(self.stage.environment("staging"), self.stage.environment("production"), lambda event: self.voice.line(event.line))
            doing.said, doing.platform_seconds = f"promoted: {_told(outcome)}", outcome.seconds
        same = outcome.live == image.digest == staged.live
        return scene.ended(f"{_told(outcome)}, the digest that staging had", self.stage.how, as_told=outcome.status.exit_code == 0 and same, details=_diagnosis(outcome)), image

    async def refused(self, commit: Commit) -> Act:
        """Act II: the gate refuses a migration, and says where, what it measured, and what to write instead."""
        scene = Scene(f"II  A release is refused by the gate: {one_line(commit.subject)}", self.voice)
        proof = await self._prove(scene, await self._build(scene, commit))
        blocking = [finding for finding in proof.failures if finding.line and finding.measured and finding.remedy]
        if proof.verdict is Verdict.PASS:
            return scene.ended("the gate let it pass", self.stage.how, as_told=False)
        return scene.ended(f"refused: {len(proof.failures)} finding that fails", self.stage.how, as_told=bool(blocking), details=_findings(proof))

    async def rolled_back(self, commit: Commit, live: Image) -> Act:
        """Act III: deployed without a preflight, the release does not become healthy; the platform goes back, and slipway says so."""
        scene = Scene(f"III  A release is deployed untried: {one_line(commit.subject)}", self.voice)
        image = await self._build(scene, commit)
        proof = await self._prove(scene, image)
        await self._migrate(scene, image, "production")
        outcome = await self._deploy(scene, image, "production", note=" with preflight off")
        known = outcome.diagnosis is not None and outcome.diagnosis.rule != "unknown"
        as_told = proof.verdict is Verdict.PASS and outcome.status is Status.ROLLED_BACK and outcome.live == live.digest and known
        happened = f"{_told(outcome)}; would exit {outcome.status.exit_code}; {_short(outcome.live)} still serves"
        return scene.ended(happened, self.stage.how, as_told=as_told, details=_diagnosis(outcome))

    async def _build(self, scene: Scene, commit: Commit) -> Image:
        with scene.step(f"building {commit.revision[:12]}") as doing:
            image = await build(commit, self.stage.settings, self.stage.place)
            doing.said = f"built {_short(image.digest)} from the commit {commit.revision[:12]} ({image.size / 1000:.0f} kB, kind {image.kind.value})"
        return image

    async def _prove(self, scene: Scene, image: Image) -> Proof:
        with scene.step("proving its migrations") as doing:
            async with self.stage.backend.unpacked(self.stage.settings.name, image.digest) as release:
                proof = await prove(release.folder, release.python, self.stage.settings.migrations)
            doing.said = f"migrations {'proven' if proof.verdict is Verdict.PASS else 'refused'}: {proof.coverage.revisions} revisions up, down and up again on PostgreSQL {proof.postgres}"
        return proof

    async def _preflight(self, scene: Scene, image: Image, environment: str) -> None:
        with scene.step("preflight") as doing:
            found = await preflight(self.stage.backend, self.stage.settings, self.stage.environment(environment).spec(image.digest))
            if found.diagnosis:
                raise RefusedError(f"the release does not become healthy: {found.diagnosis.cause}", found.diagnosis.remedy)
            doing.said = "preflight: the digest becomes healthy under the platform's contract"

    async def _migrate(self, scene: Scene, image: Image, environment: str) -> None:
        with scene.step(f"migrating {environment}") as doing:
            async with self.stage.backend.unpacked(self.stage.settings.name, image.digest) as release:
                done = await migrate(release, self.stage.settings.migrations, self.stage.databases[environment].url)
            heads = ", ".join(head[:12] for head in done.after)
            doing.said = f"{environment}'s database is at {heads} ({len(done.applied)} revisions applied)"

    async def _deploy(self, scene: Scene, image: Image, environment: str, note: str = "") -> Outcome:
        with scene.step(f"deploying to {environment}{note}") as doing:
            outcome = await self.stage.environment(environment).deploy(image.digest, lambda event: self.voice.line(event.line))
            doing.said, doing.platform_seconds = f"{environment}{note}: {_told(outcome)}", outcome.seconds
        return outcome


def _told(outcome: Outcome) -> str:
    return f"{outcome.status.value} {_short(outcome.live)}"


def _short(digest: str | None) -> str:
    return digest[:19] if digest else "nothing"


def _findings(proof: Proof) -> tuple[str, ...]:
    return tuple(
        line
        for finding in proof.failures
        for line in (f"{finding.file}:{finding.line} {finding.rule} {finding.message}", f"measured: {finding.measured}", "instead:", *finding.remedy.splitlines())
    )


def _diagnosis(outcome: Outcome) -> tuple[str, ...]:
    found = outcome.diagnosis
    return (f"cause: {found.cause}", *(f"log: {line}" for line in found.lines), f"remedy: {found.remedy}") if found else ()
