"""The arguments that several verbs share, and what they mean."""

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

EXIT_CODES = "Exit codes: 0 yes, 1 the answer is no, 2 bad input and nothing has been touched, 3 nobody knows."
Verb = Callable[[argparse.Namespace], Awaitable[int]]


def add_verb(verbs: Any, name: str, performed: Verb, said: str) -> argparse.ArgumentParser:
    """One verb of the grammar, with the flags that all have."""
    made: argparse.ArgumentParser = verbs.add_parser(
        name, help=said, description=f"{said[0].upper()}{said[1:]}.", epilog=EXIT_CODES
    )
    made.set_defaults(verb=performed)
    everywhere = made.add_argument_group("for every verb")
    everywhere.add_argument("--json", action="store_true", help="print the answer as JSON, also when it is an error")
    everywhere.add_argument("--quiet", action="store_true", help="say nothing on the way, only the answer and errors")
    everywhere.add_argument("--debug", action="store_true", help="show the traceback of an error")
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
    verb.add_argument(
        "--endpoint-url",
        type=_url,
        metavar="URL",
        help="where to send what is meant for AWS, such as to `slipway simulator`",
    )


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is http://… or https://…")
    return text


def chosen(given: argparse.Namespace, name: str) -> Any:
    from slipway import settings
    from slipway.verbs.environment import Environment, wall_clock

    loaded = settings.load(given.source)
    loaded.environment(name)
    starts = not vars(given).get("without_start", False)
    return Environment(settings=loaded, name=name, endpoint_url=given.endpoint_url, time=wall_clock(), starts=starts)


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


def start(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--without-start",
        action="store_true",
        help="leave out of the preflight that the release is started on this machine",
    )


def dry_run(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--dry-run", action="store_true", help="show what would change, or why it would be refused; nothing is touched"
    )


def evidence(given: argparse.Namespace) -> Any:
    """The certificate and the reason that were given; raises BadInputError."""
    from slipway.records.certificate import Certificate
    from slipway.records.form import from_json, text_of
    from slipway.verbs.proof import Evidence

    file = given.certificate
    read = from_json(Certificate, text_of(file, "the certificate"), str(file)) if file else None
    return Evidence(read, vars(given).get("without_proof", ""))
