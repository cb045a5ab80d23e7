"""Dagger functions with the sentences of `slipway.commands`, whose errors are one sentence, too."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, dataclass_transform

import dagger
from dagger import Doc, dag, function
from dagger.mod._exceptions import FunctionError  # the only error for which the SDK logs no traceback

from slipway.commands.command import named
from slipway.commands.table import FUNCTIONS
from slipway.errors import within
from slipway.objects import client  # noqa: F401 -- it takes its place by being imported

__all__ = ["Credentials", "FunctionError", "described", "directory", "documented", "object_type", "one_sentence"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

Credentials = Annotated[
    dagger.Secret | None,
    Doc('AWS credentials: "cmd://aws configure export-credentials" with the AWS CLI, or "cmd://env | grep ^AWS_"'),
]


@dataclass_transform(kw_only_default=True, field_specifiers=(dataclasses.field, dagger.field))
def object_type(cls: type[T]) -> type[T]:
    """Make a Dagger object, as `dagger.object_type` does. mypy does not see that it makes a dataclass.

    A class that is already a dataclass would lose the options of its fields, and the engine would not see its
    `dagger.field`s.
    """
    return dagger.object_type(cls)


def one_sentence(method: F) -> F:
    """Return a method that raises an error's single sentence instead of the exception groups around it.

    Dagger shows only the sentence.
    """

    @functools.wraps(method)
    async def adapter(*arguments: Any, **options: Any) -> Any:
        try:
            return await method(*arguments, **options)
        except Exception as error:
            from slipway.graph.refusal import meaning, words_of

            known = within(error) or meaning(error) or words_of(error)
            if isinstance(error, FunctionError) or known is None:
                raise
            raise FunctionError(str(known)) from None

    return adapter  # type: ignore[return-value]


def documented(doc: str, cache: str = "") -> Callable[[F], F]:
    """Return a decorator that makes a Dagger function."""
    options = {"cache": cache} if cache else {}
    return lambda method: function(doc=doc, **options)(one_sentence(method))  # type: ignore[call-overload, return-value, no-any-return, unused-ignore]


def described(method: F) -> F:
    """Make a Dagger function with the sentence and the caching of the command with the same name."""
    command = named(method.__name__, FUNCTIONS)
    more = f"\n\n{method.__doc__}" if method.__doc__ else ""
    return documented(f"{command.doc}{more}", command.cache)(method)


async def directory(files: Mapping[str, str]) -> dagger.Directory:
    """Return the files as a directory.

    They are uploaded from here, because the engine logs the whole text of each `withNewFile`.
    """
    from pathlib import Path
    from tempfile import mkdtemp

    from slipway.report.files import write

    # a relative name: since Python 3.12 it would be absolute, which the engine refuses
    folder = Path(mkdtemp(dir=".")).name
    write(Path(folder), files)
    return await dag.current_module().workdir(folder).sync()
