"""Waiting without a limit: one finding per project, with the code of env.py that ends it."""

import pytest

from slipway.gate.forks import Fork
from slipway.records.proof import Layer
from tests.gate.conftest import ENV, question

pytestmark = pytest.mark.slow

REVISIONS = {
    "a": (None, "op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('a')"),
    "b": ("a", "op.add_column('a', sa.Column('b', sa.Integer))", "op.drop_column('a', 'b')"),
    "c": ("b", "op.add_column('a', sa.Column('c', sa.Integer))\nop.execute('CREATE INDEX ON a (c)')", "op.drop_column('a', 'c')"),
}  # fmt: skip
AT_ONCE = 'sa.create_engine(context.config.get_main_option("sqlalchemy.url")'
LISTENS = ENV.replace("import sqlalchemy as sa", "import sqlalchemy\nimport sqlalchemy as sa\nmake = sa.create_engine")


@pytest.mark.parametrize(
    ("env", "code", "cured"),
    [
        (
            ENV,
            """create_engine(…, connect_args={"options": "-c lock_timeout=2s -c statement_timeout=10min -c idle_in_transaction_session_timeout=1min"})  # migrations/env.py, line 6; for Postgres only; retry when it expires""",
            (
                AT_ONCE,
                f'{AT_ONCE}, connect_args={{"options": "-c lock_timeout=2s -c statement_timeout=10min -c idle_in_transaction_session_timeout=1min"}}',
            ),
        ),
        (LISTENS.replace("sa.create_engine(", "make("), "# in migrations/env.py, before it connects:\n", None),
    ],
    ids=["an argument of the engine", "a listener"],
)
def test_statements_that_wait_forever_are_one_finding_that_a_line_of_env_py_cures(
    write_project, prove_in_process, server_url, tmp_path, env, code, cured
):
    asked = question(write_project(REVISIONS, env=env, lock_timeout=None), layers=(Layer.TRACE,))
    (finding,) = (each for each in prove_in_process(asked, server_url).findings if each.rule in {"Q01", "Q11"})
    assert (finding.rule, finding.revision, finding.file, finding.line) == ("Q01", "b", "migrations/versions/b.py", 10)
    assert (
        finding.measured == "ACCESS EXCLUSIVE on public.a, with lock_timeout = 0; 3 statements of 2 revisions wait so"
    )
    assert finding.remedy.startswith(code)

    file = tmp_path / "migrations/env.py"
    text = file.read_text()
    file.write_text(text.replace(*cured) if cured else text.replace("\nengine", f"\n{finding.remedy}\nengine", 1))
    again = Fork(lambda: prove_in_process(asked, server_url), "the gate").result()  # a listener stays in its process
    assert [each.rule for each in again.findings if each.rule in {"Q01", "Q11"}] == []
