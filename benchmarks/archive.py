"""Layers and files that an image adds to its base, read from an archive.

The archive is one of `docker save` or of the engine's `as-tarball`.
"""

import gzip
import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Layer:
    """A layer by the digest of its plain tar; `compressed` is its size by gzip."""

    digest: str
    compressed: int
    files: Mapping[str, tuple[int, str]]


@dataclass(frozen=True)
class Archive:
    """The layers of an image; the base's are named and not read."""

    base: tuple[str, ...]
    own: tuple[Layer, ...]

    @property
    def files(self) -> Mapping[str, tuple[int, str]]:
        """Return size and hash of every file above the base, by path."""
        return {path: file for layer in self.own for path, file in layer.files.items()}

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.files.values())

    @property
    def compressed(self) -> int:
        return sum(layer.compressed for layer in self.own)


def digests(path: Path) -> tuple[str, ...]:
    """Return the digests of the plain layers, the base's first."""
    with tarfile.open(path) as archive:
        return tuple(_json(archive, _manifest(archive)["Config"])["rootfs"]["diff_ids"])


def shared(one: Path, other: Path) -> tuple[str, ...]:
    """Return the layers that both images start with: their base."""
    pairs = zip(digests(one), digests(other), strict=False)
    return tuple(digest for digest, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def read(path: Path, base: tuple[str, ...]) -> Archive:
    with tarfile.open(path) as archive:
        blobs = _manifest(archive)["Layers"][len(base) :]
        return Archive(base, tuple(_layer(_plain(_content(archive, blob))) for blob in blobs))


def new_layers(before: Archive, after: Archive) -> tuple[Layer, ...]:
    """Return the layers that a registry with the one image needs for the other."""
    there = {layer.digest for layer in before.own}
    return tuple(layer for layer in after.own if layer.digest not in there)


def differing(one: Archive, other: Archive) -> int:
    """Return the files whose content differs, or that only one image has."""
    paths = one.files.keys() | other.files.keys()
    return sum(one.files.get(path) != other.files.get(path) for path in paths)


def _layer(plain: bytes) -> Layer:
    with tarfile.open(fileobj=io.BytesIO(plain)) as tree:
        files = {member.name: (member.size, _hash(tree, member)) for member in tree if member.isreg()}
    return Layer(f"sha256:{hashlib.sha256(plain).hexdigest()}", len(gzip.compress(plain, 6, mtime=0)), files)


def _hash(tree: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tree.extractfile(member)
    assert content is not None
    return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    (only,) = _json(archive, "manifest.json")
    return dict(only)


def _json(archive: tarfile.TarFile, name: str) -> Any:
    return json.loads(_content(archive, name))


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    assert content is not None
    return content.read()


def _plain(blob: bytes) -> bytes:
    return gzip.decompress(blob) if blob.startswith(_GZIP) else blob
