"""Base images, pinned by digest in one-line Dockerfiles that dependabot and renovate update."""

import operator
import re
from importlib.resources import files

from slipway import toml
from slipway.errors import BadInputError
from slipway.settings import Images, Migrations

_PYTHONS = ("3.14", "3.13", "3.12", "3.11", "3.10")
_NEXT = "name an image by digest as python in [tool.slipway.images], or with --python-image"
_CLAUSE = re.compile(r"(~=|===?|!=|<=?|>=?)\s*(\d+(?:\.\d+)*)(\.\*)?")
_COMPARED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def pinned(name: str) -> str:
    """Return the image reference in `images/NAME/Dockerfile`. Raise BadInputError when there is none."""
    file = files("slipway.graph") / "images" / name / "Dockerfile"
    if not file.is_file():
        raise BadInputError(
            f"slipway has no image pinned for {name}", "name an image by digest in [tool.slipway.images]"
        )
    return file.read_text(encoding="utf-8").split()[1]


def python(images: Images, version: str) -> str:
    return images.python or pinned(f"python-{version}")


def python_version(pyproject: str, version_file: str) -> str:
    """Return a service's minor version of Python: that of its .python-version, otherwise the highest pinned one that requires-python allows.

    Raise BadInputError when no image of it is pinned. An image has the latest patch of its minor version.
    """
    requires = _requires(toml.loads(pyproject).get("project"))
    allowed = [version for version in _PYTHONS if _allows(requires, version)]
    lines = (line.partition("#")[0].strip() for line in version_file.splitlines())
    if wanted := next(filter(None, lines), ""):
        match = re.fullmatch(r"(?:c?python-?)?(3\.\d+)(?:\.\d+)?", wanted)
        if match is None or match[1] not in _PYTHONS:
            raise BadInputError(
                f".python-version names {wanted}, and slipway has images of {', '.join(_PYTHONS)}", _NEXT
            )
        if match[1] not in allowed:
            raise BadInputError(
                f".python-version names {wanted}, which requires-python = {requires!r} excludes", "correct one"
            )
        return match[1]
    if not allowed:
        raise BadInputError(f"requires-python = {requires!r} allows none of {', '.join(_PYTHONS)}", _NEXT)
    return allowed[0]


def _requires(project: object) -> str:
    """Return requires-python from the table [project]. uv reports other errors in this table."""
    requires = project.get("requires-python", "") if isinstance(project, dict) else ""
    if not isinstance(requires, str):
        raise BadInputError(f"requires-python in [project] is {requires!r}, not a text", 'write it as in ">=3.12"')
    return requires


def _allows(requires: str, minor: str) -> bool:
    """Return whether every clause of a version specifier allows the latest patch of a minor version."""
    latest = (*map(int, minor.split(".")), 999)
    for sign, number, any_below in _CLAUSE.findall(requires):
        bound = tuple(map(int, number.split(".")))
        same = latest[: len(bound)] == bound
        fits = {
            "~=": latest >= bound and latest[: len(bound) - 1] == bound[:-1],
            "==": same and bool(any_below),
            "===": False,
            "!=": not (same and any_below),
        }
        if not (fits[sign] if sign in fits else _COMPARED[sign](latest, bound)):
            return False
    return True


def uv(images: Images) -> str:
    return images.uv or pinned("uv")


def registry(images: Images) -> str:
    return images.registry or pinned("registry")


def postgres(images: Images, migrations: Migrations, major: str | None = None) -> str:
    """Return the image in migrations.postgres; otherwise the pinned image of `major`; otherwise images.postgres, or its pinned default.

    Raise BadInputError for a major without a pinned image.
    """
    wanted = major or migrations.postgres
    if not wanted.isdecimal():
        return wanted
    return images.postgres if images.postgres and major is None else pinned(f"postgres-{wanted}")
