"""Base images, pinned by digest in one-line Dockerfiles that dependabot and renovate update."""

from importlib.resources import files

from slipway.errors import BadInputError
from slipway.settings import Images, Migrations


def pinned(name: str) -> str:
    """Return the reference in `images/NAME/Dockerfile`; raises BadInputError when there is none."""
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
    """Return the image of a major, or the one named in the settings; raises BadInputError for an unpinned major."""
    wanted = major or migrations.postgres
    if not wanted.isdecimal():
        return wanted
    return images.postgres if images.postgres and major is None else pinned(f"postgres-{wanted}")
