"""A release without a container engine: a commit's source tree as an OCI artifact of the kind `tree`.

One layer contains the files, the config the start command. Equal commits give equal bytes: names are sorted, owners and modes are
normalised, the only time is the commit's.
"""

import gzip
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import BadInputError, RefusedError
from slipway.oci.content import Artifact, Blob, canonical
from slipway.structure import MismatchError, read, write

KIND = "application/vnd.slipway.tree.v1"
_CONFIG = "application/vnd.slipway.tree.config.v1+json"
_LAYER = "application/vnd.slipway.tree.layer.v1.tar+gzip"


@dataclass(frozen=True)
class TreeConfig:
    """How to start a tree."""

    command: tuple[str, ...]
    port: int
    variables: Mapping[str, str]  # those of the release, such as its git revision


@dataclass(frozen=True)
class File:
    """A file of a tree, by its path from the root; a link's content is its target."""

    name: str
    content: bytes
    executable: bool = False
    link: bool = False


def pack(files: Iterable[File], config: TreeConfig, committed: int, annotations: Mapping[str, str]) -> Artifact:
    """Build the artifact; `committed` is the commit's time in seconds since 1970."""
    layer = Blob(_LAYER, _tar(sorted(files, key=lambda file: file.name), committed))
    return Artifact(kind=KIND, config=Blob(_CONFIG, canonical(write(config))), layers=(layer,), annotations=annotations)


def read_config(content: bytes, origin: str) -> TreeConfig:
    """Read a config blob; raises BadInputError."""
    try:
        return read(TreeConfig, json.loads(content))
    except (ValueError, MismatchError) as error:
        raise BadInputError(f"the config of {origin} cannot be read", str(error)) from error


def unpack(layer: bytes, folder: Path) -> None:
    """Write the files of a layer below `folder`.

    Raises RefusedError for a name or link that leads out of the folder, and for bytes that are not a layer.
    """
    root = folder.resolve()
    links = []
    try:
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
            for member in archive:
                path = root / member.name
                _check_inside(path, root)
                path.parent.mkdir(parents=True, exist_ok=True)
                if member.issym():
                    path.symlink_to(member.linkname)
                    links.append(path)
                elif content := archive.extractfile(member):
                    path.write_bytes(content.read())
                    path.chmod(member.mode)
    except (tarfile.TarError, EOFError, KeyError, OSError, zlib.error) as error:
        raise RefusedError("the layer cannot be unpacked", str(error) or type(error).__name__) from error
    for link in links:  # checked last, because a later link can redirect an earlier one
        _check_inside(link, root)


def _check_inside(path: Path, root: Path) -> None:
    """Raise RefusedError for a path outside of `root`; links are followed, because writes follow them too."""
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise RefusedError(
            f"the layer contains {os.path.relpath(path, root)!r}, which leads out of its folder",
            "do not use it; it was not made by slipway",
        )


def _tar(files: Iterable[File], committed: int) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            member = tarfile.TarInfo(file.name)
            member.mtime = committed
            member.mode = 0o755 if file.executable else 0o644
            if file.link:
                member.type, member.linkname = tarfile.SYMTYPE, file.content.decode()
                archive.addfile(member)
            else:
                member.size = len(file.content)
                archive.addfile(member, io.BytesIO(file.content))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()
