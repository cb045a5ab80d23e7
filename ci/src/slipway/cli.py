"""`slipway`: the verbs on a command line. Results go to standard output, progress and errors to standard error.

Exit codes: 0 yes (for a deploy: live and healthy), 1 the answer is no, 2 bad input, 3 unknown.
"""

import argparse
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio

import slipway
from slipway.errors import BadInputError, within
from slipway.untrusted import one_line

Verb = Callable[[argparse.Namespace], Awaitable[int]]
_IMAGE: Any = {"metavar": "REPOSITORY@DIGEST", "help": "what to deploy, by digest"}


def main() -> None:
    """The entry point of the command `slipway`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Parse, run one verb, and answer its exit code."""
    given = parser().parse_args(arguments)
    _end_in_order()
    try:
        code: int = anyio.run(given.verb, given)
    except KeyboardInterrupt:
        print("slipway: interrupted; what it had started is stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:
        if given.debug:
            raise
        return _say_why(error)
    return code


def _end_in_order() -> None:
    """Asyncio turns an interrupt into an orderly end, and SIGTERM becomes one here; what a script starts in the background ignores interrupts else."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def _say_why(error: BaseException) -> int:
    known = within(error)
    if known is not None:
        print(f"slipway: {one_line(str(known), 1000)}", file=sys.stderr)
        return known.exit_code
    if not isinstance(error, Exception):
        raise error
    print(
        f"slipway: unexpected {type(error).__name__}: {one_line(str(error))}; run it again with --debug and report what it prints",
        file=sys.stderr,
    )
    return 3


def parser() -> argparse.ArgumentParser:
    """The command line's grammar; its help is its documentation."""
    top = argparse.ArgumentParser(
        "slipway", description=slipway.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"slipway {slipway.__version__}")
    verbs = top.add_subparsers(metavar="VERB", required=True)
    _gate(
        _verb(
            verbs,
            "gate",
            gate,
            "execute the migrations of a service on an ephemeral Postgres, and say what is wrong with them",
        )
    )
    _certificate(
        _verb(
            verbs, "certificate", certificate, "say what a proof proves in a few lines, or see whether that still holds"
        )
    )
    _rehearse(
        _verb(
            verbs, "rehearse", rehearse, "play the whole way to production on this machine, against a simulated account"
        )
    )
    _simulator(_verb(verbs, "simulator", simulator, "run the simulated account alone, for anybody's tests"))
    _plan(_verb(verbs, "plan", plan, "show what a deployment would change; nothing is touched"))
    _deploy(
        _verb(verbs, "deploy", deploy, "deploy an image by digest, or what a plan says, and say the truth about it")
    )
    _environment(_verb(verbs, "status", status, "show what is live"))
    _environment(_verb(verbs, "history", history, "show what has been deployed, newest first"))
    _promote(
        _verb(verbs, "promote", promote, "deploy to one environment the digest that is live and healthy in another")
    )
    _doctor(_verb(verbs, "doctor", doctor, "look at what slipway needs on this machine; nothing is changed"))
    return top


def _verb(verbs: Any, name: str, verb: Verb, said: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(name, help=said, description=said[0].upper() + said[1:] + ".")
    made.set_defaults(verb=verb)
    made.add_argument("--debug", action="store_true", help="show tracebacks")
    return made


def _source(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--source",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the service's folder, where its pyproject.toml is (default: here)",
    )


def _gate(verb: argparse.ArgumentParser) -> None:
    _source(verb)
    verb.add_argument(
        "--config",
        metavar="FILE",
        help="alembic's settings file (default: that of [tool.slipway.migrations], or alembic.ini)",
    )
    verb.add_argument(
        "--database-url", metavar="URL", help="a server where databases may be created (default: one of its own)"
    )
    verb.add_argument(
        "--expendable", action="store_true", help="that server can be thrown away, though it looks like production"
    )
    verb.add_argument(
        "--since",
        metavar="REVISION|REF",
        help="findings in what was there already do not count: up to a revision, or at a branch, a tag or a commit of git; "
        "`merge-base` is that of HEAD and the default branch (default: start-after)",
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
    verb.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write the proof there: JSON, JUnit, SARIF, Markdown, text, annotations, and the page index.html",
    )
    verb.add_argument("--json", action="store_true", help="print the proof as JSON")


def _certificate(verb: argparse.ArgumentParser) -> None:
    _source(verb)
    verb.add_argument(
        "--proof",
        type=Path,
        metavar="FILE",
        help="the proof.json of `slipway gate --report`; its certificate is printed",
    )
    verb.add_argument(
        "--check", type=Path, metavar="FILE", help="a certificate; is it about the revisions in this folder?"
    )
    verb.add_argument(
        "--live",
        action="append",
        metavar="REVISION",
        help="with --check: the head at which the database stands, too; may be repeated",
    )
    verb.add_argument("--config", metavar="FILE", help="alembic's settings file, as for `slipway gate`")
    verb.add_argument(
        "--python", type=Path, metavar="DIR", help="the service's virtual environment, as for `slipway gate`"
    )


def _rehearse(verb: argparse.ArgumentParser) -> None:
    _source(verb)
    verb.add_argument(
        "--settings", type=Path, metavar="FILE", help="a TOML file with [tool.slipway], for a service that has none"
    )
    verb.add_argument("--report", type=Path, metavar="DIR", help="write rehearsal.json and index.html there")
    verb.add_argument("--quiet", action="store_true", help="leave out the platform's own lines")


def _simulator(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: a free one)")
    verb.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="how many of the platform's seconds pass in one of ours (default: 1)",
    )


def _plan(verb: argparse.ArgumentParser) -> None:
    _environment(verb)
    verb.add_argument("--image", required=True, **_IMAGE)


def _deploy(verb: argparse.ArgumentParser) -> None:
    _environment(verb)
    what = verb.add_mutually_exclusive_group(required=True)
    what.add_argument("--image", **_IMAGE)
    what.add_argument(
        "--plan",
        type=Path,
        metavar="FILE",
        help="an approved plan, as `slipway plan --json` printed it; refused when it is no longer true",
    )


def _environment(verb: argparse.ArgumentParser) -> None:
    _source(verb)
    verb.add_argument(
        "--environment", required=True, metavar="NAME", help="an environment of [tool.slipway.environments]"
    )
    _endpoint(verb)


def _promote(verb: argparse.ArgumentParser) -> None:
    _source(verb)
    verb.add_argument(
        "--from", required=True, dest="origin", metavar="NAME", help="where the digest is live and healthy"
    )
    verb.add_argument("--to", required=True, metavar="NAME", help="where it goes")
    _endpoint(verb)


def _doctor(verb: argparse.ArgumentParser) -> None:
    _source(verb)
    verb.add_argument("--database-url", metavar="URL", help="a server to look at, too")
    verb.add_argument("--offline", action="store_true", help="ask neither registries nor AWS")
    _endpoint(verb)


def _endpoint(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--endpoint-url", metavar="URL", help="what stands in for AWS, such as `slipway simulator`")
    verb.add_argument("--json", action="store_true", help="print the answer as JSON")


async def gate(given: argparse.Namespace) -> int:
    from slipway.records.form import to_json
    from slipway.report import files, proof_text
    from slipway.report.terminal import TerminalVoice
    from slipway.verbs.gate import gate as prove_folder
    from slipway.verbs.server import NamedServer

    voice = TerminalVoice(sys.stderr, lines=False)
    with voice.doing("proving the migrations"):
        proof = await prove_folder(
            given.source,
            config=given.config,
            since=given.since,
            python=given.python,
            server=NamedServer.of(given.database_url, expendable=given.expendable),
            statements=given.statements,
        )
    if given.report:
        files.write(given.report, files.of_proof(proof))
    print(to_json(proof) if given.json else proof_text.text(proof), end="")
    return 1 if proof.failures else 0


async def certificate(given: argparse.Namespace) -> int:
    import time

    from slipway.records.certificate import Certificate
    from slipway.records.form import from_json, text_of, to_json
    from slipway.verbs.certificate import certify, why_not
    from slipway.verbs.gate import revisions

    proof = text_of(given.proof, "the proof") if given.proof else None
    if given.check is None:
        if proof is None:
            raise BadInputError(
                "there is nothing to certify", "name a proof with --proof, or a certificate with --check"
            )
        print(to_json(certify(proof, int(time.time()))), end="")
        return 0
    said = from_json(Certificate, text_of(given.check, "the certificate"), str(given.check))
    listing = await revisions(given.source, config=given.config, since=None, python=given.python, server=None)
    problem = why_not(said, listing, given.live, proof)
    print(f"does not hold: {problem}" if problem else f"holds: from {_heads(said.before)} to {_heads(said.after)}")
    return 1 if problem else 0


def _heads(revisions: Sequence[str]) -> str:
    return one_line(", ".join(revisions)) or "an empty database"


async def rehearse(given: argparse.Namespace) -> int:
    from slipway.report import files, rehearsal_text
    from slipway.report.terminal import TerminalVoice
    from slipway.verbs.rehearse.here import rehearse as play

    rehearsal = await play(given.source, TerminalVoice(sys.stderr, lines=not given.quiet), given.settings)
    if given.report:
        files.write(given.report, files.of_rehearsal(rehearsal))
    print(f"\n{rehearsal_text.text(rehearsal)}", end="")
    if given.report:
        print(f"The page: {given.report / 'index.html'}")
    return 0 if rehearsal.as_told else 1


async def simulator(given: argparse.Namespace) -> int:
    from slipway.verbs.simulate import simulate

    await simulate(given.port, given.speed, partial(print, flush=True))
    return 0


async def plan(given: argparse.Namespace) -> int:
    from slipway.oci.content import Reference
    from slipway.records.form import to_json
    from slipway.records.plan import Action
    from slipway.report import release_text

    made = await _chosen(given, given.environment).plan(Reference.parse(given.image).digest)
    print(to_json(made) if given.json else release_text.of_plan(made), end="")
    return 1 if made.action is Action.BLOCKED else 0


async def deploy(given: argparse.Namespace) -> int:
    from slipway.oci.content import Reference

    voice, environment = _voice(), _chosen(given, given.environment)
    if given.plan:
        outcome = await environment.apply(_saved_plan(given.plan), lambda event: voice.line(event.line))
    else:
        outcome = await environment.deploy(Reference.parse(given.image).digest, lambda event: voice.line(event.line))
    return _print_outcome(given, outcome)


async def promote(given: argparse.Namespace) -> int:
    from slipway.verbs import environment

    voice = _voice()
    outcome = await environment.promote(
        _chosen(given, given.origin), _chosen(given, given.to), lambda event: voice.line(event.line)
    )
    return _print_outcome(given, outcome)


async def status(given: argparse.Namespace) -> int:
    from slipway.records.form import to_json
    from slipway.report import release_text

    observed = await _chosen(given, given.environment).status()
    print(to_json(observed) if given.json else release_text.of_observed(observed, given.environment), end="")
    return 0


async def history(given: argparse.Namespace) -> int:
    from slipway.records.form import to_json
    from slipway.report import release_text

    past = await _chosen(given, given.environment).history()
    print(to_json(past) if given.json else release_text.of_history(past), end="")
    return 0


async def doctor(given: argparse.Namespace) -> int:
    from slipway.records.form import to_json
    from slipway.report import doctor_text
    from slipway.verbs.doctor.checkup import check_up
    from slipway.verbs.doctor.question import Question
    from slipway.verbs.gate import folder_of

    question = Question(folder_of(given.source), given.database_url, given.endpoint_url, given.offline)
    checkup = await check_up(question)
    print(to_json(checkup) if given.json else doctor_text.text(checkup), end="")
    return 0 if checkup.healthy else 1


def _voice() -> Any:
    from slipway.report.terminal import TerminalVoice

    return TerminalVoice(sys.stderr, lines=True)


def _chosen(given: argparse.Namespace, name: str) -> Any:
    from slipway import settings
    from slipway.verbs.environment import Environment, wall_clock

    loaded = settings.load(given.source)
    loaded.environment(name)
    return Environment(loaded, name, given.endpoint_url, wall_clock())


def _saved_plan(file: Path) -> Any:
    from slipway.records.form import from_json, text_of
    from slipway.records.plan import Plan

    return from_json(Plan, text_of(file, "the plan"), str(file))


def _print_outcome(given: argparse.Namespace, outcome: Any) -> int:
    from slipway.records.form import to_json
    from slipway.report import release_text

    print(to_json(outcome) if given.json else release_text.of_outcome(outcome), end="")
    code: int = outcome.status.exit_code
    return code


if __name__ == "__main__":
    main()
