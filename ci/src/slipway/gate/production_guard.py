"""The refusal of servers that look like production, by their URL and before any connection."""

import re
from typing import Final

from sqlalchemy.engine import URL

from slipway.errors import BadInputError

_MANAGED: Final = (
    ".rds.amazonaws.com",
    ".rds.amazonaws.com.cn",
    ".postgres.database.azure.com",
    ".postgres.cosmos.azure.com",
    ".neon.tech",
    ".supabase.co",
    ".supabase.com",
    ".db.ondigitalocean.com",
    ".aivencloud.com",
    ".tsdb.cloud.timescale.com",
    ".postgresbridge.com",
    ".databases.appdomain.cloud",
    ".postgres.render.com",
    ".rlwy.net",
    ".psdb.cloud",
)
_CLOUD_SQL: Final = "/cloudsql/"  # the folder of the sockets of Google's proxy
_WORDS: Final = frozenset({"prod", "production", "prd", "live"})


def refuse_production(server: URL) -> None:
    """Raise BadInputError when the URL of a server looks like production."""
    if why := _looks_like_production(server):
        raise BadInputError(
            f"the server looks like production ({why})",
            "name a disposable server, or confirm with --allow-production-like (pytest: --slipway-allow-production-like) that this one is",
        )


def _looks_like_production(server: URL) -> str | None:
    """Return the reason why a URL looks like production, or None."""
    hosts = _hosts(server)
    for host in hosts:
        if host.endswith(_MANAGED) or host.startswith(_CLOUD_SQL):
            return f"its host {host} belongs to a managed service"
    named = [*(("host", host) for host in hosts), ("database", server.database or ""), ("user", server.username or "")]
    for what, name in named:
        if found := _WORDS.intersection(re.split(r"[^a-z0-9]+", name.lower())):
            return f"its {what} {name} contains {', '.join(sorted(found))}"
    return None


def _hosts(server: URL) -> list[str]:
    """Return the hosts of a URL; there may be several, also in its query."""
    in_query = server.query.get("host", ())
    hosts = [server.host or "", *([in_query] if isinstance(in_query, str) else in_query)]
    return [host.partition(":")[0].rstrip(".").lower() for several in hosts for host in several.split(",") if host]
