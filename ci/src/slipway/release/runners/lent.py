"""slipway's migration for a container without slipway: a zip as an argument, and a few lines that import from it.

The container needs a `python` and a folder for temporary files, but no shell. The same version of slipway makes the same bytes.
"""

import base64
import io
import zipfile
from collections.abc import Sequence
from importlib.resources import files

# The modules that `slipway.migration` imports; a test checks that none is missing, and that they fit into a task definition.
_MODULES = (
    "__init__.py",
    "database_url.py",
    "errors.py",
    "structure.py",
    *(f"records/{name}.py" for name in ("__init__", "form", "migration", "refusal")),
    *(f"migration/{name}.py" for name in ("__init__", "__main__", "database", "environment", "output", "upgrade")),
)
_BOOTSTRAP = """\
import base64, pathlib, sys, tempfile
with tempfile.TemporaryDirectory() as home:
    lent = pathlib.Path(home, "slipway.zip")
    lent.write_bytes(base64.b64decode(sys.argv.pop(1)))
    sys.path.insert(0, str(lent))
    from slipway.migration.__main__ import main
    sys.exit(main(sys.argv[1:]))
"""


def command(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of `python` that do the same as `-m slipway.migration ARGUMENTS…` with slipway installed."""
    return ("-c", _BOOTSTRAP, base64.b64encode(archive()).decode(), *arguments)


def archive() -> bytes:
    """Return the zip of the modules, with a fixed time."""
    package, written = files("slipway"), io.BytesIO()
    with zipfile.ZipFile(written, "w") as lent:
        for name in _MODULES:
            content = package.joinpath(*name.split("/")).read_bytes()
            lent.writestr(zipfile.ZipInfo(f"slipway/{name}"), content, zipfile.ZIP_DEFLATED, 9)
    return written.getvalue()
