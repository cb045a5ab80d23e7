"""Postgres' reasons beyond the first line of an error, and the next step when an extension is missing."""

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from subprocess import CalledProcessError
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

# The message of PostgreSQL 15 and later, and the older one.
_UNAVAILABLE: Final = (
    re.compile(r'extension "(?P<name>[^"]+)" is not available'),
    re.compile(r'could not open extension control file "[^"]*/(?P<name>[^/"]+)\.control"'),
)
# the folder of Debian's packages; PostgreSQL 18's message contains none
_MAJOR: Final = re.compile(r"/postgresql/(\d+)/extension/")

_CONTRIB: Final = frozenset(
    """amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance file_fdw fuzzystrmatch hstore insert_username
    intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache pg_freespacemap pg_prewarm pg_stat_statements pg_surgery pg_trgm pg_visibility
    pg_walinspect pgcrypto pgrowlocks pgstattuple postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp
    xml2""".split()  # noqa: SIM905 -- a list would be as many lines
)
_OWN_PACKAGES: Final = (
    *("hll", "hypopg", "ip4r", "orafce", "periods", "pg_cron", "pg_partman", "pg_repack", "pgaudit", "pgrouting"),
    *("pgtap", "prefix", "rum", "semver", "tdigest"),
)
_PACKAGES: Final = {
    **dict.fromkeys(_CONTRIB, "postgresql-{major}"),
    **dict.fromkeys(
        ("postgis", "postgis_raster", "postgis_sfcgal", "postgis_topology", "address_standardizer"),
        "postgresql-{major}-postgis-3",
    ),
    **{name: f"postgresql-{{major}}-{name.removeprefix('pg_')}" for name in _OWN_PACKAGES},
    "plperl": "postgresql-plperl-{major}",
    "plpython3u": "postgresql-plpython3-{major}",
    "pltcl": "postgresql-pltcl-{major}",
    "vector": "postgresql-{major}-pgvector",
}

_MISSING: Final = re.compile(
    r"""(?:type|operator\ class|access\ method|language)\ "(?:\w+\.)?(?P<name>\w+)(?:\[\])?"\ does\ not\ exist
    | function\ (?:\w+\.)?(?P<function>\w+)\(.*\)\ does\ not\ exist
    | data\ type\ .*\ has\ no\ default\ operator\ class\ for\ access\ method\ "(?P<method>gin|gist)" """,
    re.VERBOSE,
)
_MEMBERS: Final = {
    "citext": "citext",
    "hstore": "hstore",
    "ltree lquery ltxtquery": "ltree",
    "cube": "cube",
    "geometry geography box2d box3d st_makepoint st_setsrid st_geomfromtext st_transform": "postgis",
    "vector halfvec sparsevec hnsw ivfflat vector_cosine_ops vector_l2_ops vector_ip_ops": "vector",
    "gin_trgm_ops gist_trgm_ops similarity word_similarity show_trgm": "pg_trgm",
    "uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 uuid_generate_v5 uuid_nil": "uuid-ossp",
    "gen_random_bytes crypt gen_salt digest hmac pgp_sym_encrypt pgp_sym_decrypt": "pgcrypto",
    "unaccent": "unaccent",
    "levenshtein soundex metaphone dmetaphone": "fuzzystrmatch",
    "gist__int_ops gin__int_ops": "intarray",
    "plperl": "plperl",
    "plpython3u": "plpython3u",
    "create_hypertable time_bucket": "timescaledb",
}
_EXTENSION_OF: Final = {member: extension for members, extension in _MEMBERS.items() for member in members.split()} | {
    "gin": "btree_gin",
    "gist": "btree_gist",
}

_NO_MODULE: Final = re.compile(
    r"No module named '(?P<module>[\w.]+)'|cannot import name '(?P<name>\w+)' from (?:partially initialized module )?'(?P<package>[\w.]+)' (?:\(most likely[^)]*\) )?\([^)]*__init__\.py\)"
)

# The beginning of a note of the gate. Notes of the service's code may quote rows.
CAUGHT: Final = "the transaction had failed before, and the error was caught: "

