"""NamedServer: a Postgres that somebody named for the gate."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class NamedServer:
    """Where databases may be created; `expendable` says that nobody misses it, though it may look like production."""

    url: str = field(repr=False)  # it holds a password
    expendable: bool = False

    @property
    def options(self) -> list[str]:
        """What the gate is told of it beside its URL."""
        return ["--expendable"] if self.expendable else []

    @classmethod
    def of(cls, url: str | None, *, expendable: bool) -> "NamedServer | None":
        """The server, when one was named."""
        return cls(url, expendable) if url else None
