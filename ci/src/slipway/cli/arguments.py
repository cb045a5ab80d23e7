"""The arguments that several verbs share, and what they mean."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Verb = Callable[[argparse.Namespace], Awaitable[int]]


def add_verb(verbs: Any, name: str, performed: Verb, said: str) -> argparse.ArgumentParser:
    """One verb of the grammar, with the flags that all have."""
    made: argparse.ArgumentParser = verbs.add_parser(name, help=said, description=said[0].upper() + said[1:] + ".")
    made.set_defaults(verb=performed)
    made.add_argument("--json", action="store_true", help="print the answer as JSON, and an error too")
    made.add_argument("--debug", action="store_true", help="show tracebacks")
    return made


def source(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--source",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the service's folder, where its pyproject.toml is (default: here)",
    )


def environment(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--environment", required=True, metavar="NAME", help="an environment of [tool.slipway.environments]"
    )
    endpoint(verb)


def endpoint(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--endpoint-url", metavar="URL", help="what stands in for AWS, such as `slipway simulator`")


def chosen(given: argparse.Namespace, name: str) -> Any:
    from slipway import settings
    from slipway.verbs.environment import Environment, wall_clock

    loaded = settings.load(given.source)
    loaded.environment(name)
    return Environment(loaded, name, given.endpoint_url, wall_clock())


def certificate(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="what was proven of this step of the schema, as `slipway certificate` printed it; it is kept in the ledger",
    )


def proof(verb: argparse.ArgumentParser) -> None:
    """Of verbs that ask for a proof: it, or what a person may say instead."""
    certificate(verb)
    verb.add_argument(
        "--without-proof",
        default="",
        metavar="REASON",
        help="do it although nothing proves that release and schema go together; the reason is recorded",
    )


def dry_run(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--dry-run", action="store_true", help="show what would change; nothing is touched")


def evidence(given: argparse.Namespace) -> Any:
    """The certificate and the reason that were given; raises BadInputError."""
    from slipway.records.certificate import Certificate
    from slipway.records.form import from_json, text_of
    from slipway.verbs.proof import Evidence

    file = given.certificate
    read = from_json(Certificate, text_of(file, "the certificate"), str(file)) if file else None
    return Evidence(read, vars(given).get("without_proof", ""))


def listener() -> Any:
    """What a run tells goes to standard error."""
    from slipway.report.terminal import TerminalVoice

    voice = TerminalVoice(sys.stderr, lines=True)

    def tell(event: Any) -> None:
        if event.line:
            voice.line(event.line)

    return tell
