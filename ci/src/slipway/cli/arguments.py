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
        "--endpoint-url", metavar="URL", help="where to send what is meant for AWS, such as to `slipway simulator`"
    )


def chosen(given: argparse.Namespace, name: str) -> Any:
    from slipway import settings
    from slipway.verbs.environment import Environment, wall_clock

    loaded = settings.load(given.source)
    loaded.environment(name)
    return Environment(loaded, name, given.endpoint_url, wall_clock())
