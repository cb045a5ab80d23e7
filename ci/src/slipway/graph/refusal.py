"""Errors of the engine as one sentence with a next step, by rules over the engine's messages.

The messages are those of engine v0.21.8. An unknown one is shown in the engine's words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import dagger

from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.untrusted import one_line

_ERROR_LINE = re.compile(r"^\s*(?:error|fatal)\b", re.IGNORECASE | re.MULTILINE)
# Compilers such as tsc report errors on standard output. npm's standard error then says only that a program failed.
_REPORTED = re.compile(r"^.*\berror\b.*$", re.IGNORECASE | re.MULTILINE)
# An object of the engine with its whole definition, such as `failed to load container: load Container@CodOCh…:`, and
# the place of its trace.
_OBJECT = re.compile(r"\b(?:load )?[A-Z]\w*@[\w+/=-]{40,}(?:: )?|\s*\[traceparent:[\w-]+\]")
_LONGEST = 1000
# uv's words, with the next step.
_PYTHON_DOES_NOT_FIT = {
    "No interpreter found": "name a fitting image as python in [tool.slipway.images], or with --python-image",
    "only has wheels with the following Python": "write one of these Pythons into .python-version, as 3.13 for cp313, or update the lock",
}
_FRAMES = re.compile(r"Traceback \(most recent call last\):\n(?:.*\n)*?\s*(?=[\w.]+(?:Error|Exception|Exit)\b)")


@dataclass(frozen=True)
class _Rule:
    """A rule. `what` may refer to groups of the pattern `words`."""

    words: re.Pattern[str]
    what: str
    next_step: str


_RULES = (
    _Rule(
        re.compile(r'failed to resolve image "(?P<image>[^"]+)"[^:]*(?::.*)?: (?P<cause>.+?)\)?$'),
        "the image {image} cannot be pulled, {cause}",
        "name another one, of a mirror for example, in [tool.slipway.images]",
    ),
    _Rule(
        re.compile(r"failed to parse image address (?P<image>.+?): (?:invalid reference format|.*repository name)"),
        "{image!r} is no address of an image",
        "correct it in [tool.slipway.images], or in the argument that names it",
    ),
    _Rule(
        re.compile(r"^stat /uv: no such file or directory"),
        "the image of uv has no file /uv",
        "name one of ghcr.io/astral-sh/uv as uv in [tool.slipway.images], or with --uv-image",
    ),
    _Rule(
        re.compile(r"unexpected status from \w+ request to \S+: (?P<cause>.+)$"),
        "the registry refuses the image, {cause}",
        "correct --address, make the repository, or sign in with an account that may push there",
    ),
    _Rule(
        re.compile(r'failed to do request: \w+ "https?://(?P<host>[^/"]+)/v2/[^"]*": (?:dial tcp: )?(?P<cause>.+)$'),
        "the registry {host} does not answer, {cause}",
        "start it, or correct --address or --registry",
    ),
    _Rule(
        re.compile(r"no such user: postgres"),  # only a directory of slipway belongs to this user
        "the image of Postgres has no user postgres",
        "name one that has it, as the official images do, as postgres in [tool.slipway.images], or with --postgres-image",
    ),
    _Rule(
        re.compile(r"no space left on device"),
        "the engine's disk is full",
        "free it with `dagger core engine local-cache prune`, or give it more; `slipway doctor` shows how much is left",
    ),
    _Rule(
        re.compile(
            r"(?P<why>secret env var not found: \S+|failed to run secret command .+|failed to read secret file.+)"
        ),
        "a secret cannot be read, {why}",
        "correct the value of --credentials, --password or --build-secrets",
    ),
    _Rule(
        re.compile(r"^stat (?P<path>.+)/(?:pyproject|slipway)\.toml: .*: not a directory"),
        "{path} is a file",
        "name the service's folder",
    ),
    _Rule(
        re.compile(r'path "(?P<path>[^"]+?)(?:/(?:pyproject|slipway)\.toml)?" resolves outside root'),
        "{path} is outside of the repository",
        "name the service's folder in it with --path",
    ),
    _Rule(
        re.compile(r'dockerBuild syntax frontend "(?P<name>[^"]+)" is unsupported'),
        "the Dockerfile names the syntax {name}, which the engine does not know",
        "remove that line, or name docker/dockerfile:1",
    ),
    _Rule(
        re.compile(r"dockerfile copy: .*: lstat (?P<name>\S+): no such file or directory"),
        "the Dockerfile copies {name}, which is not there",
        "correct it, and look for it in .dockerignore and .gitignore, which leave files out of the build",
    ),
    _Rule(
        re.compile(r"failed to convert Dockerfile to LLB: (?P<cause>.+)$"),
        "the Dockerfile cannot be built, {cause}",
        "correct it, and try with `docker build`",
    ),
)


def meaning(error: BaseException) -> SlipwayError | None:
    """Return the error to show for an engine's error, which may be inside of exception groups; None when no rule matches."""
    for inner in _within(error):
        if isinstance(inner, dagger.ExecError):
            return _failed(inner)
        for rule in _RULES:
            if match := rule.words.search(said(inner)):
                groups = {name: one_line(text, 400) for name, text in match.groupdict().items()}
                return BadInputError(rule.what.format(**groups), rule.next_step)
    return None


def words_of(error: BaseException) -> SlipwayError | None:
    """Return an engine's error that matches no rule, in its own words; None for other errors."""
    inner = next(_within(error), None)
    return RefusedError("the engine failed", _shortened(said(inner))) if inner else None


def said(error: dagger.QueryError) -> str:
    """Return an error's text in one line, without parts that only the engine understands."""
    return one_line(_OBJECT.sub("", str(error)), _LONGEST * 100)


def _within(error: BaseException) -> Iterator[dagger.QueryError]:
    if isinstance(error, dagger.QueryError):
        yield error
    for inner in getattr(error, "exceptions", ()):
        yield from _within(inner)


def _failed(error: dagger.ExecError) -> SlipwayError:
    """Return the error for a failed program: its output from the first line with `error` on, without Python frames, or the end of its output."""
    output = _FRAMES.sub("", f"{error.stderr or error.stdout}\n")
    begin = match.start() if (match := _ERROR_LINE.search(output)) else 0
    for words, next_step in _PYTHON_DOES_NOT_FIT.items():
        if words in output:
            return BadInputError(_shortened(output[begin:]), next_step)
    command = one_line(" ".join(error.command), 80)
    shown = output[begin:]
    if (reported := _REPORTED.findall(error.stdout)) and reported[-1] not in output:
        shown = f"{reported[-1]}\n{shown}"
    return RefusedError(f"`{command}` ended with the exit code {error.exit_code}", _shortened(shown))


def _shortened(text: str) -> str:
    """Return a long text as one line: its first quarter and its end, which contains the exception."""
    line = one_line(text, _LONGEST * 100)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 4]} … {line[-_LONGEST * 3 // 4 :]}"
