from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.records.proof import Revision
from slipway.report.proof.revision_graph import graph


def revision(name, *down, new=False):
    return Revision(id=name, down=down, file=f"{name}.py", new=new, statements=(), fingerprints={})


def line(length, *, new=False):
    return [revision(f"r{number}", *([f"r{number - 1}"] if number else []), new=new) for number in range(length)]


def drawn(found):
    """The nodes from top to bottom: what is in them, and their lane."""
    return [("+".join(revision.id for revision in node.revisions), node.lane) for node in found.nodes]


@st.composite
def histories(draw):
    """Branches, merges, several bases and heads, in an order in which each can be run."""
    revisions = []
    for number in range(draw(st.integers(0, 25))):
        # Mostly in a line, so that there are runs to fold.
        parents = draw(
            st.just({number - 1} if number else set())
            | (st.sets(st.integers(0, number - 1), max_size=3) if number else st.just(set()))
        )
        down = draw(st.permutations([f"r{parent}" for parent in sorted(parents)]))
        revisions.append(revision(f"r{number}", *down, new=draw(st.integers(0, 9)) == 0))
    return revisions


noteworthy = st.sets(st.integers(0, 25).map("r{}".format), max_size=4)


def each_revision_is_in_one_node_and_each_node_has_its_own_cell(revisions, _noteworthy, found):
    assert Counter(each.id for node in found.nodes for each in node.revisions) == Counter(each.id for each in revisions)
    assert [node.row for node in found.nodes] == list(range(len(found.nodes)))
    assert all(0 <= node.lane < found.lanes for node in found.nodes)


def an_edge_leads_from_each_child_down_to_each_parent(revisions, _noteworthy, found):
    inside = {each.id: node for node in found.nodes for each in node.revisions}
    wanted = {
        (inside[each.id].row, inside[name].row)
        for each in revisions
        for name in each.down
        if inside[name] is not inside[each.id]
    }
    assert Counter((edge.child.row, edge.parent.row) for edge in found.edges) == Counter(wanted)
    assert all(child < parent for child, parent in wanted)


def an_edge_crosses_no_node_and_shares_its_lane_only_with_edges_to_the_same_parent(_revisions, _noteworthy, found):
    taken = {(node.row, node.lane): node for node in found.nodes}
    for edge in found.edges:
        for row in range(edge.child.row + 1, edge.parent.row):
            assert taken.setdefault((row, edge.lane), edge.parent) is edge.parent


def an_edge_bends_only_between_neighbouring_rows(_revisions, _noteworthy, found):
    for edge in found.edges:
        points = edge.points
        assert (points[0], points[-1]) == (
            (edge.child.row, edge.child.lane),
            (edge.parent.row, edge.parent.lane),
        )
        for (row, lane), (next_row, next_lane) in pairwise(points):
            assert row < next_row
            assert lane == next_lane or next_row == row + 1


def only_unremarkable_old_revisions_in_a_line_are_folded(revisions, noteworthy, found):
    children = Counter(name for each in revisions for name in each.down)
    for node in found.nodes:
        if len(node.revisions) > 1:
            assert len(node.revisions) >= 4
            assert all(not each.new and each.id not in noteworthy for each in node.revisions)
            assert all(len(each.down) == children[each.id] == 1 for each in node.revisions)
            assert all(later.down == (earlier.id,) for earlier, later in pairwise(node.revisions))


PROPERTIES = (
    each_revision_is_in_one_node_and_each_node_has_its_own_cell,
    an_edge_leads_from_each_child_down_to_each_parent,
    an_edge_crosses_no_node_and_shares_its_lane_only_with_edges_to_the_same_parent,
    an_edge_bends_only_between_neighbouring_rows,
    only_unremarkable_old_revisions_in_a_line_are_folded,
)


@pytest.mark.slow
@settings(max_examples=60)
@given(histories(), noteworthy)
def test_every_graph_has_every_property(revisions, noteworthy):
    found = graph(revisions, noteworthy)
    for check in PROPERTIES:
        check(revisions, noteworthy, found)


@given(st.integers(0, 40), st.booleans())
def test_a_line_needs_one_lane(length, new):
    assert graph(line(length, new=new)).lanes == min(length, 1)


def test_nothing_is_drawn_of_nothing():
    found = graph([])
    assert (found.nodes, found.edges, found.lanes) == ((), (), 0)


def test_a_long_history_is_its_first_a_run_its_last_and_what_is_new():
    found = graph([*line(90), revision("new", "r89", new=True)])
    assert [(len(node.revisions), node.lane) for node in found.nodes] == [(1, 0), (1, 0), (88, 0), (1, 0)]
    assert (found.nodes[2].revisions[0].id, found.nodes[2].revisions[-1].id) == ("r1", "r88")


def test_three_are_read_sooner_than_unfolded():
    assert len(graph(line(5)).nodes) == 5
    assert len(graph(line(6)).nodes) == 3


def test_a_finding_keeps_a_revision_out_of_a_run():
    found = graph(line(14), {"r6"})
    assert [len(node.revisions) for node in found.nodes] == [1, 6, 1, 5, 1]


def test_a_branch_that_is_merged_has_a_lane_of_its_own():
    found = graph([revision("a"), revision("b", "a"), revision("c", "a"), revision("m", "b", "c")])
    assert drawn(found) == [("m", 0), ("c", 1), ("b", 0), ("a", 0)]
    assert [(edge.child.revisions[0].id, edge.parent.revisions[0].id, edge.lane) for edge in found.edges] == [
        ("m", "b", 0),
        ("m", "c", 1),
        ("c", "a", 1),
        ("b", "a", 0),
    ]


def test_lines_to_one_parent_share_a_lane():
    below = [revision("a"), revision("b", "a"), revision("m", "b", "a")]
    above = [revision("y"), revision("n", "a"), revision("x2", "y"), revision("x1", "y")]
    found = graph([*below, *above])
    assert drawn(found) == [("x1", 0), ("x2", 1), ("n", 2), ("y", 0), ("m", 0), ("b", 0), ("a", 0)]
    assert [edge.lane for edge in found.edges if edge.parent.row == 6] == [2, 2, 0]  # though lane 1 is free


def test_of_one_id_for_several_the_nearest_below_is_followed():
    found = graph([revision("a"), revision("a", "a"), revision("a", "a")])
    assert [(edge.child.row, edge.parent.row) for edge in found.edges] == [(0, 1), (1, 2)]


def test_a_lane_is_used_again_when_its_line_has_ended():
    found = graph([revision("a"), revision("b"), revision("c", "a"), revision("d", "b")])
    assert drawn(found) == [("d", 0), ("c", 1), ("b", 0), ("a", 1)]
    apart = graph([revision("a"), revision("b", "a"), revision("c"), revision("d", "c")])
    assert drawn(apart) == [("d", 0), ("c", 0), ("b", 0), ("a", 0)]


def test_a_head_beside_a_line_has_a_lane_of_its_own():
    assert drawn(graph([revision("a"), revision("b", "a"), revision("c", "a")])) == [("c", 0), ("b", 1), ("a", 0)]


@pytest.mark.parametrize(
    "revisions",
    [
        [revision("a", "missing")],
        [revision("a", "a")],
        [revision("a", "b"), revision("b", "a")],
        [revision("a"), revision("a", "a"), revision("a", "a", "a")],
    ],
    ids=["a missing parent", "its own parent", "a cycle", "one id for three"],
)
def test_what_is_no_history_is_drawn_as_far_as_it_goes(revisions):
    found = graph(revisions)
    assert len(found.nodes) == len(revisions)
    assert all(edge.child.row < edge.parent.row for edge in found.edges)
