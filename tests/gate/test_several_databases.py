"""An env.py for several databases, as alembic's multidb template has it: the history is proven in each of them."""

import pytest

from slipway.errors import RefusedError
from slipway.migration.alembic_config import Call
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment
from slipway.migration.upgrade import upgrade
from slipway.records.proof import Layer, Verdict
from tests.gate.conftest import question

pytestmark = pytest.mark.slow

LAYERS = (Layer.TRACE, Layer.ROWS)
ENV = """\
import sqlalchemy as sa
from alembic import context

{models}
for name in ("users", "billing"):
    metadata = sa.MetaData()
    sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True))
    url = sa.make_url(context.config.get_main_option("sqlalchemy.url"))
    engine = sa.create_engine({url}, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        {first}
        context.configure(connection=connection, target_metadata=metadata{options})
        with context.begin_transaction():
            context.run_migrations({arguments})
"""
REVISION = """\
import sqlalchemy as sa
from alembic import op

revision, down_revision = "one", None


def upgrade(engine_name):
    globals()[f"upgrade_{engine_name}"]()


def downgrade(engine_name):
    op.drop_table(engine_name)


def upgrade_users():
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True))


def upgrade_billing():
    op.create_table("billing", sa.Column("id", sa.Integer, primary_key=True)MORE)
"""


def env(first="pass", options="", arguments="engine_name=name", url="url"):
    parts = {"{first}": first, "{options}": options, "{arguments}": arguments, "{url}": url}
    text = ENV
    for placeholder, part in parts.items():
        text = text.replace(placeholder, part)
    return text


@pytest.fixture
def prove_databases(prove_history):
    def run(more="", **of_env):
        files = {"migrations/versions/one.py": REVISION.replace("MORE", more)}
        return prove_history({}, env=env(**of_env), files=files)

    return run


def test_a_required_release_that_was_not_named_is_one_error_of_the_first(write_project, prove_in_process, server_url):
    config = write_project({}, env=env(), files={"migrations/versions/one.py": REVISION.replace("MORE", "")})
    asked = question(config, layers=(Layer.PREVIOUS,), previous_required=True)
    found = [(each.rule, each.measured) for each in prove_in_process(asked, server_url).failures]
    assert found == [("C21", "in engine_name=users: no previous release was named")]


def test_each_database_is_proven_with_its_own_models(prove_databases):
    proof = prove_databases()
    (revision,) = proof.revisions
    assert ["users" in statement.sql for statement in revision.statements] == [True, False]
    assert (proof.verdict, proof.findings) == (Verdict.PASS, ())
    assert not any("models were not compared" in gap for gap in proof.coverage.gaps)
    assert (proof.coverage.tables, proof.coverage.statements) == (2, 2)


def test_a_revision_that_fails_in_the_second_database_is_an_error_there(prove_databases):
    proof = prove_databases(more="); op.drop_table('no_such_table'", url="url.set(database=f'{url.database}_{name}')")
    (failure,) = proof.failures
    assert (failure.rule, failure.revision) == ("U01", "one")
    assert failure.measured.startswith("in engine_name=billing: ProgrammingError: ")
    assert proof.coverage.revisions == 0


@pytest.fixture
def environment(write_project, server_url):
    return lambda text: Environment(Call(config=write_project({}, env=text)), server_url)


@pytest.mark.parametrize(
    ("of_env", "databases"),
    [
        ({"options": ", version_table_schema=name"}, 1),
        ({"first": "connection.exec_driver_sql(f'SET search_path TO {name}'); connection.commit()"}, 1),
        ({"arguments": ""}, 1),
        ({}, 2),
        ({"arguments": "", "url": "url.set(database=name)"}, 2),
    ],
    ids=["versions in schemas", "search paths", "the same twice", "arguments", "URLs"],
)
def test_tenants_share_a_database_and_others_have_their_own(environment, server_url, of_env, databases):
    read = environment(env(**of_env).replace("{models}", ""))
    with every_connection_to(server_url):
        read.run(lambda _heads, _context: (), dont_mutate=True)
    assert len(read.databases) == databases


def test_an_upgrade_of_one_of_them_is_refused_before_anything_is_changed(environment, server_url, tmp_path):
    several = environment(env().replace("{models}", ""))
    (tmp_path / "migrations/versions/one.py").write_text("raise AssertionError")
    with pytest.raises(RefusedError, match=r"several databases \(engine_name=users, engine_name=billing\)"):
        upgrade(several, server_url)
