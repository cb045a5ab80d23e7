import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.records.proof import Blocked, Revision, Statement
from slipway.report.proof.lock_lanes import Span, Waits, Work, lock_lanes

READERS, WRITERS = Blocked(read=True, write=True), Blocked(read=False, write=True)


def statement(*, transaction=True, locks=(), blocks=(), rewrites=(), builds=(), scans=(), measured=True):
    return Statement(
        sql="",
        line=None,
        transaction=transaction,
        locks=dict(locks),
        rewrites=rewrites,
        builds=builds,
        scans=scans,
        blocks=dict(blocks),
        measured=measured,
        ms=0.1,
    )


def lanes_of(*statements):
    return lock_lanes(Revision(id="a", down=(), file="a.py", new=True, statements=statements, fingerprints={}))


def lane(*statements):
    """The spans of the only table, as (length, who waits)."""
    (only,) = lanes_of(*statements).lanes
    return [(span.length, span.waits) for span in only.spans]


def test_a_lock_is_held_from_its_statement_to_the_end_of_the_transaction():
    before, during, after = (
        statement(),
        statement(locks={"t": "SHARE"}, blocks={"t": WRITERS}),
        statement(blocks={"t": WRITERS}),
    )
    assert lane(before, during, after, after) == [(1, Waits.UNLOCKED), (3, Waits.WRITERS)]


def test_a_lock_without_waiting_sessions_has_a_span():
    assert lane(statement(locks={"t": "SHARE UPDATE EXCLUSIVE"}), statement(), statement()) == [(3, Waits.NO_SESSION)]


def test_a_stronger_lock_is_a_span_of_its_own():
    weak = statement(locks={"t": "SHARE"}, blocks={"t": WRITERS})
    strong = statement(locks={"t": "ACCESS EXCLUSIVE"}, blocks={"t": READERS})
    assert lane(weak, strong, statement(blocks={"t": READERS})) == [(1, Waits.WRITERS), (2, Waits.EVERYBODY)]


def test_work_is_a_span_of_its_own():
    locked = {"t": READERS}
    (only,) = lanes_of(
        statement(locks={"t": "ACCESS EXCLUSIVE"}, blocks=locked, rewrites=("t",), builds=("t",), scans=("t",)),
        statement(blocks=locked),
        statement(blocks=locked),
        statement(blocks=locked, scans=("t",)),
    ).lanes
    assert only.spans == (
        Span(
            length=1,
            waits=Waits.EVERYBODY,
            brief=False,
            opens=True,
            taken="ACCESS EXCLUSIVE",
            work=(Work.REWRITE, Work.BUILD, Work.SCAN),
        ),
        Span(length=2, waits=Waits.EVERYBODY, brief=True, opens=False, taken="", work=()),
        Span(length=1, waits=Waits.EVERYBODY, brief=False, opens=False, taken="", work=(Work.SCAN,)),
    )


def test_a_statement_alone_ends_the_transaction_before_it_and_its_own():
    taken = {"locks": {"t": "SHARE UPDATE EXCLUSIVE"}}
    found = lanes_of(
        statement(**taken), statement(transaction=False), statement(transaction=False, **taken), statement()
    )
    assert [(len(each.statements), each.alone) for each in found.scopes] == [
        (1, False),
        (1, True),
        (1, True),
        (1, False),
    ]
    (only,) = found.lanes
    assert [(span.waits, span.opens) for span in only.spans] == [
        (Waits.NO_SESSION, True),
        (Waits.UNLOCKED, True),
        (Waits.NO_SESSION, True),
        (Waits.UNLOCKED, True),
    ]


def test_what_was_not_measured_is_not_called_unlocked():
    known = statement(locks={"t": "SHARE"}, blocks={"t": WRITERS})
    assert lane(known, statement(transaction=False, measured=False)) == [(1, Waits.WRITERS), (1, Waits.UNKNOWN)]


@pytest.mark.parametrize("what", ["rewrites", "builds", "scans"])
def test_a_table_that_is_worked_on_without_a_lock_has_a_lane(what):
    assert lane(statement(**{what: ("t",)})) == [(1, Waits.UNLOCKED)]


def test_tables_stand_in_the_order_in_which_they_are_come_to():
    found = lanes_of(
        statement(scans=("c",)), statement(locks={"b": "SHARE"}), statement(blocks={"a": WRITERS, "b": WRITERS})
    )
    assert [each.table for each in found.lanes] == ["c", "b", "a"]


def test_a_revision_without_statements_has_no_lanes():
    assert (lanes_of().scopes, lanes_of().lanes) == ((), ())


tables = st.sampled_from("abc")
blocked = st.sampled_from([READERS, WRITERS])
some = st.sets(tables, max_size=2).map(tuple)
statements = st.builds(
    statement,
    transaction=st.booleans(),
    locks=st.dictionaries(tables, st.sampled_from(["SHARE", "ROW EXCLUSIVE"]), max_size=2),
    blocks=st.dictionaries(tables, blocked, max_size=2),
    rewrites=some,
    builds=some,
    scans=some,
    measured=st.booleans(),
)


@settings(max_examples=30)
@given(st.lists(statements, max_size=8))
def test_every_lane_is_as_long_as_the_revision_and_loses_nothing(told):
    found = lanes_of(*told)
    assert [each for scope in found.scopes for each in scope.statements] == told
    for each in found.lanes:
        looks = [(span, number) for span in each.spans for number in range(span.length)]
        for (span, number), done in zip(looks, told, strict=True):
            blocks = done.blocks.get(each.table)
            assert (span.waits in (Waits.EVERYBODY, Waits.WRITERS)) == (blocks is not None)
            assert (span.waits is Waits.EVERYBODY) == (blocks == READERS)
            assert (span.taken if number == 0 else "") == done.locks.get(each.table, "")
            assert (Work.SCAN in span.work) == (each.table in done.scans)
            assert (Work.BUILD in span.work) == (each.table in done.builds)
            assert (Work.REWRITE in span.work) == (each.table in done.rewrites)
