"""Every rule's example, executed: the bad side is found with its measurement, the good side passes without the finding.

Examples of many rules share one history: each has tables of its own, named after its rule.
"""

import re
from dataclasses import dataclass
from types import ModuleType

import pytest
import sqlalchemy as sa

from slipway.gate import history, rulebook
from slipway.gate.findings import graph
from slipway.gate.layers.queries import as_models
from slipway.gate.rulebook import OPTIONAL, all_rules, ids, rule_named
from slipway.gate.rulebook.rule import NOTHING, Rule
from slipway.migration.alembic_config import Call
from slipway.migration.environment import Environment
from slipway.records.gate import Other, Previous, Recorded, Since
from slipway.records.proof import Implication, Layer, Level
from tests.gate.conftest import question

EXAMPLES = {rule.id: rule for rule in all_rules() if rule.bad}
# Two files with one revision id, a history that does not run, without the previous release, old drift, models that fail: see test_history_and_graph.py,
# test_executed.py, test_compatibility.py, test_drift.py.
WITHOUT_EXAMPLE = {"C21", "G04", "U02", "drift-released", "drift-unknown", "drift-wider"}
GRAPHS = {identity for identity, example in EXAMPLES.items() if example.graph}
# An upgrade that fails, its own env.py, or a finding at the first revision of its kind: each has a history of its own.
ALONE = {
    "bad": {
        "C16",
        "C20",
        "D01",
        "Q01",
        "Q11",
        "T01",
        "T06",
        "T07",
        "T08",
        "T11",
        "T12",
        "T13",
        "T14",
        "U01",
        "U03",
        "drift",
        "drift-limit",
        "drift-name",
    },
    "good": {"C20", "Q01", "Q11", "T11", "drift", "drift-limit", "drift-name"},
}
# The layers that are executed. No error rests on the one with other sessions, so only T11 needs it; growth takes its time there.
STAIRWAY, EVERY = (Layer.TRACE,), tuple(Layer)
SINGLE = tuple(layer for layer in Layer if layer is not Layer.CONCURRENCY)
# Found on rows, after an interruption or with the previous release; for other rules, and for what is written instead, the stairway is enough.
BAD_ON_ROWS = {"D01", "D02", "D03", "D05", "D07", "D09", "D10", "D11", "D14", "D17", "T03", "T04"}
BAD_TOGETHER = {"T12", "T13", "T14"}
BAD_FOR_PREVIOUS = {identity for identity in EXAMPLES if identity.startswith("C")} - {"C16"}

OWN_NAMES = re.compile(
    r"(?<!\w)(?:notes|authors|events|bookings|levels|tags|readings|mood|rank|top|titles|starred_titles|stamp|drafts|entries"
    r"|others|numbers?|title_of|heading_of|refuse|warn|keep|blank)(?=_|\b)"
)
IMPORTS = "from sqlalchemy.dialects import postgresql\n"
KEPT = "pass"  # as a downgrade; one that fails would cost each revision a new session
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


@dataclass(frozen=True)
class Together:
    """Examples of several rules that are executed as one history, one side of each."""

    side: str
    rules: tuple[str, ...]
    layers: tuple[Layer, ...]

    def __str__(self):
        return (
            f"{self.side} {self.rules[0]} to {self.rules[-1]}"
            if len(self.rules) > 1
            else f"{self.side} {self.rules[0]}"
        )

    def text(self, rule, text):
        """The text of an example with names of its own; D06 keeps them for the models that it imports."""
        return text if len(self.rules) == 1 or rule == "D06" else OWN_NAMES.sub(rf"{rule.lower()}_\g<0>", text)

    def revisions(self):
        before = "\n".join(self.text(rule, EXAMPLES[rule].before) for rule in self.rules)
        revisions, down = {"before": (None, IMPORTS + before, KEPT)}, "before"
        for rule in self.rules:
            for number, (upgrade, downgrade) in enumerate(EXAMPLES[rule].revisions(self.side)):
                back = KEPT if downgrade is None else self.text(rule, downgrade)
                revision = f"{rule.replace('-', '')}_{number}"
                revisions[revision] = (down, IMPORTS + self.text(rule, upgrade), back)
                down = revision
        return revisions

    def previous(self):
        metadata, recorded, start = sa.MetaData(), [], ""
        for rule in self.rules:
            example = EXAMPLES[rule].given
            models = example.good_previous if self.side == "good" and example.good_previous else example.previous
            exec(self.text(rule, models), {"sa": sa, "metadata": metadata})
            recorded += [Recorded(self.text(rule, sql), "notes.py:7") for sql in example.recorded]
            start = example.bad_start if self.side == "bad" else start
        if not metadata.tables and not recorded:
            return None
        models = tuple(as_models(metadata.tables.values()))
        return Previous(name="v1", models=models, recorded=tuple(recorded), revisions=("before",), start=start)

    def env(self):
        """Models, options and earlier lines of env.py; only an example by itself has them."""
        example = EXAMPLES[self.rules[0]].given
        options = example.bad_options if self.side == "bad" else example.good_options
        before = f"{example.bad_env}\n" if self.side == "bad" and example.bad_env else ""
        return {
            "models": example.models or None,
            "options": options or "transaction_per_migration=True",
            "env_lines": before,
        }


