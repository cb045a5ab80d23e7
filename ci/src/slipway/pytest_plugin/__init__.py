"""`pytest --slipway`: one test for each check of each revision, and two for the whole history.

The service's own Python lists the revisions and makes the proof, whatever Python runs pytest. It is pytest's Python
when alembic is installed there, otherwise the one that `slipway gate` would use. The first of these tests makes the
proof once per run, and xdist's workers share it.
"""

from typing import Any

import pytest

# The options by their names after `--slipway`. Those without a value are flags.
_OPTIONS: dict[str, tuple[str, str]] = {
    "": ("", "test the alembic migrations: a test for each revision and check"),
    "-record": ("FILE", "write the tests' database statements, for `slipway gate --statements` of the next release"),
    "-allow-production-like": ("", "the server is disposable, though it looks like production"),
    "-source": ("DIR", "the service's folder, where its pyproject.toml is (default: pytest's rootdir)"),
    "-config": ("FILE", "alembic's settings file (default: that of [tool.slipway.migrations], or alembic.ini)"),
    "-section": ("NAME", "the section of that file (default: that of the settings, or alembic)"),
    "-x-argument": ("KEY=VALUE", "an argument for env.py and revisions; repeat it for more (default: x-arguments)"),
    "-database-url": ("URL", "a server where databases may be created (default: one of its own)"),
    "-since": (
        "REVISION|REF",
        "test only revisions newer than this revision or git ref, and run the older ones (default: those that a pull request would add, after start-after)",
    ),
    "-all-revisions": ("", "test every revision after start-after, released ones too"),
    "-python": ("DIR", "the service's virtual environment (default: pytest's own, when it has alembic)"),
}
_REPEATED = {"-x-argument"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("slipway")
    for name, (metavar, text) in _OPTIONS.items():
        kind = {"metavar": metavar} if metavar else {"action": "store_true"}
        repeated: dict[str, Any] = {"action": "append", "default": []} if name in _REPEATED else {}
        group.addoption(f"--slipway{name}", help=text, **kind, **repeated)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("slipway"):
        from slipway.pytest_plugin.run import Run  # imported here, because every pytest run loads this module

        config.pluginmanager.register(Run(config), "slipway-run")
    if file := config.getoption("slipway_record"):
        from slipway.pytest_plugin.recording import Recording

        recording = Recording(
            config.invocation_params.dir / file, config.rootpath, getattr(config, "workeroutput", None)
        )
        config.pluginmanager.register(recording, "slipway-recording")