# In these places Postgres quotes values of rows, which do not belong in a log.
_VALUES: Final = (
    (re.compile(r"Failing row contains \(.*\)", re.DOTALL), ""),
    (re.compile(r"\) ?= ?\(.*?\)(?= |\.?$)", re.DOTALL), ")"),
    (re.compile(r"^((?:COPY|JSON data|XML|unnamed portal|portal)\b[^:='\n]*).*$", re.MULTILINE), r"\1"),
)


def details(error: BaseException) -> Iterator[str]:
    """Yield `DETAIL: …`, `HINT: …` and `CONTEXT: …` of Postgres' error, with any driver, without values of rows, and our note.

    For a failed program, yield the last line of its standard error if the caller has captured it.
    """
    original = _original(error)
    if isinstance(original, CalledProcessError) and original.stderr:
        yield from os.fsdecode(original.stderr).strip().splitlines()[-1:]
    for label, text in _labelled(original):
        for pattern, instead in _VALUES:
            text = pattern.sub(instead, text)  # noqa: PLW2901 -- each pattern works on what the one before has left
        if line := ", ".join(" ".join(line.split()).rstrip(".,: ") for line in text.splitlines() if line.strip()):
            yield f"{label}: {line}"
    yield from (note for note in getattr(original, "__notes__", ()) if note.startswith(CAUGHT))


def detail(error: BaseException) -> str:
    """Return the DETAIL of Postgres' error with values of rows, which must not be printed; empty without one."""
    return dict(_labelled(_original(error))).get("DETAIL", "")


def _original(error: BaseException) -> Any:
    """Return the driver's own error."""
    return error.orig if isinstance(error, DBAPIError) else error


def _labelled(original: Any) -> Iterator[tuple[str, str]]:
    diagnosis = getattr(original, "diag", None)  # psycopg, psycopg2
    by_asyncpg = getattr(original, "__cause__", None)
    by_pg8000 = of_pg8000(original)
    for label, code in (("DETAIL", "D"), ("HINT", "H"), ("CONTEXT", "W")):
        name = label.lower()
        text = (
            getattr(diagnosis, "context" if label == "CONTEXT" else f"message_{name}", None)
            or getattr(by_asyncpg, name, None)
            or by_pg8000.get(code)
        )
        if isinstance(text, str) and text:
            yield label, text


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message.

    For a RAISE return the whole message, and for pg8000 the message in its dictionary.
    """
    original = _original(error)
    raised = getattr(getattr(original, "diag", None), "message_primary", None) or ""
    text = of_pg8000(original).get("M") or str(error)
    return " ".join([*text.strip().splitlines()[:1], *raised.splitlines()[1:]])


def of_pg8000(original: Any) -> dict[str, str]:
    """Return the fields of a pg8000 error, by the letters of Postgres' protocol; none for other drivers."""
    fields = next(iter(getattr(original, "args", ())), None)
    return fields if isinstance(fields, dict) and "M" in fields else {}


def remedy(message: str) -> str:
    """Return the next step when an extension, or a type or function of one, is missing; empty for other errors."""
    if extension := not_installed(message):
        major, package = _MAJOR.search(message), _PACKAGES.get(extension)
        named = f", on Debian and Ubuntu with the package {package.format(major=major[1])}" if major and package else ""
        return f"install it on this Postgres{named}"
    if extension := not_created(message):
        return (
            f"the extension {extension} brings it: create it in an earlier revision, "
            "or name it in [tool.slipway.migrations] extensions if production has it already"
        )
    return ""


def generated(message: str) -> str:
    """Return the next step when the message reports a missing module of the service; empty for other messages."""
    match = _NO_MODULE.search(message)
    module = "" if match is None else match["module"] or f"{match['package']}.{match['name']}"
    spec = find_spec(module.partition(".")[0]) if "." in module else None
    places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else []
    if not places or any("site-packages" in place for place in places):
        return ""
    return f"no file of the service is {module}; if its build generates that module, run this step before slipway"


def not_installed(message: str) -> str:
    """Return the extension that, by the message, the server does not have; otherwise an empty text."""
    return next((match["name"] for pattern in _UNAVAILABLE if (match := pattern.search(message))), "")


def not_created(message: str) -> str:
    """Return the extension that provides the missing type or function; otherwise an empty text."""
    missing = _MISSING.search(message)
    return _EXTENSION_OF.get(missing[missing.lastgroup or 0], "") if missing else ""
