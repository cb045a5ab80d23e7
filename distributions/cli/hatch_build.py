"""The dependencies of slipway-cli: slipway-gate in the same version, and those of the module but Dagger's and the gate's own."""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_NOT_OURS = ("dagger-io", "anyio", "jinja2")


class Dependencies(MetadataHookInterface):
    """Write the dependencies of the wheel."""

    def update(self, metadata: dict[str, Any]) -> None:
        module = tomllib.loads((Path(self.root) / "../../ci/pyproject.toml").read_text(encoding="utf-8"))
        own = [each for each in module["project"]["dependencies"] if not each.startswith(_NOT_OURS)]
        metadata["dependencies"] = [f"slipway-gate=={metadata['version']}", *own]
