"""The build backend: hatchling under another name.

uv runs hatchling's hooks for dependencies only by building the wheel, and then ignores [tool.uv.sources] the first time: from a git
address slipway-gate was looked for on the index. From any other backend it asks for the metadata alone.
"""

from hatchling.build import *  # noqa: F403 -- which functions it has depends on the program that builds
