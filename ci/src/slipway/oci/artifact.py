"""Artifacts of the OCI image specification 1.1, named by digest, including two kinds of slipway: bills of materials and source trees.

A source tree is a release without a container engine. Its only layer contains the files, its config the start command.
Equal commits give equal bytes: names are sorted, owners and modes are normalised, and the only time is that of the
commit.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.errors import BadInputError, RefusedError
from slipway.structure import MismatchError, read, write
from slipway.untrusted import json_object, one_line

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SBOM = "application/vnd.cyclonedx+json"
TREE = "application/vnd.slipway.tree.v1"
_TREE_CONFIG = "application/vnd.slipway.tree.config.v1+json"
_TREE_LAYER = "application/vnd.slipway.tree.layer.v1.tar+gzip"
_MOST_BYTES = 2**30  # for all files of a layer, because some kilobytes of gzip can fill a disk


def digest_of(content: bytes) -> str:
    """Return `sha256:` and 64 hexadecimal digits. A manifest's digest is that of its bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Blob:
    """Bytes with their media type."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


EMPTY = Blob("application/vnd.oci.empty.v1+json", b"{}")  # the config of an artifact without one


def canonical(value: object) -> bytes:
    """Encode JSON in canonical form, so that equal content has an equal digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A manifest, with the blobs to which it refers."""

    kind: str  # the manifest's artifactType
    config: Blob
    layers: tuple[Blob, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, Any] | None = None  # the descriptor of the image that the artifact describes

    def manifest(self) -> Blob:
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": self.kind,
            "config": self.config.descriptor(),
            "layers": [layer.descriptor() for layer in self.layers],
            "annotations": dict(self.annotations),
        } | ({"subject": dict(self.subject)} if self.subject else {})
        return Blob(MANIFEST, canonical(document))


def normalised_sbom(text: str) -> bytes:
    """Return a CycloneDX document without its serial number and time, which differ each time it is written.

    Raise RefusedError when the text is not a CycloneDX document.
    """
    document = dict(json_object(text))
    if document.get("bomFormat") != "CycloneDX":
        raise RefusedError("uv wrote no CycloneDX document", f"the image has no bill of materials ({one_line(text)})")
    document.pop("serialNumber", None)
    document.get("metadata", {}).pop("timestamp", None)
    return canonical(document)


def sbom_artifact(document: bytes, subject: dict[str, Any]) -> Artifact:
    """Return the artifact with a bill of materials, which registries list among the referrers of the image `subject`."""
    return Artifact(kind=SBOM, config=EMPTY, layers=(Blob(SBOM, document),), annotations={}, subject=subject)


@dataclass(frozen=True)
class TreeConfig:
    """The way to start a tree."""

    command: tuple[str, ...]
    port: int
    variables: Mapping[str, str]  # the release's variables, such as its git revision


@dataclass(frozen=True)
class File:
    """A file of a tree, named relative to the tree. The content of a link is its target."""

    name: str
    content: bytes
    executable: bool = False
    link: bool = False


def pack(files: Iterable[File], config: TreeConfig, committed: int, annotations: Mapping[str, str]) -> Artifact:
    """Return the artifact of a tree. `committed` is the commit's time in seconds since 1970."""
    layer = Blob(_TREE_LAYER, _tar(sorted(files, key=lambda file: file.name), committed))
    return Artifact(
        kind=TREE, config=Blob(_TREE_CONFIG, canonical(write(config))), layers=(layer,), annotations=annotations
    )


def read_config(content: bytes, origin: str) -> TreeConfig:
    """Read a config blob. Raise BadInputError when it has another form."""
    try:
        return read(TreeConfig, json.loads(content))
    except (ValueError, MismatchError) as error:
        raise BadInputError(f"the config of {origin} cannot be read", f"{error}; push the release again") from error


def unpack(layer: bytes, folder: Path) -> None:
    """Write the files of a layer into a folder.

    Raise RefusedError for a name or link that leads out of the folder, for files of more than 1 GiB, and for bytes that
    are no layer.
    """
    root, links, total = folder.resolve(), [], 0
    try:
        with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as archive:
            for member in archive:
                path = root / member.name
                _check_inside(path, root)
                total += member.size
                _check_size(total)
                path.parent.mkdir(parents=True, exist_ok=True)
                if member.issym():
                    path.symlink_to(member.linkname)
                    links.append(path)
                elif content := archive.extractfile(member):
                    path.write_bytes(content.read())
                    path.chmod(member.mode)
    except (tarfile.TarError, EOFError, KeyError, OSError, zlib.error) as error:
        raise RefusedError(
            "the layer cannot be unpacked", f"{str(error) or type(error).__name__}; push the release again"
        ) from error
    for link in links:  # checked last, because a later link can redirect an earlier one
        _check_inside(link, root)


def _check_inside(path: Path, root: Path) -> None:
    """Raise RefusedError when a path leads out of `root` after its symbolic links are resolved, as they are when it is written."""
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise RefusedError(
            f"the layer contains {os.path.relpath(path, root)!r}, which leads out of its folder",
            "do not use it; it was not made by slipway",
        )


def _check_size(total: int) -> None:
    if total > _MOST_BYTES:
        raise RefusedError(
            f"the files of the layer are larger than {_MOST_BYTES >> 30} GiB",
            "name only what the service needs in sources of [tool.slipway], and push the release again",
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
