from datetime import date

import pytest

from slipway.graph.gate import day_of


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ([], "0001-01-01"),
        (["2026-12-31"], "0001-01-01"),  # it holds today
        (["2026-11-29"], "0001-01-01"),  # to the end of this day
        (["2026-11-20", "2026-11-28", "2026-12-31"], "2026-11-29"),
        (["2026-13-99"], "0001-01-01"),
    ],
)
def test_the_gate_has_one_day_until_the_next_allowance_expires_so_that_its_cache_lasts(dates, day):
    assert day_of(dates, date(2026, 11, 29)) == date.fromisoformat(day)
