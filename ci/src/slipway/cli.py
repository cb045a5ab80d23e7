"""The command line: read it, run the command, print the result and return the exit code.

Results go to standard output, progress and errors to standard error.
"""

import gc
import json
import os
import secrets
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from slipway.commands.command import Flags
from slipway.commands.grammar import grammar, parse
from slipway.commands.printed import completed
from slipway.errors import BadInputError, SlipwayError, UnknownOutcomeError, within
from slipway.untrusted import one_line, printable

if TYPE_CHECKING:
    from slipway.environment.environment import ServiceEnvironment
    from slipway.records.progress import Event, Progress
    from slipway.report.answers.result import CommandResult
    from slipway.settings import Settings

R = TypeVar("R")


def main() -> None:
    """Run the command `slipway`, and end the process without an orderly end of the interpreter, which would take 40 ms."""
    gc.set_threshold(100_000)  # imports free no memory, and collections would take a tenth of their time
    code = run(sys.argv[1:])
    with suppress(OSError):  # the reader has closed the pipe
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Without arguments, print the help."""
    if not arguments:
        grammar().print_help()
        return 0
    try:
        flags = parse(arguments)
    except BadInputError as error:
        return say_no(Flags(json="--json" in arguments), error)
    _handle_signals()
    reach_this_machine_directly(os.environ)
    try:
        with flags.around(flags):
            import anyio  # this and its event loop take a tenth of a second

            return anyio.run(in_a_child_task, perform, flags)
    except KeyboardInterrupt:
        print("slipway: interrupted; its processes on this machine are stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:  # noqa: BLE001 -- printed there, or raised again
        return fail(flags, error)


async def in_a_child_task(perform: Callable[[Flags], Awaitable[int]], flags: Flags) -> int:
    """Run a command in a child task, so that Ctrl-C respects anyio's shields.

    On Ctrl-C asyncio cancels the main task even inside a shield: a folder was removed while a thread still wrote to it,
    and so remained. A child task is cancelled by its task group, which waits for threads and shielded blocks.
    """
    from anyio import create_task_group

    codes = []

    async def run_command() -> None:
        codes.append(await perform(flags))

    try:
        async with create_task_group() as tasks:
            tasks.start_soon(run_command)
    except BaseException as error:  # noqa: BLE001 -- raised again; anyio 4 puts it into a group, anyio 3 does not
        raise getattr(error, "exceptions", (error,))[0] from None
    return codes[0]


async def perform(flags: Flags) -> int:
    """Run the command in `flags` and print its result. Raise the command's errors."""
    answer = await flags.run(flags, CommandLine(flags))
    return say(flags, answer) if answer else 0


def _handle_signals() -> None:
    """Let SIGTERM and SIGINT end the command in order. Background jobs of a shell would otherwise ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def reach_this_machine_directly(variables: MutableMapping[str, str]) -> None:
    """Except this machine from the proxies in the variables: a company's proxy does not reach the simulator here."""
    excepted = variables.get("no_proxy") or variables.get("NO_PROXY", "")
    # libraries know the wildcard only alone
    if excepted.strip() != "*" and any(name.lower().endswith("_proxy") for name in variables):
        direct = ",".join(filter(None, (excepted, "127.0.0.1", "localhost")))
        variables.update({"no_proxy": direct, "NO_PROXY": direct})


def fail(flags: Flags, error: BaseException) -> int:
    """Print an error as a sentence; with --debug print its traceback first. Return the exit code."""
    expected = within(error)
    if expected is None and not isinstance(error, Exception):
        raise error
    if flags.debug:  # exceptions of libraries quote untrusted text
        print(printable("".join(traceback.format_exception(error))), file=sys.stderr)
    return say_no(flags, expected or _not_installed(flags, error) or _no_program(error) or _unexpected(error))


def _not_installed(flags: Flags, error: BaseException) -> BadInputError | None:
    """Return the error for a command of slipway-cli when only slipway-gate is installed; otherwise None."""
    if not isinstance(error, ModuleNotFoundError) or find_spec("slipway.release"):
        return None
    return BadInputError(f"slipway-gate comes without the command {flags.run.__name__}", "install slipway-cli")


