"""Waiting without a limit: one finding per project, with the code of env.py that ends it."""

import pytest
import sqlalchemy as sa

from slipway.gate.forks import Fork
from slipway.gate.rulebook.waiting import EVERY_TIMEOUT, EnvFile, timeouts_in
from slipway.records.proof import Layer
from tests.gate.conftest import ENV, question

pytestmark = pytest.mark.slow

REVISIONS = {
    "a": (None, "op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('a')"),
    "b": ("a", "op.add_column('a', sa.Column('b', sa.Integer))", "op.drop_column('a', 'b')"),
    "c": ("b", "op.add_column('a', sa.Column('c', sa.Integer))\nop.execute('CREATE INDEX ON a (c)')", "op.drop_column('a', 'c')"),
}  # fmt: skip
LISTENS = ENV.replace("import sqlalchemy as sa", "import sqlalchemy as sa  # connect_args")


@pytest.mark.parametrize(
    ("env", "event"), [(ENV, "do_connect"), (LISTENS, "connect")], ids=["a parameter", "a statement"]
)
def test_statements_that_wait_forever_are_one_finding_that_a_line_of_env_py_cures(
    write_project, prove_in_process, server_url, tmp_path, env, event
):
    asked = question(write_project(REVISIONS, env=env, lock_timeout=None), layers=(Layer.TRACE,))
    (finding,) = (each for each in prove_in_process(asked, server_url).findings if each.rule in {"Q01", "Q11"})
    assert (finding.rule, finding.revision, finding.file, finding.line) == ("Q01", "b", "migrations/versions/b.py", 10)
    assert (
        finding.measured == "ACCESS EXCLUSIVE on public.a, with lock_timeout = 0; 3 statements of 2 revisions wait so"
    )
    assert f'"{event}")' in finding.remedy

    file = tmp_path / "migrations/env.py"
    file.write_text(file.read_text().replace("\nengine", f"\n{finding.remedy}\nengine", 1))
    again = Fork(lambda: prove_in_process(asked, server_url), "the gate").result()  # a listener stays in its process
    assert [each.rule for each in again.findings if each.rule in {"Q01", "Q11"}] == []


@pytest.mark.parametrize(
    ("source", "driver"), [("", "psycopg"), ("", "asyncpg"), ("", "pg8000"), ("connect_args", "asyncpg")]
)
def test_the_code_is_without_effect_on_a_project_that_also_runs_on_sqlite(tmp_path, source, driver):
    code = timeouts_in(EnvFile(file="env.py", source=source, driver=driver), EVERY_TIMEOUT)

    def connects():
        exec(code, {})
        for url in ("sqlite://", f"sqlite:///{tmp_path}/shop.db"):
            with sa.create_engine(url).connect() as connection:
                assert connection.execute(sa.text("SELECT 1")).scalar() == 1
        return True

    assert Fork(connects, "the listener").result()
