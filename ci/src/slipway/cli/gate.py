"""`slipway gate` and `slipway certificate`: what is proven of a history, and what that is worth elsewhere."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, source
from slipway.cli.progress import voice
from slipway.errors import BadInputError

if TYPE_CHECKING:
    from slipway.records.proof import Layer


def add(verbs: Any) -> None:
    _gate(
        add_verb(
            verbs,
            "gate",
            gate,
            "execute the migrations of a service on an ephemeral Postgres, and say what is wrong with them",
        )
    )
    _certificate(
        add_verb(
            verbs,
            "certificate",
            certificate,
            "make a certificate of a proof, small enough to travel with an image, or see whether one still holds",
        )
    )


def _gate(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--config",
        metavar="FILE",
        help="alembic's settings file (default: that of [tool.slipway.migrations], or alembic.ini)",
    )
    verb.add_argument(
        "--database-url",
        metavar="URL",
        help="a Postgres server where databases may be created (default: one that is started for this)",
    )
    verb.add_argument(
        "--allow-production-like",
        action="store_true",
        help="the server of --database-url can be thrown away, though it looks like production",
    )
    verb.add_argument(
        "--since",
        metavar="REVISION|REF",
        help="only findings in newer revisions count: newer than a revision, or than a branch, a tag or a commit of git; "
        "`merge-base` is where HEAD left the default branch (default: start-after of the settings)",
    )
    verb.add_argument(
        "--statements",
        type=Path,
        metavar="FILE",
        help="what the tests of the previous release said to the database, as `pytest --slipway-record=FILE` wrote it (default: "
        "statements derived from the models at the ref that --since names)",
    )
    verb.add_argument(
        "--python",
        type=Path,
        metavar="DIR",
        help="the service's virtual environment (default: .venv, or one made from its lock)",
    )
    layers = verb.add_mutually_exclusive_group()
    layers.add_argument(
        "--layers",
        metavar="LAYER,…",
        help="execute only these of always, trace, rows, interruption, previous, concurrency (default: all)",
    )
    layers.add_argument("--quick", action="store_true", help="short for --layers always")
    verb.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write the proof there: JSON, JUnit, SARIF, Markdown, text, annotations, and the page index.html",
    )


def _certificate(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--proof",
        type=Path,
        metavar="FILE",
        help="the proof.json of `slipway gate --report`; its certificate is printed",
    )
    verb.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="a certificate; the answer is no when it is about other revisions than those in this folder",
    )
    verb.add_argument(
        "--live",
        action="append",
        metavar="REVISION",
        help="with --check: the revision at which the database stands; again for each head when there are several",
    )
    verb.add_argument("--config", metavar="FILE", help="alembic's settings file, as for `slipway gate`")
    verb.add_argument(
        "--python", type=Path, metavar="DIR", help="the service's virtual environment, as for `slipway gate`"
    )


async def gate(given: argparse.Namespace) -> int:
    from slipway.local.prove import NamedServer
    from slipway.records.proof import Layer
    from slipway.report import answers, files
    from slipway.verbs.gate import gate as prove_folder

    progress = voice(given)
    with progress.step("proving the migrations"):
        proof = await prove_folder(
            given.source,
            config=given.config,
            since=given.since,
            python=given.python,
            server=NamedServer.of(given.database_url, allow_production_like=given.allow_production_like),
            statements=given.statements,
            layers=(Layer.ALWAYS,) if given.quick else layers_of(given.layers),
            progress=None if given.quiet else progress.detail,
        )
    if given.report:
        files.write(given.report, files.of_proof(proof))
    return say(given, answers.of_proof(proof))


def layers_of(names: str | None) -> "tuple[Layer, ...]":
    """Read the names of layers; raises BadInputError for an unknown one."""
    from slipway.records.proof import Layer

    if names is None:
        return tuple(Layer)
    try:
        return tuple(Layer(name.strip()) for name in names.split(","))
    except ValueError:
        known = ", ".join(layer.value for layer in Layer)
        raise BadInputError(f"there is no such layer in --layers {names}", f"layers are {known}") from None


async def certificate(given: argparse.Namespace) -> int:
    import time

    from slipway.records.certificate import Certificate, Validity
    from slipway.records.form import from_json, text_of
    from slipway.report import answers
    from slipway.verbs.certificate import certify, why_not
    from slipway.verbs.gate import revisions

    proof = text_of(given.proof, "the proof") if given.proof else None
    if given.check is None:
        if proof is None:
            raise BadInputError(
                "there is nothing to certify", "name a proof with --proof, or a certificate with --check"
            )
        return say(given, answers.of_certificate(certify(proof, int(time.time()))))
    said = from_json(Certificate, text_of(given.check, "the certificate"), str(given.check))
    listing = await revisions(given.source, config=given.config, since=None, python=given.python, server=None)
    return say(given, answers.of_validity(Validity(why_not(said, listing, given.live, proof), said.before, said.after)))