def _no_program(error: BaseException) -> BadInputError | None:
    """Return the error for a program that this process could not start, even from inside exception groups; otherwise None."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, OSError) and error.filename and frames and frames[-1].name == "_execute_child":
        what = f"the program {one_line(str(error.filename))} cannot be started ({error.strerror})"
        return BadInputError(what, "install it, or add its folder to PATH")
    return next(filter(None, map(_no_program, getattr(error, "exceptions", ()))), None)


def _unexpected(error: BaseException) -> UnknownOutcomeError:
    what = f"unexpected {type(error).__name__}: {one_line(str(error))}"
    return UnknownOutcomeError(what, "run it again with --debug and report what it prints")


@dataclass(frozen=True)
class CommandLine:
    """One call from a command line."""

    flags: Flags

    @cached_property
    def progress(self) -> "Progress":
        from slipway.records.progress import SILENT

        if self.flags.quiet:
            return SILENT
        colours = sys.stderr.isatty() or os.environ.get("FORCE_COLOR")
        # importing rich takes a tenth of a second, and slipway-gate comes without it
        if not colours or not find_spec("rich"):
            from slipway.report.lines import LineProgress

            return LineProgress(sys.stderr)
        from slipway.report.terminal import TerminalProgress

        return TerminalProgress(sys.stderr)

    @contextmanager
    def run(self) -> "Iterator[Callable[[Event], None]]":
        """Show the events of one run. If a person interrupts it, print what continues nevertheless."""
        from anyio import get_cancelled_exc_class

        from slipway.records.progress import Phase
        from slipway.report.terminal import TerminalProgress

        phases = [Phase.CHANGE]
        try:
            with TerminalProgress(sys.stderr).run() as tell:

                def pass_on(event: "Event") -> None:
                    phases.extend(filter(None, [event.phase]))
                    if not self.flags.quiet:
                        tell(replace(event, line=completed(event.line, self.flags)))

                yield pass_on
        except get_cancelled_exc_class():
            print(f"slipway: {phases[-1].interrupted}", file=sys.stderr)
            raise

    def say(self, answer: "CommandResult") -> None:
        say(self.flags, answer, indent=None)

    def stream(self, answer: "CommandResult") -> None:
        print(_formed(self.flags, answer, indent=None), end="", flush=True)

    @contextmanager
    def screen(self) -> "Iterator[Callable[[CommandResult], None]]":
        from slipway.report.terminal import replacing

        if sys.stdout.isatty() and not self.flags.json:
            with replacing(sys.stdout) as show:
                yield lambda answer: show(completed(answer.text, self.flags))
            return
        shown: list[CommandResult] = []

        def print_change(answer: "CommandResult") -> None:
            if shown[-1:] != [answer]:
                self.stream(answer)
            shown[:] = [answer]

        yield print_change

    def note(self, text: str) -> None:
        """Show a line that matters to the user."""
        self.progress.note(completed(text, self.flags))

    async def settings(self) -> "Settings":
        from slipway import settings

        return settings.load(self.flags.source)

    async def services(self) -> "Mapping[str, Settings]":
        from anyio import to_thread

        from slipway.local.services import settings_around

        return await to_thread.run_sync(settings_around, self.flags.source)

    async def environment(self, name: str, settings: "Settings | None" = None) -> "ServiceEnvironment":
        from slipway.environment import environment
        from slipway.release.aws.client import Aws

        service, region = (vars(self.flags).get(key) for key in ("service", "region"))
        if service or region:
            if not (service and region):
                raise BadInputError("--service and --region belong together", "pass both")
            aws = Aws(region, self.flags.endpoint_url)
            aws.patience.tell = self.note
            return await environment.recorded(name, service, aws, environment.wall_clock())
        settings = settings or await self.settings()
        settings.environment(name)
        return environment.ServiceEnvironment(
            settings=settings,
            name=name,
            endpoint_url=self.flags.endpoint_url,
            time=environment.wall_clock(),
            note=self.note,
            starts=not vars(self.flags).get("without_start", False),
        )

    async def text(self, file: Path, what: str) -> str:
        from slipway.records.form import text_of

        return text_of(file, what)

    async def record(self, kind: type[R], file: Path, what: str) -> R:
        from slipway.records.form import from_json

        return from_json(kind, await self.text(file, what), str(file))


def say(flags: Flags, answer: "CommandResult", indent: int | None = 2) -> int:
    """Print a result and return its exit code. Without `indent`, JSON is printed in one line."""
    _write_job_files(answer)
    _print(_formed(flags, answer, indent))
    return answer.code


def _formed(flags: Flags, answer: "CommandResult", indent: int | None) -> str:
    from slipway.records.form import to_json

    if flags.json and answer.record is not None:
        return completed(to_json(answer.record, indent), flags, lambda more: json.dumps(more)[1:-1])
    text = completed(answer.text, flags)
    if not sys.stdout.isatty():
        return text
    from slipway.report.colour import coloured

    return coloured(text, sys.stdout)


def say_no(flags: Flags, error: SlipwayError) -> int:
    """Print an error on standard error and, with --json, its record on standard output. Return its exit code."""
    from slipway.records.refusal import Refusal
    from slipway.report.answers.release import of_refusal

    for each in error.obstacles:
        print(f"slipway: {completed(one_line(str(each), 1000), flags)}", file=sys.stderr)
    return say(flags, of_refusal(Refusal.of(error)))


def _print(text: str) -> None:
    """Print to a reader that may have closed the pipe, such as `head`, without changing the exit code."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_job_files(answer: "CommandResult") -> None:
    from slipway.report.answers.result import step_outputs

    outputs = {"exit-code": str(answer.code), **answer.outputs}
    _append("GITHUB_OUTPUT", step_outputs(outputs, f"slipway-{secrets.token_hex(16)}"))
    _append("GITHUB_STEP_SUMMARY", answer.markdown and f"{answer.markdown}\n")


def _append(variable: str, text: str) -> None:
    """Append text to the file that a variable names. Report a failure, which does not change the exit code."""
    file = os.environ.get(variable)
    if not file or not text:
        return
    try:
        with open(file, "a", encoding="utf-8") as stream:  # noqa: PTH123 -- a path of any kind
            stream.write(text)
    except OSError as error:
        print(f"slipway: cannot write {variable}: {error.strerror or error}", file=sys.stderr)


if __name__ == "__main__":
    main()
