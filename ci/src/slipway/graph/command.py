"""The image of the command slipway, for CI systems that run each job in a container."""

from typing import Final

import dagger
from dagger import dag

import slipway
from slipway.graph.image import USER, python_base, with_uv
from slipway.settings import Images, Settings

# git is for --since. Postgres and uv are in the lock.
SETTINGS: Final = Settings(name="slipway", command=("slipway",), images=Images(packages=("git",)))
_PYTHON = "3.14"
_VENV = "/opt/venv"
_SITE = f"{_VENV}/lib/python{_PYTHON}/site-packages/slipway"
_REQUIREMENTS = "/tmp/requirements.txt"  # noqa: S108 -- inside a container
_HOME = "/home/slipway"
# Postgres starts only for a user with a name. A CI system may check out the repository as another user.
_USER = f"""
useradd --uid {USER.partition(":")[0]} --home-dir {_HOME} --create-home slipway
git config --system --add safe.directory '*'
"""
_SCRIPT = f"""\
#!{_VENV}/bin/python
import sys
from slipway.cli import main
sys.exit(main())
"""
_LABELS = {
    "org.opencontainers.image.title": "slipway",
    "org.opencontainers.image.description": str(slipway.__doc__),
    "org.opencontainers.image.version": slipway.__version__,
    "org.opencontainers.image.licenses": "Apache-2.0",
}


def image(settings: Settings) -> dagger.Container:
    """Build the image from this module's source and lock, without the packages that only Dagger needs.

    It has no entrypoint, because GitLab and others run a shell in it.
    """
    container = (
        python_base(_PYTHON, settings)
        .with_exec(["sh", "-euc", _USER])
        .with_directory(_VENV, _installed(settings))
        .with_new_file("/usr/local/bin/slipway", _SCRIPT, permissions=0o755)
        .with_env_variable("PATH", f"{_VENV}/bin:/usr/local/bin:/usr/bin:/bin")
        .with_env_variable("HOME", _HOME)
        # CI systems and the engine add their own authorities to the system's certificates.
        .with_env_variable("UV_SYSTEM_CERTS", "1")
        .with_workdir("/src")
        .with_user(USER)
        .with_entrypoint([])
        .with_default_args(["slipway", "--help"])
    )
    for name, value in _LABELS.items():
        container = container.with_label(name, value)
    return container


def _installed(settings: Settings) -> dagger.Directory:
    """Install the locked libraries and compile slipway, because the image's user cannot write to slipway's folder."""
    module = dag.current_module().source()
    export = ["uv", "export", "--frozen", "--no-dev", "--extra", "local", "--prune", "dagger-io", "--no-emit-project"]
    return (
        with_uv(_PYTHON, settings)
        .with_mounted_file("pyproject.toml", module.file("pyproject.toml"))
        .with_mounted_file("uv.lock", module.file("uv.lock"))
        .with_exec([*export, "--output-file", _REQUIREMENTS])
        .with_exec(["uv", "venv", _VENV])
        .with_exec(["uv", "pip", "install", "--require-hashes", "--requirement", _REQUIREMENTS])
        .with_directory(_SITE, module.directory("src/slipway"), exclude=["main.py", "objects", "**/__pycache__"])
        .with_exec(["python", "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", _SITE])
        .directory(_VENV)
    )
