"""Whether a server looks as if somebody would miss it. Told by its URL, before anything is asked of it."""

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
_CLOUD_SQL: Final = "/cloudsql/"  # where Google's proxy puts its sockets
_WORDS: Final = frozenset({"prod", "production", "prd", "live"})


def refuse_production(server: URL) -> None:
    """Raise BadInputError when the URL of a server looks like one of production."""
    if why := _looks_like_production(server):
        raise BadInputError(
            f"the server looks like production ({why})",
            "name one that can be thrown away, or say with --allow-production-like (pytest: --slipway-allow_production_like) that this one can",
        )


def _looks_like_production(server: URL) -> str | None:
    """What in a URL looks like production, or None."""
    hosts = _hosts(server)
    for host in hosts:
        if host.endswith(_MANAGED) or host.startswith(_CLOUD_SQL):
            return f"its host {host} belongs to a managed service"
    named = [*(("host", host) for host in hosts), ("database", server.database or ""), ("user", server.username or "")]
    for what, name in named:
        if found := _WORDS.intersection(re.split(r"[^a-z0-9]+", name.lower())):
            return f"its {what} {name} says {', '.join(sorted(found))}"
    return None


def _hosts(server: URL) -> list[str]:
    """The hosts of a URL, which may also stand behind the question mark, and be several."""
    asked = server.query.get("host", ())
    given = [server.host or "", *([asked] if isinstance(asked, str) else asked)]
    return [host.partition(":")[0].rstrip(".").lower() for several in given for host in several.split(",") if host]