def same_as(side):
    """By rule the first one whose example has the same revisions on this side; they are executed once."""
    first = {}
    for rule in sorted(EXECUTED):
        example = EXAMPLES[rule]
        given = example.given
        project = (given.previous, given.good_previous, given.recorded, given.models, given.good_options)
        alone = rule if rule in ALONE[side] else ""
        first.setdefault((example.before, getattr(example, side), project, alone), []).append(rule)
    return {rule: same[0] for same in first.values() for rule in same}


def together(side, rules, layers):
    alone = sorted(rules & ALONE[side])
    executed = sorted({SAME_AS[side][rule] for rule in rules} - set(alone))
    shared = [executed[begin : begin + TOGETHER] for begin in range(0, len(executed), TOGETHER)]
    return [Together(side, tuple(group), layers) for group in (*shared, *([rule] for rule in alone))]


TOGETHER = 8  # a longer history takes longer for each revision, a shorter one more for each history
EXECUTED = EXAMPLES.keys() - GRAPHS
SAME_AS = {"bad": {rule: rule for rule in EXECUTED}, "good": same_as("good")}
GOOD_ON_ROWS = {SAME_AS["good"][rule] for rule in BAD_ON_ROWS | BAD_TOGETHER | BAD_FOR_PREVIOUS}
HISTORIES = [
    *together("bad", EXECUTED - BAD_ON_ROWS - BAD_TOGETHER - BAD_FOR_PREVIOUS - {"T11"}, STAIRWAY),
    *together("bad", BAD_TOGETHER, (Layer.TOGETHER,)),
    *together("bad", BAD_ON_ROWS, SINGLE),
    *together("bad", BAD_FOR_PREVIOUS, SINGLE),
    *together("bad", {"T11"}, EVERY),
    *together("good", GOOD_ON_ROWS, SINGLE),
    *together("good", set(SAME_AS["good"].values()) - GOOD_ON_ROWS - {"T11"}, STAIRWAY),
    *together("good", {"T11"}, EVERY),
]


