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

from slipway import main
from slipway.local.adoption import workflow
from slipway.release.bootstrap.roles import trusts_jobs
from slipway.settings import Github
from tests.release.bootstrap import wanted

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
CALLED = "$/.github/workflows/environment.yml"
ACTIONS = sorted((ROOT / "actions").glob("*/action.yml"))
GITHUB = Github("OWNER@1/NAME@2")
BUTTONS = ("rollback", "status", "diagnose", "logs")

each_workflow = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def load(name):
    return YAML(typ="safe").load(ROOT / ".github" / name)


def jobs(name):
    return load(f"workflows/{name}.yml")["jobs"]


def chain(command):
    """Split a `dagger call` into the module and each function after it, with their flags."""
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
    """Yield every `dagger call` of a job, with its variables expanded."""
    with_values = {name: str(value) for name, value in job.get("env", {}).items()}
    for step in job.get("steps", ()):
        for command in re.findall(r'"\$DAGGER" call -m "\$MODULE" (.*?)(?:\)$|$)', step.get("run", ""), re.MULTILINE):
            plain = re.sub(r'\${[A-Z]+:\+"--(\S+?)=\S+"}', r"--\1 value", command)
            yield re.sub(r"\$([A-Z_]+)", lambda gap: with_values.get(gap[1], "value"), plain)


def every_call():
    """Yield every `dagger call`; those of the called workflow once for each caller."""
    for file in FILES:
        for name, job in jobs(file.stem).items():
            if job.get("uses") == CALLED:
                for command in calls(jobs("environment")["call"]):
                    used = command.replace(
                        "--${{ inputs.option }} value",
                        "" if "option" not in job["with"] else "--${{ inputs.option }} value",
                    )
                    used = used if "reason" in job["with"] else used.replace("--without-certificate value", "")
                    filled = re.sub(r"\${{ inputs\.(\w+) }}", lambda gap, job=job: job["with"].get(gap[1], ""), used)
                    yield f"{file.stem} {name}", re.sub(r"\${{.*?}}", "value", filled)
            elif file.stem != "environment":
                yield from ((f"{file.stem} {name}", command) for command in calls(job))


def each_environment():
    """Return the jobs of `deploy` that call an environment."""
    return [(name, job) for name, job in jobs("deploy").items() if job.get("uses") == CALLED]


def dagger_objects():
    """Return parameters and return type of each function of each Dagger object, by the object."""
    return {
        kind: {
            name: (inspect.signature(each).parameters, inspect.signature(each).return_annotation)
            for name, each in vars(kind).items()
            if hasattr(each, "__dagger_function__")
        }
        for kind in (main.Slipway, main.Environment, main.Gate, main.Rehearsal)
    }


@each_workflow
def test_a_workflow_has_at_most_forty_lines(file):
    assert len(file.read_text().splitlines()) <= 40


@each_workflow
def test_a_job_is_one_call(file):
    assert all(len(list(calls(job))) <= 1 for job in jobs(file.stem).values())


