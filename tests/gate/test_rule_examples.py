"""Every rule's example, executed: the bad one is found with its measurement, the good one is silent."""

import importlib.util
from pathlib import Path

import pytest
import sqlalchemy as sa

from slipway.gate.inspection import as_models
from slipway.gate.prove import prove
from slipway.gate.rules.allowances import UNREADABLE, UNUSED
from slipway.gate.rules.every import ALLOWABLE, OPTIONAL
from slipway.records.history import Other, Since
from slipway.records.previous import Previous, Recorded
from tests.gate.conftest import question

DOCS = Path(__file__).parents[2] / "docs"
IMPORTS = "from sqlalchemy.dialects import postgresql\n"
DECLARED = "raise NotImplementedError('not asked here')"
SERVICE_MODELS = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id = sa.Column(sa.BigInteger, primary_key=True)
    title = sa.Column(sa.Text)
"""


def load():
    spec = importlib.util.spec_from_file_location("rule_examples", DOCS / "rule_examples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLES = load().examples()
# Two files of one revision, and a history that does not run twice, which no example of ours writes down; see test_history_and_graph.py, test_stairway.py.
WITHOUT_EXAMPLE = {"G04", "U02"}


@pytest.fixture
def found(write_project, server_url, monkeypatch, tmp_path):
    """Proves one side of an example; answers its findings, those on what was there before left out."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(example, side):
        constants = example.constants
        if graph := constants.get(f"{side.upper()}_GRAPH"):
            return of_graph(graph, constants, side)
        bodies = [(example.bodies["before"], None), *example.revisions(side)]
        revisions = {
            f"r{number}": (f"r{number - 1}" if number else None, IMPORTS + up, DECLARED if down is None else down)
            for number, (up, down) in enumerate(bodies)
        }
        config = write_project(
            revisions,
            models=constants.get("MODELS"),
            options=constants.get(f"{side.upper()}_OPTIONS", constants.get("OPTIONS", "")),
            files={"service_models.py": SERVICE_MODELS},
            said=constants.get(f"{side.upper()}_ENV", ""),
            lock_timeout=None,
        )
        previous = of_previous(
            constants.get(f"{side.upper()}_PREVIOUS", constants.get("PREVIOUS")),
            constants.get("RECORDED"),
            constants.get(f"{side.upper()}_START", ""),
        )
        wanted = {example.rule: "note"} if example.rule in OPTIONAL else {}
        proof = prove(question(config, start_after="r0", previous=previous, levels=wanted), server_url)
        return [finding for finding in proof.findings if finding.revision != "r0"]

    def of_previous(models, recorded, start):
        if models is None and recorded is None:
            return None
        metadata = sa.MetaData()
        exec(models or "", {"sa": sa, "metadata": metadata})
        said = tuple(Recorded(sql, "notes.py:7") for sql in recorded or ())
        return Previous(
            name="v1", models=tuple(as_models(metadata.tables.values())), recorded=said, revisions=("r0",), start=start
        )

    def of_graph(graph, constants, side):
        released, depends = constants.get("RELEASED"), constants.get(f"{side.upper()}_DEPENDS", {})
        config = write_project({each: (down, "", "", depends.get(each)) for each, down in graph.items()})
        files = [f"migrations/versions/{revision}.py" for revision in released or () if revision in graph]
        edited = [file for file in files if file.endswith("/edited.py")]
        ahead = tuple(Other(each, (down,)) for each, down in constants.get("AHEAD", {}).items())
        since = (
            Since(name="main", files=tuple(files), edited=tuple(edited), ahead=ahead, tip="origin/main")
            if released
            else None
        )
        return list(prove(question(config, since=since), server_url).findings)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("rule", EXAMPLES)
def test_the_bad_example_of_a_rule_is_found_with_its_measurement(found, rule):
    findings = [finding for finding in found(EXAMPLES[rule], "bad") if finding.rule == rule]
    assert findings
    assert all(finding.measured and finding.suppressed is None for finding in findings)


@pytest.mark.slow
@pytest.mark.parametrize("rule", EXAMPLES)
def test_the_good_example_of_a_rule_is_silent(found, rule):
    findings = found(EXAMPLES[rule], "good")
    assert [finding for finding in findings if finding.rule == rule and finding.suppressed is None] == []
    assert [(finding.rule, finding.measured) for finding in findings if finding.fails] == []


def test_every_rule_has_an_example():
    assert EXAMPLES.keys() == {*ALLOWABLE, UNUSED.id, UNREADABLE.id} - WITHOUT_EXAMPLE
