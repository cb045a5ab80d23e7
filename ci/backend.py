"""The build backend: uv's own, but installed as a wheel in the module's container, which is compiled there once and not in each call."""

import os

import uv_build
from uv_build import *  # noqa: F403 -- the other hooks

build_editable = uv_build.build_wheel if "DAGGER_MODULE" in os.environ else uv_build.build_editable
