"""The gate of a test run: executed once, by one process, for all tests."""

import fcntl
import importlib.util
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError, within
from slipway.local.prove import NamedServer
from slipway.records.form import from_json, to_json
from slipway.records.gate import Listing
from slipway.records.proof import Proof
from slipway.records.refusal import Refusal
from slipway.untrusted import one_line

T = TypeVar("T")


class AlreadyReportedError(RefusedError):
    """Another test of this run has reported why there is no proof."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `slipway gate`."""

    source: Path
    config: str | None
    since: str | None
    python: Path | None
    database_url: str | None
    allow_production_like: bool = False

    def __repr__(self) -> str:
        return f"Options({str(self.source)!r}, …)"  # the URL holds a password

    def arguments(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "since": self.since,
            "python": self.python or _here(),
            "server": NamedServer.of(self.database_url, allow_production_like=self.allow_production_like),
        }


def _here() -> Path | None:
    """Return pytest's own environment when it is a service's, that is, when it has alembic."""
    here = Path(sys.prefix)
    return here if importlib.util.find_spec("alembic") and (here / "bin/python").exists() else None


class Gate:
    """The gate of a test run; `shared` is a folder of all its processes."""

    def __init__(self, options: Options, shared: Path) -> None:
        self.source = options.source
        self._options = options
        self._shared = shared
        self._proof: Proof | None = None

    def listing(self) -> Listing:
        """List the revisions; raises SlipwayError."""
        from slipway.local.gate import revisions

        text, _ = once(self._shared / "listing.json", partial(_answer, revisions, self._options))
        return _read(Listing, text)

    def proof(self) -> Proof:
        """Return the proof; raises SlipwayError in the first test of a run, and AlreadyReportedError to the others."""
        from slipway.local.gate import gate

        if self._proof is None:
            text, here = once(self._shared / "proof.json", partial(_answer, gate, self._options))
            try:
                self._proof = _read(Proof, text)
            except SlipwayError as error:
                raise error if here else AlreadyReportedError("there is no proof", error.what) from error
        return self._proof


def once(file: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the text of a file and whether this call made it: the first process makes it, the others wait."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return file.read_text(encoding="utf-8"), False
        text = make()
        file.write_text(text, encoding="utf-8")
        return text, True


def _answer(verb: Callable[..., Coroutine[Any, Any, Any]], options: Options) -> str:
    try:
        return to_json(anyio.run(partial(verb, options.source, **options.arguments())))
    except Exception as error:  # noqa: BLE001 -- raised again in every process of the run
        return to_json(Refusal.of(within(error) or _unexpected(error)))


def _unexpected(error: Exception) -> SlipwayError:
    return UnknownOutcomeError(
        f"unexpected {type(error).__name__}: {one_line(str(error))}", "run `slipway gate --debug` for the traceback"
    )


def _read(kind: type[T], text: str) -> T:
    if json.loads(text)["schema"] == Refusal.SCHEMA:
        raise from_json(Refusal, text, "the refusal").error()
    return from_json(kind, text, "the gate's answer")
