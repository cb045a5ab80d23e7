"""Advice has the names of what was found."""

from types import SimpleNamespace

from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.rules import advice, waiting
from slipway.gate.steps import UP
from slipway.records.proof import Statement

NODE = SimpleNamespace(id="two", file="two.py", old=None, upgrade_line=9)


def test_the_missing_index_is_written_out():
    key = Line("foreign key", "shop.notes.notes_author", 'FOREIGN KEY (author_id, "No 2") REFERENCES authors(id, no)')
    findings = advice.check(NODE, Steps(changes={UP: Change(added=(key,))}), [key])
    found = next(each for each in findings if each.rule == "S01")
    index = 'op.create_index("ix_notes_author_id_No 2", "notes", ["author_id", "No 2"], postgresql_concurrently=True'
    assert f'{index}, schema="shop")' in found.remedy


def test_the_foreign_key_of_a_new_table_is_written_out():
    sql = "CREATE TABLE notes (\n\tid BIGINT, \n\tFOREIGN KEY(author_id) REFERENCES authors (id)\n)"
    locks = {"public.authors": "SHARE ROW EXCLUSIVE"}
    nothing = {"rewrites": (), "builds": (), "scans": (), "blocks": {}, "measured": True, "ms": 1.0}
    statement = Statement(sql=sql, line=10, transaction=True, locks=locks, **nothing)
    found = next(each for each in waiting.check(NODE, [statement], None) if each.rule == "Q03")
    assert 'op.create_foreign_key("notes_author_id_fkey", "notes", "authors", ["author_id"], …' in found.remedy
