"""Advice that ends: where each remedy of the first round was pasted, the gate finds nothing new in the second.

Of its layers only that with other sessions is left out: it takes most of the time, and of the errors and warnings only T11 rests on it.
"""

import re
import shutil

import pytest
import sqlalchemy as sa

from slipway.gate.layers.queries import as_models
from slipway.records.gate import Previous
from slipway.records.proof import Layer, Level
from tests.gate.conftest import question
from tests.gate.test_remedies import revisions_of

pytestmark = pytest.mark.slow

OF_THE_NEXT_RELEASE = re.compile(r"^# in a revision of the next release.*", re.MULTILINE | re.DOTALL)
COLUMNS = "id bigint PRIMARY KEY, title text NOT NULL, at date NOT NULL DEFAULT '2026-05-05', parent bigint, stars int"
OTHERS = {
    "L02": "CREATE INDEX {0}_at ON {0} (at)",
    "L05": "CREATE TABLE {0}_keyless (id bigint NOT NULL)",
    "L08": "CREATE TABLE {0}_parent (id bigint PRIMARY KEY)",
    "D09": "CREATE TABLE {0}_numbered (id serial PRIMARY KEY)",
}
# By the rule: statement of upgrade(), of downgrade(), and what only the author can fill in for each "…".
STATEMENTS = {
    "L01": ("op.create_index('{0}_i', '{0}', ['parent'])", "op.drop_index('{0}_i')", []),
    "L04": ("op.create_unique_constraint('{0}_u', '{0}', ['id', 'at'])", "op.drop_constraint('{0}_u', '{0}')", []),
    "L07": ("op.create_check_constraint('{0}_c', '{0}', 'id > 0')", "op.drop_constraint('{0}_c', '{0}')", []),
    "L08": ("op.create_foreign_key('{0}_f', '{0}', '{0}_parent', ['parent'], ['id'])", "op.drop_constraint('{0}_f', '{0}')", []),
    "L10": ("op.alter_column('{0}', 'stars', nullable=False)", "op.alter_column('{0}', 'stars', nullable=True)", ["0"]),
    "L14": ("op.add_column('{0}', sa.Column('token', sa.Uuid, nullable=False, server_default=sa.text('gen_random_uuid()')))", "op.drop_column('{0}', 'token')", []),
    "L15": ("op.add_column('{0}', sa.Column('n', sa.BigInteger, sa.Identity()))", "op.drop_column('{0}', 'n')", []),
    "L17": ("op.execute('ALTER TABLE {0} ADD COLUMN rank int DEFAULT 0 CHECK (rank >= 0)')", "op.drop_column('{0}', 'rank')", []),
    "L03": ("op.execute('REINDEX INDEX {0}_pkey')", "pass", []),
    "C05": ("op.add_column('{0}', sa.Column('kind', sa.Text, nullable=False))", "op.drop_column('{0}', 'kind')", []),
    "C04": ("op.rename_table('{0}', '{0}_new')", "op.rename_table('{0}_new', '{0}')", []),
    "C03": ("op.alter_column('{0}', 'title', new_column_name='heading')", "op.alter_column('{0}', 'heading', new_column_name='title')", []),
    "D04": ("op.execute('UPDATE {0} SET stars = 0 WHERE stars IS NULL')", "pass", []),
    "L02": ("op.drop_index('{0}_at')", "op.create_index('{0}_at', '{0}', ['at'])", []),
    "L05": ("op.create_primary_key('{0}_k', '{0}_keyless', ['id'])", "op.drop_constraint('{0}_k', '{0}_keyless')", []),
    "D09": ("op.execute('INSERT INTO {0}_numbered (id) VALUES (1), (2)')", "op.execute('DELETE FROM {0}_numbered WHERE id < 7000')", []),
}  # fmt: skip
# Findings that stay, with the reason.
LEFT = {
    ("L05", "D01"): "which of several equal rows stays is the author's decision; D01 says so in the first round, too"
}


def tables():
    for rule in STATEMENTS:
        for sql in (f"CREATE TABLE {{0}} ({COLUMNS})", OTHERS.get(rule)):
            if sql:
                yield f'op.execute("{sql.format(f"t_{rule.lower()}")}")'


def release():
    """The live release, whose code writes a value into each column."""
    metadata = sa.MetaData()
    for rule in STATEMENTS:
        name = f"t_{rule.lower()}"
        columns = [sa.Column("title", sa.Text, default=""), sa.Column("stars", sa.Integer, default=0)]
        sa.Table(name, metadata, sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False), *columns)
    return Previous(name="v1", models=tuple(as_models(metadata.tables.values())))


def pasted(remedy, downgrade, filled):
    """The bodies of the revisions that a remedy asks for; the author's own downgrade belongs to the first."""
    remedy = OF_THE_NEXT_RELEASE.sub("", remedy)
    for value in filled:
        remedy = remedy.replace("…", value, 1)
    for number, (up, down) in enumerate(revisions_of(remedy)):
        yield up, down or (downgrade if number == 0 else "pass")


def test_pasting_the_remedies_takes_one_round(write_project, server_url, prove_in_process, tmp_path):
    def prove(revisions, layers):
        shutil.rmtree(tmp_path / "migrations", ignore_errors=True)
        history, before = {"tables": (None, "\n".join(tables()), "pass")}, "tables"
        for name, body in revisions.items():
            history[name], before = (before, *body), name
        config = write_project(history, options="transaction_per_migration=True")
        asked = question(config, start_after="tables", previous=release(), layers=tuple(layers))
        return prove_in_process(asked, server_url).findings

    def named(rule, text):
        return text.replace("{0}", f"t_{rule.lower()}")

    written = {rule: (named(rule, up), named(rule, down)) for rule, (up, down, _) in STATEMENTS.items()}
    first = prove(written, (Layer.TRACE, Layer.ROWS, Layer.PREVIOUS))
    remedies = {}
    for rule in STATEMENTS:
        of_rule = [each for each in first if (each.revision, each.rule) == (rule, rule)]
        assert of_rule, (rule, [(each.rule, each.measured) for each in first if each.revision == rule])
        remedies[rule] = of_rule[0].remedy
    answered = [
        (each.revision, each.rule) for each in first if each.suppressed == f"answered by the remedy of {each.revision}"
    ]
    assert sorted(answered) == [("C05", "D01"), ("L05", "D01"), ("L10", "D01")]
    second = {
        f"{rule}_{number}": body
        for rule, remedy in remedies.items()
        for number, body in enumerate(pasted(remedy, written[rule][1], STATEMENTS[rule][2]))
    }
    found = [
        (each.revision, each.rule, each.measured)
        for each in prove(second, [layer for layer in Layer if layer is not Layer.CONCURRENCY])
        if each.level is not Level.NOTE
        and each.revision != "tables"
        and (f"{each.revision}".partition("_")[0], each.rule) not in LEFT
    ]
    assert found == [], "\n".join("\n".join((str(each), *second.get(each[0], ()))) for each in found)
