from slipway.records.form import from_json
from slipway.records.rehearsal import Rehearsal


def test_the_functions_are_listed(dagger):
    done = dagger("functions")
    assert done.returncode == 0, done.stderr
    listed = {line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(("\x1b", " "))}
    assert {"environment", "gate", "image", "migrations", "publish", "rehearse", "smoke"} <= listed


def test_the_checks_are_just_these(dagger):
    done = dagger("check", "-l")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines() if line.startswith("slipway:")} == {
        "slipway:migrations",
        "slipway:smoke",
    }


def test_the_gate_runs_in_containers_and_passes(dagger):
    done = dagger.call("gate", "file", "--path", "report.txt", "contents")
    assert done.returncode == 0, done.stderr
    assert "passed: nothing found; 5 revisions" in done.stdout


def test_every_act_of_the_rehearsal_goes_as_told_with_images_and_containers(dagger, tmp_path):
    done = dagger.call("rehearse", "-o", str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    rehearsal = from_json(Rehearsal, (tmp_path / "report/rehearsal.json").read_text(), "the report")
    assert [act.name for act in rehearsal.acts] == ["before", "I", "II", "III", "clients"]
    assert all(act.as_told for act in rehearsal.acts)
    assert {act.how.partition(",")[0] for act in rehearsal.acts} >= {"a container from an image"}
    assert rehearsal.traffic.failed == 0


def test_the_image_becomes_healthy_beside_a_database(dagger):
    done = dagger.call("smoke")
    assert done.returncode == 0, done.stderr


def test_the_image_runs_as_a_number(dagger):
    done = dagger.call("image", "user")
    assert done.stdout.strip() == "65532:65532"
