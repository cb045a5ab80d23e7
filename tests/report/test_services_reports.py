"""The reports of several services: one file of each format, whose parts stay apart."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from slipway.records.proof import Verdict
from slipway.records.refusal import Refusal
from slipway.records.services import Proofs, ServiceProof
from slipway.report import files
from slipway.report.answers.prove import of_proofs
from slipway.report.proof import services

REASON = "pyproject.toml is not TOML"


@pytest.fixture
def proofs(proof):
    """A service that is refused, one that passes, one at the top of the repository, one without a proof."""
    clean = replace(proof, findings=(), verdict=Verdict.PASS)
    return Proofs(
        services=(
            ServiceProof(".", clean),
            ServiceProof("legacy/shop", replace(clean, folder="legacy/shop")),
            ServiceProof(
                "news",
                refusals=(
                    Refusal(what=REASON, next_step="line <2>", exit_code=2),
                    Refusal(what="no lock", next_step="run `uv lock`", exit_code=2),
                ),
            ),
            ServiceProof("services/shop", replace(proof, folder="services/shop")),
        ),
        unchanged=("services/old",),
        since="origin/main",
    )


@pytest.fixture
def reports(proofs):
    return files.of_proofs(proofs)


def test_the_text_ends_with_a_table_of_every_service(proofs):
    *_, head, top, legacy, news, shop, old = of_proofs(proofs).text.splitlines()
    assert head.split() == ["service", "verdict", "revisions", "findings"]
    assert top.split()[:2] == [".", "passed"]
    assert legacy.endswith("no findings")
    assert news.split(maxsplit=1)[1].startswith("could not run  ")
    assert news.endswith(f"{REASON}: line <2>")
    assert shop.split()[:2] == ["services/shop", "refused"]
    assert old.endswith("no change since origin/main")
    assert (
        "\n=== news\ncould not run: pyproject.toml is not TOML: line <2>\ncould not run: no lock"
        in of_proofs(proofs).text
    )


def test_the_title_counts_every_verdict_the_worst_first(proofs):
    top, _, news, shop = proofs.services
    cut = tuple(replace(each, fingerprints={}) for each in top.proof.revisions)
    partly = replace(top, proof=replace(top.proof, revisions=cut))
    title = "Migrations of 4 services: 1 could not run, 1 refused, 1 not fully executed, 1 passed"
    assert services.title(Proofs((top, partly, news, shop))) == title


def test_the_exit_code_is_the_worst_and_a_pass_needs_every_proof(proofs):
    top, legacy, news, shop = proofs.services
    code = {
        name: (of_proofs(Proofs(some)).code, of_proofs(Proofs(some)).outputs["verdict"])
        for name, some in {
            "all": proofs.services,
            "refused": (shop, top),
            "no proof": (top, news),
            "passed": (top, legacy),
            "none": (),
        }.items()
    }
    assert code == {
        "all": (2, "fail"),
        "refused": (1, "fail"),
        "no proof": (2, "fail"),
        "passed": (0, "pass"),
        "none": (0, "pass"),
    }
    advisory = replace(shop, proof=replace(shop.proof, advisory="2099-01-01"))
    assert of_proofs(Proofs((advisory,))).code == 0


def test_sarif_has_a_run_with_a_category_of_its_own_for_each_proof(reports):
    runs = json.loads(reports["proof.sarif"])["runs"]
    assert [run["automationDetails"]["id"] for run in runs] == [
        "slipway ./",
        "slipway legacy/shop/",
        "slipway services/shop/",
    ]
    places = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in runs[-1]["results"]}
    assert places
    assert all(place.startswith("services/shop/") for place in places)


def test_junit_has_a_suite_for_each_service_and_an_error_without_a_proof(reports):
    root = ET.fromstring(reports["junit.xml"])
    suites = {suite.get("name"): suite for suite in root}
    assert root.tag == "testsuites"
    assert list(suites) == [f"slipway gate {name}" for name in (".", "legacy/shop", "news", "services/shop")]
    assert next(error.get("message") for error in suites["slipway gate news"].iter("error")) == f"{REASON}: line <2>"
    assert [case.get("file") for case in suites["slipway gate legacy/shop"]][1].startswith("legacy/shop/")


def test_gitlab_gets_a_fingerprint_of_its_own_for_equal_findings_of_two_services(proofs):
    shop = proofs.services[-1]
    twice = (shop, replace(shop, proof=replace(shop.proof, folder="services/shop")))
    issues = json.loads(files.of_proofs(Proofs(twice))["gl-code-quality-report.json"])
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) > 1


def test_annotations_and_the_comment_name_what_could_not_be_proven(reports):
    assert reports["annotations.txt"].startswith(
        f"::error title=slipway::news could not be tested: {REASON}: line <2>\n"
    )
    assert "file=services/shop/" in reports["annotations.txt"]
    assert reports["comment.md"].startswith("### Migrations of 4 services: 1 could not run, 1 refused, 2 passed\n")
    assert "line &lt;2&gt;" in reports["comment.md"]
    assert "services/shop/migrations" in reports["comment.md"]


def test_each_proof_has_a_report_in_a_folder_that_the_page_links(reports):
    for folder in ("services", "services/legacy/shop", "services/services/shop"):
        assert f"{folder}/proof.json" in reports
        assert f'href="{folder}/index.html"' in reports["index.html"]
    assert not any(name.startswith("services/news") for name in reports)
