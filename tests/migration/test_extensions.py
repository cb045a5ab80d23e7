import pytest

from slipway.migration.reasons import remedy

INSTALL = "install it on this Postgres"
DEBIAN = f"{INSTALL}, on Debian and Ubuntu with the package"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            'extension "pg_trgm" is not available\nDETAIL:  Could not open extension control file "/usr/share/postgresql/17/extension/pg_trgm.control"',
            f"{DEBIAN} postgresql-17",
        ),
        (
            'could not open extension control file "/usr/share/postgresql/14/extension/vector.control": No such file or directory',
            f"{DEBIAN} postgresql-14-pgvector",
        ),
        (
            'extension "xml2" is not available\nDETAIL:  Could not open extension control file "/opt/venv/share/extension/xml2.control"',
            INSTALL,
        ),
        ('extension "plpython3u" is not available', INSTALL),
        ('extension "of_our_own" is not available', INSTALL),
        ('extension "pg_trgm" already exists', ""),
    ],
)
def test_who_brings_an_extension(said, expected):
    assert remedy(said) == expected
