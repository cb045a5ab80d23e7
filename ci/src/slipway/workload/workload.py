"""What a platform needs of a running instance, whoever runs it: a process on this machine, or a container."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class LaunchSpec:
    """What to start: a release by digest, with its variables.

    `port` is where the service believes to listen; `command` replaces the release's own. Values of variables may be secret: they are not shown.
    """

    repository: str
    digest: str
    port: int
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] | None = None


class Workload(Protocol):
    """One running instance. `address` is `host:port`; `exit_code` is None while it runs."""

    @property
    def address(self) -> str: ...

    @property
    def exit_code(self) -> int | None: ...


class Backend(Protocol):
    """Starts instances of a release."""

    @property
    def how(self) -> str:
        """In a person's words: "a process", "a container"."""
        ...

    def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AbstractAsyncContextManager[Workload]:
        """Start one; leaving the block asks it to stop, and stops it. `on_line` is told every line it prints.

        Raises SlipwayError when it cannot be started.
        """
        ...
