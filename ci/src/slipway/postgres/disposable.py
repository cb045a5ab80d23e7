"""How a server is set up that nobody will miss: nothing here outlives it, so nothing is kept safe for a crash."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

INITDB: Final = ("--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize=1")
SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "wal_recycle": "off",  # what is kept of it is small
        "autovacuum": "off",
        "jit": "off",
        "max_connections": "20",
        "max_locks_per_transaction": "512",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)
