"""Dagger objects for the verdicts of the gate and the rehearsal, whose calls fail after a failure."""

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Self

import anyio
import dagger
from dagger import Doc, dag

from slipway.objects.call import Call
from slipway.objects.function import FunctionError, directory, documented, object_type

if TYPE_CHECKING:
    from slipway.graph.image import Source
    from slipway.records.gate import Previous
    from slipway.records.proof import Finding, Proof
    from slipway.settings import Settings


_RED = ("refused", "failed")


@dataclasses.dataclass
class _Verdict:
    """A verdict.

    A call that ends at this object selects `sync`, which fails when the verdict is red. Other fields and functions do
    not fail.
    As on the command line, a gate that executed nothing has not passed, but is not red.
    """

    verdict: Annotated[
        str, Doc("Return passed, passed in part, or why not: refused, failed, not executed, not fully executed.")
    ] = dagger.field()
    summary: Annotated[str, Doc("Return the report as text; its last line is the verdict.")] = dagger.field()

    @documented("Fail if the verdict is refused or failed; the CLI calls it where a call ends at the object.")
    async def sync(self) -> str:
        self.answer()
        # For an object the CLI prints an id and, on a terminal, its top steps, such as this one.
        return await dag.directory().with_new_file("verdict", self.summary.splitlines()[-1]).id()

    def shown(self, name: str) -> Self:
        """Report the last line as a test, which Dagger's CLI shows at the end of a call.

        Print the other lines unless `sync` will fail with them.
        """
        from dagger.telemetry import get_tracer

        if not self.red:
            print(self.summary, end="")  # noqa: T201
        result = "pass" if self.verdict == "passed" else "fail" if self.red else "skipped"
        about: dict[str, str | bool] = {
            "test.case.name": name,
            "test.case.result.status": result,
            "dagger.io/ui.reveal": True,
        }
        with get_tracer().start_as_current_span(self.summary.splitlines()[-1], attributes=about):
            return self

    @property
    def red(self) -> bool:
        return self.verdict in _RED

    def answer(self) -> str:
        """Return the summary. Raise FunctionError when the verdict is red."""
        if self.red:
            raise FunctionError(self.summary)
        return self.summary


@object_type
class Gate(_Verdict):
    """The gate's verdict with its proofs and reports."""

    proofs: list[dagger.File] = dataclasses.field(repr=False)
    folders: list[str] = dataclasses.field(repr=False)

    @documented(
        "Return the reports for people (the page index.html, Markdown, text), CI servers and editors; for several majors a folder of them each."
    )
    async def report(self) -> dagger.Directory:
        from slipway.report.files import of_proof

        files: dict[str, str] = {}
        for folder, proof in zip(self.folders, await self._read(), strict=True):
            files |= {
                f"{folder}/{name}" if len(self.folders) > 1 else name: text for name, text in of_proof(proof).items()
            }
        return await directory(files)

    @documented("Return proof.json, for the function certificate, for a pull request or for an archive.")
    async def proof(self) -> dagger.File:
        if len(self.proofs) > 1:
            raise FunctionError(
                "there is a proof for each major version of Postgres: take the proofs from the folders of report"
            )
        return self.proofs[0]

    @documented(
        "Certify the proof, to ship with the image; fails if the gate refused and the previous release is not proven on the new schema.",
        "never",
    )
    async def certificate(self) -> str:
        return (await Call().answer("certificate", proof=await self.proof(), red=True)).text

    async def failures(self) -> "list[Finding]":
        """Return the findings that make the verdict red."""
        return [finding for proof in await self._read() for finding in proof.failures]

    async def _read(self) -> "list[Proof]":
        from slipway.records.form import from_json
        from slipway.records.proof import Proof

        return [from_json(Proof, await file.contents(), "the gate's proof") for file in self.proofs]


@object_type
class Rehearsal(_Verdict):
    """The rehearsal's verdict with its report."""

    report: Annotated[dagger.Directory, Doc("Return rehearsal.json, rehearsal.txt and the page rehearsal.html.")] = (
        dagger.field()
    )


async def proven(
    source: "Source", settings: "Settings", majors: list[str], since: str | None, release: "Previous | None"
) -> Gate:
    from slipway.graph.gate import prove
    from slipway.records.form import from_json
    from slipway.records.proof import VERDICTS, Proof
    from slipway.report.proof.text import text

    files: dict[str, dagger.File] = {}

    async def prove_on(major: str) -> None:
        files[major] = await prove(source, settings, major or None, since, release)

    async with anyio.create_task_group() as tasks:
        for major in majors:
            tasks.start_soon(prove_on, major)
    proofs = [from_json(Proof, await files[major].contents(), "the gate's proof") for major in majors]
    return Gate(
        verdict=min((proof.verdict_in_words for proof in proofs), key=VERDICTS.index),
        summary="\n".join(map(text, proofs)),
        proofs=[files[major] for major in majors],
        folders=[re.sub(r"\W+", "-", major) for major in majors],
    )