@pytest.fixture
def findings_of(write_project, server_url, monkeypatch, tmp_path, prove_in_process):
    """Proves a history and answers the findings by rule of the example that they are about."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(examples):
        files = {"service_models.py": SERVICE_MODELS}
        config = write_project(examples.revisions(), files=files, lock_timeout=None, **examples.env())
        proof = prove_in_process(
            question(
                config,
                start_after="before",
                previous=examples.previous(),
                levels=dict.fromkeys(OPTIONAL, "note"),
                layers=examples.layers,
            ),
            server_url,
        )
        return {
            rule: [
                each
                for each in proof.findings
                if executed.replace("-", "") in {name.rpartition("_")[0] for name in each.revisions}
            ]
            for rule, executed in SAME_AS[examples.side].items()
            if executed in examples.rules
        }

    return run


@pytest.mark.slow
@pytest.mark.parametrize("examples", [each for each in HISTORIES if each.side == "bad"], ids=str)
def test_bad_examples_are_found_with_their_measurement(findings_of, examples):
    for rule, findings in findings_of(examples).items():
        own = [finding for finding in findings if finding.rule == rule]
        assert own, rule
        answered = [finding.suppressed for finding in own if finding.suppressed]
        assert all(finding.measured for finding in own), rule
        assert all(reason.startswith("answered by") or rule == "R06" for reason in answered), rule
        assert not any(" at 0x" in finding.measured for finding in own), rule
        assert {finding.implies for finding in own} == {rule_named(rule).implies}


@pytest.mark.slow
@pytest.mark.parametrize("examples", [each for each in HISTORIES if each.side == "good"], ids=str)
def test_good_examples_pass_without_the_finding(findings_of, examples):
    for rule, findings in findings_of(examples).items():
        assert [each.measured for each in findings if each.rule == rule and each.suppressed is None] == [], rule
        assert [(each.rule, each.measured) for each in findings if each.fails] == [], rule


LINE = re.compile(
    r"(\w+) follows ([\w ]+?)(?: and depends on (\w+))?(?: \((released|gone|added on the target branch)\))?"
)


@pytest.fixture
def findings_of_graph(write_project, server_url):
    """Writes the history that the lines of an example describe; answers the rules that its graph breaks."""

    def run(text):
        lines = [LINE.fullmatch(line).groups() for line in text.splitlines()]
        parents = {name: tuple(each for each in re.split(" and |nothing", down) if each) for name, down, _, _ in lines}
        marked = {mark: [name for name, _, _, other in lines if other == mark] for *_, mark in lines}
        ahead, gone = marked.get("added on the target branch", []), marked.get("gone", [])
        config = write_project(
            {
                name: (parents[name] or None, "", "", depends)
                for name, _, depends, _ in lines
                if name not in {*ahead, *gone}
            }
        )
        files = tuple(f"migrations/versions/{name}.py" for name in marked.get("released", ()))
        edited = tuple(file for file in files if file.endswith("/edited.py"))
        others = tuple(Other(name, parents[name]) for name in ahead)
        changed = tuple(Other(name, parents[name], f"migrations/versions/{name}.py") for name in gone)
        since = Since(name="main", files=files, edited=edited, changed=changed, ahead=others, tip="origin/main")
        since = since if files or gone else None
        return list(graph.check(history.read(Environment(Call(config=config), server_url, 30), None, since)))

    return run


@pytest.mark.parametrize("rule", sorted(GRAPHS))
def test_a_bad_graph_is_found_with_its_measurement(findings_of_graph, rule):
    findings = [finding for finding in findings_of_graph(EXAMPLES[rule].bad) if finding.rule == rule]
    assert findings
    assert all(finding.measured for finding in findings)


@pytest.mark.parametrize("rule", sorted(GRAPHS))
def test_a_good_graph_has_no_finding_that_counts(findings_of_graph, rule):
    findings = findings_of_graph(EXAMPLES[rule].good)
    assert [finding.rule for finding in findings if finding.fails or finding.rule == rule] == []


def test_every_rule_has_an_example_that_is_executed():
    assert EXAMPLES.keys() == ids(all_rules()) - WITHOUT_EXAMPLE
    for side in ("bad", "good"):
        executed = [rule for examples in HISTORIES if examples.side == side for rule in examples.rules]
        assert len(executed) == len(set(executed))
        assert set(SAME_AS[side].values()) == set(executed)
        assert SAME_AS[side].keys() == EXECUTED


def test_a_rule_without_a_decision_cannot_be_made():
    fields = {"id": "L99", "name": "a rule", "level": Level.ERROR, "message": "It blocks.", "advice": "Do not."}
    with pytest.raises(TypeError, match="implies"):
        Rule(**fields)
    for decision in (None, Implication.BLOCKING, ("blocking",)):
        with pytest.raises((TypeError, ValueError)):
            Rule(**fields, implies=decision)
    assert Rule(**fields, implies=NOTHING).implies == ()


def test_a_remedy_is_either_code_or_prose():
    fields = {"id": "L99", "name": "a rule", "level": Level.ERROR, "message": "It blocks.", "implies": NOTHING}
    for remedy in ({}, {"code": "pass", "advice": "Do not."}):
        with pytest.raises(ValueError, match="either code or advice"):
            Rule(**fields, **remedy)
    assert Rule(**fields, code="pass").finding(None, "fact").remedy_is_code
    assert not Rule(**fields, advice="Do not.").finding(None, "fact").remedy_is_code


def test_related_rules_exist_ids_are_unique_and_every_rule_has_a_family():
    rules = [rule.id for rule in all_rules()]
    assert len(rules) == len(set(rules))
    modules = [value for value in vars(rulebook).values() if isinstance(value, ModuleType)]
    written = {each.id for module in modules for each in vars(module).values() if isinstance(each, Rule)}
    assert written == set(rules)  # a family may take a part of its module, by the start of the ids
    assert {related for rule in all_rules() for related in rule.related} <= set(rules)
    assert all(rule.id not in rule.related for rule in all_rules())
