import inspect
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

import dagger
import pytest
from ruamel.yaml import YAML

from slipway.main import Environment, Slipway
from slipway.release.bootstrap.github import trusts_branch, trusts_environment
from slipway.settings import Github

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
CALLED = "$/.github/workflows/environment.yml"
OBJECTS = {"Environment": Environment}
GITHUB = Github("OWNER@1/NAME@2")
REPORT_AND_VERDICT = ["gate export", "migrations"]

each_workflow = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def load(name):
    return YAML(typ="safe").load(ROOT / ".github" / name)


def jobs(name):
    return load(f"workflows/{name}.yml")["jobs"]


def chain(command):
    """The object that a `dagger call` starts from and each function after it, with the flags given there."""
    steps = [["", []]]
    words = iter(shlex.split(command))
    for word in words:
        if word.startswith("--"):
            steps[-1][1].append(word.removeprefix("--"))
            next(words)
        else:
            steps.append([word, []])
    return steps


def calls(job):
    """Every `dagger call` of a job; what a shell would put in is put in."""
    with_values = {name: str(value) for name, value in job.get("env", {}).items()}
    for step in job.get("steps", ()):
        for command in re.findall(r"\.ci/dagger call (.*?)(?:\)$| > \S+$|$)", step.get("run", ""), re.MULTILINE):
            yield re.sub(r"\$([A-Z_]+)", lambda gap: with_values.get(gap[1], "value"), command)


def every_call():
    """Every `dagger call` of every workflow; those of the called one with the inputs of each of its callers."""
    for file in FILES:
        for name, job in jobs(file.stem).items():
            if job.get("uses") == CALLED:
                for command in calls(jobs("environment")["call"]):
                    filled = re.sub(r"\${{ inputs\.(\w+) }}", lambda gap, job=job: job["with"][gap[1]], command)
                    yield f"{file.stem} {name}", re.sub(r"\${{.*?}}", "value", filled)
            elif file.stem != "environment":
                yield from ((f"{file.stem} {name}", command) for command in calls(job))


def each_environment():
    """The jobs of `deploy` that are calls to one environment."""
    return [(name, job) for name, job in jobs("deploy").items() if job.get("uses") == CALLED]


def function_of(owner, name):
    return getattr(owner, name.replace("-", "_"))


@each_workflow
def test_a_workflow_is_short(file):
    assert len(file.read_text().splitlines()) <= 40


@each_workflow
def test_a_job_is_one_call_or_a_report_and_then_its_verdict(file):
    for job in jobs(file.stem).values():
        said = [" ".join(name for name, _ in chain(command)[1:]) for command in calls(job)]
        assert len(said) <= 1 or said == REPORT_AND_VERDICT


@each_workflow
def test_what_a_workflow_uses_is_ours_or_pinned_by_commit_and_says_its_version(file):
    for line in re.findall(r"uses: .*", file.read_text()):
        ours = line == f"uses: {CALLED}"
        assert ours or re.fullmatch(r"uses: [\w./-]+@[0-9a-f]{40}(, with: .*})? # v\d+\.\d+\.\d+", line), line


@each_workflow
def test_no_workflow_knows_a_secret_or_lends_its_rights_to_a_pull_request(file):
    assert not re.search(r"\bsecrets\b|pull_request_target|workflow_run\b", file.read_text())


@each_workflow
def test_a_checkout_leaves_no_token_behind(file):
    steps = [step for job in jobs(file.stem).values() for step in job.get("steps", ())]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)
    assert len(checkouts) == sum("steps" in job for job in jobs(file.stem).values())


@each_workflow
def test_a_workflow_has_no_rights_and_its_jobs_have_those_that_they_need(file):
    assert load(f"workflows/{file.name}")["permissions"] == {}
    for job in jobs(file.stem).values():
        asks_aws = "configure-aws-credentials" in str(job) or "uses" in job
        assert job["permissions"].get("contents") == "read"
        assert (job["permissions"].get("id-token") == "write") == asks_aws


def test_a_pull_request_from_a_fork_is_answered_with_what_it_has():
    for job in jobs("ci").values():
        assert "AWS" not in str(job)
        needs_more = [step for step in job["steps"] if "upload-sarif" in str(step)]
        assert all(step["if"] == "vars.CODE_SCANNING != ''" for step in needs_more)


def test_where_nothing_is_set_up_nothing_is_deployed():
    deploy = jobs("deploy")
    assert deploy["image"]["if"] == "vars.AWS_ROLE != ''"
    assert all("image" in job["needs"] and "if" not in job for name, job in deploy.items() if name != "image")


def test_production_waits_for_its_plan_and_the_plan_for_nobody():
    deploy = jobs("deploy")
    assert "staging" in deploy["plan"]["needs"]
    assert "plan" in deploy["production"]["needs"]
    assert deploy["plan"]["with"]["name"] == deploy["production"]["with"]["name"] == "production"
    assert "environment" not in deploy["plan"]["with"]
    assert {name: deploy[name]["with"]["environment"] for name in ("staging", "production")} == {
        "staging": "staging",
        "production": "production",
    }