@pytest.mark.parametrize("file", [*FILES, *ACTIONS], ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_action_is_ours_or_pinned_by_commit_with_its_version(file):
    for line in re.findall(r"uses: .*", file.read_text()):
        path = re.match(r"uses: \$/([\w./-]+)", line)
        ours = path and (ROOT / path[1] / ("" if path[1].endswith(".yml") else "action.yml")).is_file()
        assert ours or re.fullmatch(r"uses: [\w./-]+@[0-9a-f]{40}(, with: .*})? # v\d+\.\d+\.\d+", line), line


@each_workflow
def test_no_workflow_uses_a_secret_or_runs_a_pull_request_with_its_permissions(file):
    assert not re.search(r"\bsecrets\b|pull_request_target|workflow_run\b", file.read_text())


@each_workflow
def test_no_checkout_persists_its_token(file):
    steps = [step for job in jobs(file.stem).values() for step in job.get("steps", ())]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts or file.stem in ("deploy", *BUTTONS)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_the_workflow_that_init_proposes_checks_out_as_ours_do():
    pinned = {use for file in FILES for use in re.findall(r"actions/checkout@\w+", file.read_text())}
    assert pinned == {*re.findall(r"actions/checkout@\w+", workflow(""))}


@each_workflow
def test_permissions_are_granted_to_jobs_only_and_only_as_needed(file):
    assert load(f"workflows/{file.name}")["permissions"] == {}
    for job in jobs(file.stem).values():
        needs_token = any(words in str(job) for words in ("configure-aws", CALLED, "build.yml", "pypi-publish"))
        assert (job["permissions"].get("id-token") == "write") == needs_token
        assert (job["permissions"].get("contents") == "write") == ("gh release create" in str(job))
        assert ("contents" in job["permissions"]) != ("pypi-publish" in str(job))


def test_the_job_that_executes_a_change_can_write_nothing_and_the_one_that_writes_executes_none_of_it():
    gate, report = jobs("gate")["gate"], jobs("gate")["report"]
    assert gate["permissions"] == {"contents": "read"}
    assert "checkout" not in str(report)
    assert [step["uses"].partition("@")[0] for step in report["steps"]] == [
        "actions/download-artifact",
        "$/actions/comment",
        "github/codeql-action/upload-sarif",
    ]


def test_a_pull_request_from_a_fork_needs_no_permissions():
    assert "AWS" not in str(jobs("ci"))
    assert jobs("ci")["gate"]["with"] == {"code-scanning": "${{ vars.CODE_SCANNING != '' }}"}
    assert all(job["permissions"] == {"contents": "read"} for name, job in jobs("ci").items() if name != "gate")


def test_a_called_workflow_gets_the_permissions_that_its_jobs_name():
    """GitHub refuses to start the whole workflow otherwise."""
    for file in FILES:
        for job in jobs(file.stem).values():
            if (called := re.fullmatch(r"\$/\.github/workflows/(\w+)\.yml", job.get("uses", ""))) is not None:
                wanted = [inner["permissions"].items() for inner in jobs(called[1]).values()]
                assert set().union(*wanted) <= job["permissions"].items(), file.name


def test_nothing_is_deployed_before_the_role_is_set():
    gate, image, *others = jobs("deploy").values()
    assert gate["uses"] == "$/.github/workflows/gate.yml"
    assert (image["needs"], image["if"]) == ("gate", "vars.AWS_ROLE != ''")
    assert all("image" in job["needs"] and "if" not in job for job in others)


def test_production_waits_for_its_plan_and_the_plan_needs_no_approval():
    deploy = jobs("deploy")
    assert "staging" in deploy["plan"]["needs"]
    assert "plan" in deploy["production"]["needs"]
    assert deploy["plan"]["with"]["name"] == deploy["production"]["with"]["name"] == "production"
    assert "environment" not in deploy["plan"]["with"]
    assert {name: deploy[name]["with"]["environment"] for name in ("staging", "production")} == {
        "staging": "staging",
        "production": "production",
    }


def test_the_plan_for_production_names_the_image_of_staging():
    deploy = jobs("deploy")
    for name in ("staging", "plan"):
        assert deploy[name]["with"]["flags"].startswith("--image ${{ needs.image.outputs.reference }} ")


def test_production_applies_exactly_the_approved_plan():
    """The artifact is passed by id, because another job could reuse a name."""
    given = jobs("deploy")["production"]["with"]
    assert given["plan"] == "${{ needs.plan.outputs.answer }}"
    assert "--plan plan/plan.json" in given["flags"]
    assert "image" not in given["flags"]
    download, proof = [step for step in jobs("environment")["call"]["steps"] if "download-artifact" in str(step)]
    assert (proof["with"], proof["if"]) == (
        {"artifact-ids": "${{ inputs.proof }}", "path": "proof"},
        "inputs.proof != ''",
    )
    assert download["with"] == {"artifact-ids": "${{ inputs.plan }}", "path": "plan"}
    assert download["if"] == "inputs.plan != ''"
    called = load("workflows/environment.yml")["on"]["workflow_call"]["outputs"]["answer"]["value"]
    assert called == "${{ jobs.call.outputs.answer }}"
    assert jobs("environment")["call"]["outputs"] == {"answer": "${{ steps.answer.outputs.artifact-id }}"}


def test_the_result_of_a_call_is_an_artifact_and_a_summary():
    outputs = {name: job["with"]["flags"].rpartition("--output ")[2] for name, job in each_environment()}
    assert outputs == {"staging": "answer/outcome.txt", "plan": "answer", "production": "answer/outcome.txt"}
    *_, call, upload = jobs("environment")["call"]["steps"]
    assert called(call["run"], {"answer/outcome.txt": "NOOP\n"})[1:] == ("NOOP\n", "    NOOP\n")
    assert called(call["run"], {"answer/plan.txt": "noop\n", "answer/summary.md": "## noop\n"})[1:] == (
        "noop\n",
        "## noop\n",
    )
    assert called(call["run"], {})[1:] == ("", "")
    assert (upload["id"], upload["with"]["path"]) == ("answer", "answer")
    assert upload["with"]["name"] == "${{ inputs.verb }}-${{ inputs.name }}"


def called(script, files, **inputs):
    """Run a step beside files, with Dagger played by a program; return Dagger's words, the output and the summary."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).write_text(text)
        dagger, summary = Path(folder) / "dagger", Path(folder) / "summary"
        dagger.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > words\n')
        dagger.chmod(0o755)
        summary.touch()
        given = {
            "MODULE": "m",
            "NAME": "staging",
            "CREDENTIALS": "c",
            "VERB": "deploy",
            "FLAGS": "",
            "OPTION": "",
            "VALUE": "",
            "REASON": "",
        }
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env=os.environ | given | inputs | {"DAGGER": str(dagger), "GITHUB_STEP_SUMMARY": str(summary)},
            capture_output=True,
            text=True,
            check=True,
        )
        return (Path(folder) / "words").read_text().splitlines()[8:], done.stdout, summary.read_text()


@pytest.mark.parametrize("verb", BUTTONS)
def test_a_button_has_twelve_lines_at_most_and_its_inputs_reach_no_shell(verb):
    text = (ROOT / f".github/workflows/{verb}.yml").read_text()
    assert len(text.splitlines()) <= 12
    (job,) = jobs(verb).values()
    assert (job["uses"], job["with"]["verb"]) == (CALLED, verb)
    assert set(re.findall(r"inputs\.(\w+)", text)) == {
        *load(f"workflows/{verb}.yml")["on"]["workflow_dispatch"]["inputs"]
    }
    assert "inputs." not in job["with"].get("flags", "")  # which are split into words


def test_what_is_typed_into_a_button_is_one_word_of_the_command():
    (call,) = [step for step in jobs("environment")["call"]["steps"] if "$DAGGER" in step.get("run", "")]
    assert "inputs." not in call["run"]
    typed = "3 --without-certificate x; touch pwned $(id) `id` *"
    words, *_ = called(
        call["run"], {}, VERB="rollback", OPTION="to", VALUE=typed, REASON=typed, FLAGS="--output answer/x"
    )
    assert words == ["rollback", "--output", "answer/x", f"--to={typed}", f"--without-certificate={typed}"]
    assert called(call["run"], {}, VERB="status", OPTION="to")[0] == ["status"]


def test_a_deployment_keeps_the_certificate_of_the_gate_in_the_ledger():
    deploy = jobs("deploy")
    for name in ("staging", "production"):
        assert deploy[name]["with"]["proof"] == "${{ needs.gate.outputs.report }}"
        assert "gate" in deploy[name]["needs"]
    assert (
        load("workflows/gate.yml")["on"]["workflow_call"]["outputs"]["report"]["value"]
        == "${{ jobs.gate.outputs.report }}"
    )
    assert "format('--since {0}', github.event.before)" in deploy["gate"]["with"]["flags"]
    (call,) = [step for step in jobs("environment")["call"]["steps"] if "$DAGGER" in step.get("run", "")]
    words, *_ = called(call["run"], {"proof/certificate.json": "{}"})
    assert words == ["deploy", "--certificate", "proof/certificate.json"]
    assert called(call["run"], {"proof/proof.json": "{}"})[0] == ["deploy"]  # an incomplete proof has none


def test_the_gate_prints_its_annotations_and_keeps_its_exit_code(tmp_path):
    *_, step = YAML(typ="safe").load(ROOT / "actions/gate/action.yml")["runs"]["steps"]
    slipway = tmp_path / "slipway"
    slipway.write_text(
        '#!/bin/sh\necho "$*"\n[ "$6" = --bad ] && exit 2\nmkdir report && echo ::error::L01 > report/annotations.txt\nexit 1\n'
    )
    slipway.chmod(0o755)

    def ended(flags, source="services/a b"):
        environment = {
            "SLIPWAY": slipway,
            "SOURCE": source,
            "FLAGS": flags,
            "REPORT": "report",
            "GITHUB_OUTPUT": tmp_path / "out",
        }
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert ended("--all") == (1, "gate --source services/a b --report report --all\n::error::L01\n")
    assert ended("--bad") == (
        2,
        "gate --source services/a b --report report --bad\n",
    )  # the report of the run before is gone
    ended("", "services-a-b")
    first, again, other = (tmp_path / "out").read_text().splitlines()
    assert re.fullmatch(r"name=slipway-gate-services-a-b-\d+", first)
    assert (again, other) == (first, "name=slipway-gate-services-a-b")


@pytest.mark.parametrize(("page", "word"), [("ci", "services.yml"), ("several-services", "--all")])
def test_a_workflow_of_several_services_that_a_guide_shows_has_twelve_lines_and_calls_our_workflows(page, word):
    guide = (ROOT / f"docs/how-to/{page}.md").read_text()
    (text,) = [block for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if word in block]
    assert len(text.splitlines()) <= 12
    for job in YAML(typ="safe").load(text)["jobs"].values():
        called = load(re.sub(r"OWNER/slipway/\.github/(.*)@COMMIT", r"\1", job["uses"]))
        assert {*job.get("with", ())} <= {*called["on"]["workflow_call"]["inputs"]}
        wanted = [inner["permissions"].items() for inner in called["jobs"].values()]
        assert set().union(*wanted) <= job["permissions"].items()
    (*_, listing) = jobs("services")["list"]["steps"]
    assert listing["run"] == '"$SLIPWAY" services $FLAGS'
    assert (
        "github.event_name == 'pull_request' && '--changed'" in listing["env"]["FLAGS"]
    )  # main has left itself nowhere
    assert jobs("services")["list"]["outputs"] == {"folders": "${{ steps.list.outputs.folders }}"}


def test_deployments_to_one_environment_run_one_after_the_other():
    concurrency = jobs("environment")["call"]["concurrency"]
    assert concurrency == {"group": "${{ inputs.verb }}-${{ inputs.name }}", "cancel-in-progress": False}


def test_every_function_that_a_workflow_calls_exists_with_its_flags():
    objects, seen = dagger_objects(), []
    for place, command in every_call():
        owner, (_, *steps) = main.Slipway, chain(command)
        for name, flags in steps:
            if owner is dagger.Directory:
                assert (name, flags) == ("export", ["path"]), place
                break
            parameters, owner = objects[owner][name.replace("-", "_")]
            ours = {flag.replace("-", "_") for flag in flags} - {"output"}  # --output is Dagger's own
            assert ours <= {*parameters}, place
        seen.append((place, " ".join(name for name, _ in steps)))
    assert seen == [
        ("build build", "publish"),
        ("deploy staging", "environment deploy"),
        ("deploy plan", "environment plan"),
        ("deploy production", "environment deploy"),
        *((f"{verb} {verb}", f"environment {verb}") for verb in sorted(BUTTONS)),
    ]


def test_the_oidc_guide_explains_every_variable_and_subject():
    guide = (ROOT / "docs/how-to/github-oidc.md").read_text()
    explained = set(re.findall(r"^\| `([A-Z_]+)` \|", guide, re.MULTILINE))
    assert explained == {name for file in FILES for name in re.findall(r"vars\.([A-Z_]+)", file.read_text())}
    for name, job in list(jobs("deploy").items())[1:]:
        environment = job.get("with", {}).get("environment")
        trust = trusts_jobs(GITHUB, wanted.environment("production"), environment)
        forms = trust["Statement"][0]["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        assert forms[0].startswith("repo:OWNER@1/NAME@2:")
        assert f"| {name} | {environment or 'none'} | `{forms[1]}` |" in guide


def test_a_release_publishes_what_was_built_and_tried_and_only_for_a_tag():
    release = jobs("release")
    assert (release["publish"]["needs"], release["announce"]["needs"]) == ("build", "publish")
    assert release["publish"]["if"] == "github.ref_type == 'tag'"
    assert release["publish"]["environment"] == "package-index"
    (_, tried, uploaded), (downloaded, published) = release["build"]["steps"], release["publish"]["steps"]
    assert tried["run"] == 'make distributions TAG="$TAG"'
    assert uploaded["with"]["name"] == downloaded["with"]["name"] == release["announce"]["steps"][0]["with"]["name"]
    assert published["with"] == {"attestations": True}


def test_dependabot_updates_every_pin_after_a_week():
    updates = load("dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"docker", "github-actions", "gomod", "npm", "uv"}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)
    folders = {update["package-ecosystem"]: update.get("directories", ()) for update in updates}
    images = {file.parent for pattern in folders["docker"] for file in ROOT.glob(f"{pattern[1:]}/Dockerfile")}
    assert images == {file.parent for file in (ROOT / "ci/src").rglob("Dockerfile")}
    locks = {"gomod": "go.sum", "npm": "package-lock.json", "uv": "uv.lock"}
    assert all((ROOT / folder[1:] / lock).exists() for kind, lock in locks.items() for folder in folders[kind])
    assert all(folders[kind] for kind in locks)
