"""What slipway-cli needs: slipway-gate in the same version with its extra, and the libraries of the module but Dagger's and the gate's."""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_NOT_OURS = ("dagger-io", "anyio", "jinja2")


class Dependencies(MetadataHookInterface):
    """Write the dependencies of the wheel."""

    def update(self, metadata: dict[str, Any]) -> None:
        libraries = [each for each in self._project("../../ci")["dependencies"] if not each.startswith(_NOT_OURS)]
        metadata["dependencies"] = [f"slipway-gate=={metadata['version']}", *libraries]
        metadata["optional-dependencies"] = self._project("../gate")["optional-dependencies"]

    def _project(self, folder: str) -> dict[str, Any]:
        file = Path(self.root, folder, "pyproject.toml")
        project: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        return project
