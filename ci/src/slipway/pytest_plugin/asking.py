"""What the tests ask of the gate: once a run, by one process of it, and answered to all."""

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
from slipway.local.server import NamedServer
from slipway.records.form import from_json, schema_of, to_json
from slipway.records.history import Listing
from slipway.records.proof import Proof
from slipway.records.refusal import Refusal
from slipway.untrusted import one_line

T = TypeVar("T")


class ToldAlreadyError(RefusedError):
    """Another test of this run has said why there is no proof."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What `slipway gate` would be told on its command line."""

    source: Path
    config: str | None
    since: str | None
    python: Path | None
    database_url: str | None
    allow_production_like: bool = False

    def __repr__(self) -> str:
        return f"Question({str(self.source)!r}, …)"  # the URL holds a password

    def options(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "since": self.since,
            "python": self.python or _here(),
            "server": NamedServer.of(self.database_url, allow_production_like=self.allow_production_like),
        }


def _here() -> Path | None:
    """The environment in which pytest runs, when it is a service's: slipway itself needs no alembic."""
    here = Path(sys.prefix)
    return here if importlib.util.find_spec("alembic") and (here / "bin/python").exists() else None


class Gate:
    """The gate as the tests of a run see it; `shared` is a folder that all processes of the run know."""

    def __init__(self, question: Question, shared: Path) -> None:
        self.source = question.source
        self._question = question
        self._shared = shared
        self._proof: Proof | None = None

    def listing(self) -> Listing:
        """Which revisions there are; raises SlipwayError."""
        from slipway.local.gate import revisions

        text, _ = once(self._shared / "listing.json", partial(_answer, revisions, self._question))
        return _read(Listing, text)

    def proof(self) -> Proof:
        """The proof; raises SlipwayError to the first of a run who asks, and ToldAlreadyError to the others."""
        from slipway.local.gate import gate

        if self._proof is None:
            text, here = once(self._shared / "proof.json", partial(_answer, gate, self._question))
            try:
                self._proof = _read(Proof, text)
            except SlipwayError as error:
                raise error if here else ToldAlreadyError("there is no proof", error.what) from error
        return self._proof


def once(file: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """The text of a file, and whether it was made here: whoever comes first makes it while the others wait."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return file.read_text(encoding="utf-8"), False
        text = make()
        file.write_text(text, encoding="utf-8")
        return text, True


def _answer(verb: Callable[..., Coroutine[Any, Any, Any]], question: Question) -> str:
    try:
        return to_json(anyio.run(partial(verb, question.source, **question.options())))
    except Exception as error:  # noqa: BLE001 -- told to every process of the run
        return to_json(Refusal.of(within(error) or _unexpected(error)))


def _unexpected(error: Exception) -> SlipwayError:
    return UnknownOutcomeError(
        f"unexpected {type(error).__name__}: {one_line(str(error))}", "see what `slipway gate --debug` prints"
    )


def _read(kind: type[T], text: str) -> T:
    if json.loads(text)["schema"] == schema_of(Refusal):
        raise from_json(Refusal, text, "the refusal").error()
    return from_json(kind, text, "the gate's answer")
