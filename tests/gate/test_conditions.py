"""The values that a condition demands, as far as its text shows them."""

import pytest

from slipway.gate.layers.conditions import meeting, sought

CONDITIONS = {
    "state = 'on' AND gone_at IS NULL AND size > 3": {"state": "'on'", "gone_at": "NULL", "size": "3 + 1"},
    "((gone_at IS NULL) AND ((state)::text = 'it''s'::character varying))": {"gone_at": "NULL", "state": "'it''s'"},
    "lower(state) IN ('a', 'b') OR state = 'c'": {"state": "'a'"},
    "state = ANY ('{a,b}'::text[]) AND kind = ANY (ARRAY['c'::text])": {"state": "'a'", "kind": "'c'"},
    "title LIKE 'draft%' AND code ~ '^[A-Z]{2}$'": {"title": "'draftv1'", "code": "'AA'"},
    "WHERE done AND NOT seen AND paid IS FALSE AND at <= '2026-01-01'": {
        "done": "true", "seen": "false", "paid": "FALSE", "at": "'2026-01-01'",
    },
    "data::jsonb ? 'references'": {"data": """'{"references": {}}'"""},
    "data ->> 'kind' = 'x' AND data -> 'at' ->> 'day' IS NOT NULL AND data @> '{\"n\": 1}'": {
        "data": """'{"kind": "x", "at": {"day": "x"}, "n": 1}'"""
    },
    "tags @> ARRAY['a'] AND words @> '{b,c}' AND list @> '[1]' AND span @> '2026-01-01'::date": {
        "tags": "ARRAY['a']", "words": "'{b,c}'", "list": "'[1]'", "span": "'2026-01-01'",
    },
    "a.id = b.id AND count(*) > 1 AND state <> 'x' AND kind IS NOT NULL": {},
}  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_shows_the_values_that_meet_it(condition):
    assert {column: value for (_, column), value in meeting(condition).items()} == CONDITIONS[condition]


def test_each_value_belongs_to_the_table_whose_alias_its_column_has():
    found = sought("UPDATE shop.a AS x SET n = 'new' FROM b WHERE x.kind = 'old' AND b.day IS NULL AND n = 3")
    assert list(found.by_table()) == [
        ("b", {"day": "NULL", "n": "3"}),
        ("shop.a", {"kind": "'old'", "n": "3"}),
    ]
    assert sought("SELECT name, count(*) FROM a GROUP BY name HAVING count(*) > 1").equal == {"name"}
