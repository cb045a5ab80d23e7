"""The servers of this machine behind the databases of a simulated account."""

import psycopg
import pytest

from slipway.local.databases import attached, servers_of
from slipway.simulator.databases import DatabaseLaunch
from tests.release.direct import opened


@pytest.mark.slow
async def test_a_database_of_an_account_is_a_server_whose_main_user_is_no_superuser():
    launch = DatabaseLaunch(identifier="notes", user="slipway", password="hunter2", name="first", version="18")
    async with opened() as account, attached(account.cloud):
        assert account.cloud.databases.attach is not None
        host, port = await account.cloud.databases.attach(launch)
        url = f"postgresql://slipway:hunter2@{host}:{port}"
        with psycopg.connect(f"{url}/first", autocommit=True) as connection:
            attributes = connection.execute(
                "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            connection.execute("CREATE ROLE another LOGIN")
        assert attributes == (False, True, True)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"{url}/postgres")


@pytest.mark.slow
async def test_the_database_of_a_secret_is_a_server_that_runs_as_long_as_the_account():
    async with servers_of({"arn": "postgresql+asyncpg"}) as urls:
        assert urls["arn"].startswith("postgresql+asyncpg://")
        url = urls["arn"].replace("+asyncpg", "")
        psycopg.connect(url).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