def test_what_is_planned_for_production_is_what_staging_got():
    deploy = jobs("deploy")
    for name in ("staging", "plan"):
        assert deploy[name]["with"]["flags"].startswith("--image ${{ needs.image.outputs.reference }} ")


def test_production_gets_exactly_the_plan_that_was_approved_and_no_image_of_its_own():
    """By the artifact's id, from job to job: a name could stand for what another job or another try has left."""
    given = jobs("deploy")["production"]["with"]
    assert given["plan"] == "${{ needs.plan.outputs.answer }}"
    assert "--plan plan/plan.json" in given["flags"]
    assert "image" not in given["flags"]
    (download,) = [step for step in jobs("environment")["call"]["steps"] if "download-artifact" in str(step)]
    assert download["with"] == {"artifact-ids": "${{ inputs.plan }}", "path": "plan"}
    assert download["if"] == "inputs.plan != ''"
    called = load("workflows/environment.yml")["on"]["workflow_call"]["outputs"]["answer"]["value"]
    assert called == "${{ jobs.call.outputs.answer }}"
    assert jobs("environment")["call"]["outputs"] == {"answer": "${{ steps.answer.outputs.artifact-id }}"}


def test_the_answer_of_a_call_is_an_artifact_and_a_summary():
    """A plan is a folder with a plan.txt and a summary.md in it, an outcome a text."""
    outputs = {name: job["with"]["flags"].rpartition("--output ")[2] for name, job in each_environment()}
    assert outputs == {"staging": "answer/outcome.txt", "plan": "answer", "production": "answer/outcome.txt"}
    *_, call, summary, upload = jobs("environment")["call"]["steps"]
    assert call["run"].startswith(".ci/dagger call ")
    assert told(summary["run"], {"outcome.txt": "NOOP\n"}) == ("NOOP\n", "    NOOP\n")
    assert told(summary["run"], {"plan.txt": "noop\n", "summary.md": "## noop\n"}) == ("noop\n", "## noop\n")
    assert (upload["id"], upload["with"]["path"]) == ("answer", "answer")
    assert upload["with"]["name"] == "${{ inputs.verb }}-${{ inputs.name }}"


def told(script, answer):
    """What a step of the workflow prints, and what it adds to the summary, when the answer is these files."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "answer").mkdir()
        for name, text in answer.items():
            (Path(folder) / "answer" / name).write_text(text)
        summary = Path(folder) / "summary"
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env=os.environ | {"GITHUB_STEP_SUMMARY": str(summary)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, summary.read_text()


def test_two_deployments_to_one_environment_do_not_overlap_and_none_is_broken_off():
    concurrency = jobs("environment")["call"]["concurrency"]
    assert concurrency == {"group": "${{ inputs.verb }}-${{ inputs.name }}", "cancel-in-progress": False}


def test_every_function_that_a_workflow_calls_is_there_with_its_flags():
    seen = []
    for place, command in every_call():
        owner, (_, *steps) = Slipway, chain(command)
        for name, flags in steps:
            if owner is dagger.Directory:
                assert (name, flags) == ("export", ["path"]), place
                break
            function = function_of(owner, name)
            ours = {flag.replace("-", "_") for flag in flags} - {"output"}  # that one is the command line's
            assert ours <= set(inspect.signature(function).parameters), place
            answer = inspect.signature(function).return_annotation
            owner = OBJECTS.get(answer, answer)
        seen.append((place, " ".join(name for name, _ in steps)))
    assert seen == [
        ("ci gate", "gate export"),
        ("ci gate", "migrations"),
        ("deploy image", "publish"),
        ("deploy staging", "environment deploy"),
        ("deploy plan", "environment plan"),
        ("deploy production", "environment deploy"),
    ]


def test_the_guide_explains_every_variable_and_every_subject():
    guide = (ROOT / "docs/how-to/github-oidc.md").read_text()
    explained = set(re.findall(r"^\| `([A-Z_]+)` \|", guide, re.MULTILINE))
    assert explained == {name for file in FILES for name in re.findall(r"vars\.([A-Z_]+)", file.read_text())}
    for name, job in jobs("deploy").items():
        environment = job.get("with", {}).get("environment")
        trust = trusts_environment(GITHUB, "ACCOUNT", environment) if environment else trusts_branch(GITHUB, "ACCOUNT")
        forms = trust["Statement"][0]["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        assert forms[0].startswith("repo:OWNER@1/NAME@2:")
        assert f"| {name} | {environment or 'none'} | `{forms[1]}` |" in guide


def test_what_is_pinned_is_kept_fresh_but_not_on_the_first_day():
    updates = load("dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"docker", "github-actions", "gomod", "npm", "uv"}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)
    folders = {update["package-ecosystem"]: update.get("directories", ()) for update in updates}
    images = {file.parent for pattern in folders["docker"] for file in ROOT.glob(f"{pattern[1:]}/Dockerfile")}
    assert images == {file.parent for file in (ROOT / "ci/src").rglob("Dockerfile")}
    locks = {"gomod": "go.sum", "npm": "package-lock.json", "uv": "uv.lock"}
    assert all((ROOT / folder[1:] / lock).exists() for kind, lock in locks.items() for folder in folders[kind])
    assert all(folders[kind] for kind in locks)
