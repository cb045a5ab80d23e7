"""The package with an extension that a server lacks, by the names of Debian and apt.postgresql.org."""

import re
from typing import Final

# The message of PostgreSQL from 15 on, and the older one.
_LACKING: Final = (
    re.compile(r'extension "(?P<name>[^"]+)" is not available'),
    re.compile(r'could not open extension control file "[^"]*/(?P<name>[^/"]+)\.control"'),
)
_MAJOR: Final = re.compile(r"/(\d+)/extension/")

_CONTRIB: Final = frozenset(
    """amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance file_fdw fuzzystrmatch hstore insert_username
    intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache pg_freespacemap pg_prewarm pg_stat_statements pg_surgery pg_trgm pg_visibility
    pg_walinspect pgcrypto pgrowlocks pgstattuple postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp
    xml2""".split()  # noqa: SIM905 -- a list would be as many lines
)
_PACKAGES: Final = {
    **dict.fromkeys(_CONTRIB, "postgresql-{major}"),
    **dict.fromkeys(
        ("postgis", "postgis_raster", "postgis_sfcgal", "postgis_topology", "address_standardizer"),
        "postgresql-{major}-postgis-3",
    ),
    "hll": "postgresql-{major}-hll",
    "hypopg": "postgresql-{major}-hypopg",
    "ip4r": "postgresql-{major}-ip4r",
    "orafce": "postgresql-{major}-orafce",
    "periods": "postgresql-{major}-periods",
    "pg_cron": "postgresql-{major}-cron",
    "pg_partman": "postgresql-{major}-partman",
    "pg_repack": "postgresql-{major}-repack",
    "pgaudit": "postgresql-{major}-pgaudit",
    "pgrouting": "postgresql-{major}-pgrouting",
    "pgtap": "postgresql-{major}-pgtap",
    "plperl": "postgresql-plperl-{major}",
    "plpython3u": "postgresql-plpython3-{major}",
    "pltcl": "postgresql-pltcl-{major}",
    "prefix": "postgresql-{major}-prefix",
    "rum": "postgresql-{major}-rum",
    "semver": "postgresql-{major}-semver",
    "tdigest": "postgresql-{major}-tdigest",
    "vector": "postgresql-{major}-pgvector",
}


def remedy(message: str) -> str:
    """Return the next step for the message that an extension is missing; empty for any other message."""
    match = next((match for lacking in _LACKING if (match := lacking.search(message))), None)
    if match is None:
        return ""
    major = _MAJOR.search(message)
    package = _PACKAGES.get(match["name"])
    if package is None:
        return "install it on this Postgres"
    return f"install it on this Postgres, on Debian and Ubuntu with the package {package.format(major=major[1] if major else 'NN')}"
