"""The interface between a platform and what runs its instances: processes or containers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class LaunchSpec:
    """A release to start, by digest."""

    repository: str
    digest: str
    port: int  # the port in the service's own configuration
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # values may be secret
    command: tuple[str, ...] | None = None  # replaces the release's own


class Workload(Protocol):
    """A running instance. `address` is `host:port`; `exit_code` is None while it runs."""

    @property
    def address(self) -> str: ...

    @property
    def exit_code(self) -> int | None: ...


class Backend(Protocol):
    """A way to run releases."""

    @property
    def how(self) -> str:
        """The kind of instance in words: "a process", "a container"."""
        ...

    def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AbstractAsyncContextManager[Workload]:
        """Start an instance and stop it when the block ends; `on_line` receives every output line.

        Raises SlipwayError when it cannot be started.
        """
        ...
