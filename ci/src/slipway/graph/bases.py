"""Which images everything is built on: pinned by digest, one line in a Dockerfile each, where dependabot and renovate find them."""

from importlib.resources import files

from slipway.errors import BadInputError
from slipway.settings import Images, Migrations


def pinned(name: str) -> str:
    """The reference in `images/NAME/Dockerfile`; raises BadInputError when there is none."""
    file = files("slipway.graph") / "images" / name / "Dockerfile"
    if not file.is_file():
        raise BadInputError(f"slipway has no image pinned for {name}", "name one by digest in [tool.slipway.images]")
    return file.read_text(encoding="utf-8").split()[1]


def python(images: Images) -> str:
    return images.python or pinned("python")


def uv(images: Images) -> str:
    return images.uv or pinned("uv")


def registry(images: Images) -> str:
    return images.registry or pinned("registry")


def postgres(images: Images, migrations: Migrations, major: str | None = None) -> str:
    """The wanted major, or an image that the settings name instead; raises BadInputError for a major that nothing is pinned for."""
    wanted = major or migrations.postgres
    if not wanted.isdecimal():
        return wanted
    return images.postgres if images.postgres and major is None else pinned(f"postgres-{wanted}")
