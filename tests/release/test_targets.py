"""A target has a room of its own: nothing outside names one, and the registry knows all that differs."""

import re
from pathlib import Path

import pytest

from slipway.release.permissions import SHARED, Permission
from slipway.release.targets.supported import TARGETS

SOURCE = Path(__file__).parents[2] / "ci/src/slipway"
NAME = re.compile(r"app.?runner|ecs.?express|express.?(?:mode|gateway)", re.IGNORECASE)
ALLOWED = {
    "release/targets/": "the target itself, and the registry",
    "settings/app_runner.py": "the keys that a user of the target writes",
    "settings/ecs_express.py": "likewise",
    "settings/": "a user's choice of target, and the export of its table",
    "simulator/": "the simulated account has both",
    "conformance/": "the suite compares the simulator with App Runner",
    "commands/flags.py": "a user's choice of target",
    "commands/account.py": "what the comparison with an account does on each",
    "local/conformance.py": "likewise",
    "rehearsal/": "its environments are in the simulated account",
    "graph/running.py": "dagger up judges an instance in its words",
    "release/aws/": "sourced facts",
    "commands/prove.py": "the rehearsal ends with a move",
    "report/release.py": "the command that resumes a move",
    "commands/release.py": "`move` goes from one to the other",
    "environment/move": "likewise",
    "environment/shifting.py": "likewise",
    "environment/named.py": "only the load balancer of one has names of a service's own",
    "environment/redeploy.py": "a rollback across a move",
    "release/move/": "what corresponds on both",
    "release/bootstrap/roles.py": "the permissions of a move on each",
    "release/prices.py": "what each costs in a month",
    "release/bootstrap/billing.py": "what each leaves behind",
    "release/bootstrap/doors.py": "the name that ECS gives its load balancers",
    "release/bootstrap/foundation.py": "a private network needs an internal load balancer",
}


def names(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if NAME.search(line.replace("slipway.simulator.app_runner", ""))]


def test_nothing_outside_of_its_room_names_a_target_but_a_few_places_with_a_reason():
    outside = {
        str(file.relative_to(SOURCE)): lines
        for file in sorted(SOURCE.rglob("*.py"))
        if not str(file.relative_to(SOURCE)).startswith(tuple(ALLOWED))
        and (lines := names(file.read_text(encoding="utf-8")))
    }
    assert outside == {}


@pytest.mark.parametrize("place", ALLOWED)
def test_every_allowed_place_exists(place):
    assert (SOURCE / place).exists() or [*SOURCE.glob(f"{place}*.py")]


@pytest.mark.parametrize(
    "written",
    [
        "App Runner",
        "app-runner",
        "apprunner:ListServices",
        "AppRunnerTarget",
        "ECS Express Mode",
        "ecs_express",
        "ecs:UpdateExpressGatewayService",
    ],
)
def test_every_spelling_of_the_name_is_found(written):
    assert names(f"# nothing\n# {written}\n") == [f"# {written}"]


@pytest.mark.parametrize("target", TARGETS.values(), ids=[kind.value for kind in TARGETS])
def test_a_target_grants_every_right_that_is_not_granted_beside_it(target):
    assert set(Permission) - SHARED.keys() <= target.grants.keys()
