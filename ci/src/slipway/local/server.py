"""NamedServer: a Postgres that somebody named for the gate."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class NamedServer:
    """Where databases may be created; `allow_production_like` says that nobody misses it, though it may look like production."""

    url: str = field(repr=False)  # it holds a password
    allow_production_like: bool = False

    @property
    def options(self) -> list[str]:
        """What the gate is told of it beside its URL."""
        return ["--allow-production-like"] if self.allow_production_like else []

    @classmethod
    def of(cls, url: str | None, *, allow_production_like: bool) -> "NamedServer | None":
        """The server, when one was named."""
        return cls(url, allow_production_like) if url else None
