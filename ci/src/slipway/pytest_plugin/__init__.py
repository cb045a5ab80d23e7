"""`pytest --slipway`: one test for each revision and check, and two for the history; a third shell around the verb `gate`.

Which revisions there are is asked of the service's own Python, as the proof is: that is right wherever pytest runs, and it is alembic's
own reading. That Python is pytest's, when alembic is installed beside it, because there the service's libraries are; else it is the one that
`slipway gate` would take. The proof is made once a run, by the first of these tests that is set up; workers of xdist share it.
"""

import pytest

_OPTIONS = {
    "source": ("DIR", "the service's folder, where its pyproject.toml is (default: pytest's rootdir)"),
    "config": ("FILE", "alembic's settings file (default: that of [tool.slipway.migrations], or alembic.ini)"),
    "database-url": ("URL", "a server where databases may be created (default: one of its own)"),
    "since": (
        "REVISION|REF",
        "findings in what was there already do not count: up to a revision, or at a git ref or `merge-base` (default: start-after)",
    ),
    "python": ("DIR", "the service's virtual environment (default: pytest's own, when it has alembic)"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("slipway")
    group.addoption(
        "--slipway", action="store_true", help="prove the alembic migrations: a test for each revision and check"
    )
    group.addoption(
        "--slipway-record",
        metavar="FILE",
        help="write what the tests say to the database, for `slipway gate --statements` of the next release",
    )
    group.addoption(
        "--slipway-allow_production_like",
        action="store_true",
        help="the server that is named can be thrown away, though it looks like production",
    )
    for name, (metavar, said) in _OPTIONS.items():
        group.addoption(f"--slipway-{name}", metavar=metavar, help=said)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("slipway"):
        from slipway.pytest_plugin.run import Run  # here, because every pytest loads this module

        config.pluginmanager.register(Run(config), "slipway-run")
    if file := config.getoption("slipway_record"):
        from slipway.pytest_plugin.recording import Recording

        recording = Recording(
            config.invocation_params.dir / file, config.rootpath, getattr(config, "workeroutput", None)
        )
        config.pluginmanager.register(recording, "slipway-recording")
