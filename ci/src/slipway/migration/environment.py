"""The service's own env.py, run with our steps: its naming, schemas, async engines and options apply."""

import math
import os
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from slipway.errors import BadInputError
from slipway.migration.database import closed_afterwards
from slipway.migration.reasons import details, first_line, remedy

Steps = Callable[[tuple[str, ...], MigrationContext], Iterable[RevisionStep]]
Options = Mapping[str, Any]

_SLIPWAY = Path(__file__).parents[1]


class Environment:
    """An alembic environment: settings file, revisions, env.py; `patience` is the gate's limit for a step, in seconds."""

    def __init__(self, file: Path, url: URL, patience: float = math.inf) -> None:
        if not file.is_file():
            raise BadInputError(
                f"there is no {file}", "name alembic's settings file in [tool.slipway.migrations] config"
            )
        self.folder = Path.cwd()
        self.patience = patience
        self._url = url
        self.config = Config(str(file))
        self.config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
        try:
            self.script = ScriptDirectory.from_config(self.config)
        except CommandError as error:
            raise BadInputError(f"{file} cannot be used", str(error)) from error
        self._load()

    def _load(self) -> None:
        """Import every revision, so that one that does not load is reported with file and line."""
        with warnings.catch_warnings(record=True) as self.warnings:
            warnings.simplefilter("always")
            try:
                self.script.get_bases()
            except (Exception, SystemExit) as error:
                if not self._is_broken_graph(error):
                    raise BadInputError(f"{self.spoken_place_of(error)} does not load", sentence(error)) from error

    def _is_broken_graph(self, error: BaseException) -> bool:
        """Whether the gate reports the error as a finding of the graph: alembic's own, or its KeyError for a missing parent."""
        if isinstance(error, KeyError):
            return not any(self.is_own(frame.filename) for frame in traceback.extract_tb(error.__traceback__))
        return isinstance(error, (CommandError, RevisionError))

    def run(self, steps: Steps, **overrides: object) -> Options:
        """Run env.py with `steps` instead of an upgrade or downgrade; return the options that it gave to `context.configure`."""
        configured: dict[str, Any] = {}
        context = EnvironmentContext(self.config, self.script, fn=steps, as_sql=False, destination_rev="heads")
        configure = context.configure

        def remember(*arguments: Any, **options: Any) -> None:
            configured.update(options)
            configure(*arguments, **(options | overrides))

        # env.py calls it through the module alembic.context, which delegates to the instance.
        setattr(context, "configure", remember)  # noqa: B010 -- an assignment would look like one to a method
        with closed_afterwards(), ExitStack() as held, context:
            self.config.attributes = _Attributes(self._url, held)
            self.script.run_env()
        return configured

    def place_of(self, error: BaseException) -> tuple[str, int]:
        """Return file and line of the innermost frame of an error in the service's own code."""
        if isinstance(error, SyntaxError) and error.filename:
            return self.relative(error.filename), error.lineno or 1
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if self.is_own(frame.filename):
                return self.relative(frame.filename), frame.lineno or 1
        return self.relative(str(self.script.env_py_location)), 1

    def spoken_place_of(self, error: BaseException) -> str:
        """Return the place of an error as `file line N`."""
        file, line = self.place_of(error)
        return f"{file} line {line}"

    def is_own(self, filename: str) -> bool:
        """Whether a file is the service's: in its folder, not an installed package, and not slipway's."""
        path = Path(filename)
        installed = "site-packages" in path.parts or path.is_relative_to(_SLIPWAY)
        return path.is_relative_to(self.folder) and not installed and path.exists()

    def relative(self, filename: str) -> str:
        return os.path.relpath(filename, self.folder)


class _Attributes(dict[str, Any]):
    """The attributes of a command: a connection for an env.py that requires one; `get` finds none, so env.py makes its own."""

    def __init__(self, url: URL, held: ExitStack) -> None:
        super().__init__()
        self._url = url
        self._held = held

    def __missing__(self, key: str) -> Any:
        if key != "connection" or self._url.get_dialect()().is_async:
            raise KeyError(key)
        self[key] = self._held.enter_context(create_engine(self._url, poolclass=NullPool).connect())
        return self[key]


def sentence(error: BaseException) -> str:
    """Format an error in one line: its type, first line and Postgres' details, or for pydantic every wrong field without its value."""
    if type(error).__module__.startswith("pydantic") and (fields := _fields(error)):
        return f"{type(error).__name__}: {fields}"
    said = ": ".join(filter(None, [type(error).__name__, first_line(error)]))
    hint = remedy(str(error))
    return "; ".join([said, hint] if hint else [said, *details(error)])


def _fields(error: Any) -> str:
    errors = error.errors() if callable(getattr(error, "errors", None)) else []
    return "; ".join(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in errors)
