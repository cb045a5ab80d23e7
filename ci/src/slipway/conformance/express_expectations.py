"""The expectations of ECS Express Mode as data: calls by the state of a service, and named behaviours.

The marks are those of App Runner's expectations. Here F also includes expectations in the code of other tools.
"""

from collections.abc import Iterator

from slipway.conformance.expectations import (
    NOT_SIMULATED,
    Cell,
    Unseen,
    behaviours_of,
    cells_of,
    unseen,
    unseen_of,
)
from slipway.records.conformance import ConformanceFinding

SERVICE = "Express Mode"
STATES = ("absent", "idle", "deploying", "DRAINING", "INACTIVE")
BEGINS = "begins a deployment"
NOT_FOUND = "ServiceNotFoundException: Service not found."
_NO_DEPLOYMENT = "ServiceDeploymentNotFoundException: Service deployment not found."
_TAKEN = "InvalidParameterException: Creation of service was not idempotent."
_LEAVING = "InvalidParameterException: Unable to Start a service that is still Draining."
_DRAINING = "ServiceNotActiveException: Service is in DRAINING status"
_INACTIVE = "ServiceNotActiveException: Cannot perform this operation on a service in INACTIVE status"
_ENDED = "ConflictException: The service deployment is in the SUCCESSFUL state and cannot be stopped."
# For each call: the marks of all states, and the outcomes in the order of STATES.
_TABLE = {
    # INACTIVE: the Terraform provider's tests; DRAINING: field reports
    "CreateExpressGatewayService": ("†††FF", BEGINS, _TAKEN, _TAKEN, _LEAVING, BEGINS),
    "UpdateExpressGatewayService": ("MMGFF", NOT_FOUND, BEGINS, BEGINS, _DRAINING, _INACTIVE),
    "DeleteExpressGatewayService": (
        "FMGFF",
        "InvalidParameterException: Resource not found",
        *("answers, DRAINING",) * 2,
        _DRAINING,
        _INACTIVE,
    ),
    "DescribeExpressGatewayService": (
        "†MMMM",
        "ResourceNotFoundException: Resource not found",
        *("answers, ACTIVE",) * 2,
        "answers, DRAINING",
        "answers, INACTIVE",
    ),
    "ListServiceDeployments": ("MMM††", NOT_FOUND, *("answers",) * 3, NOT_FOUND),
    "StopServiceDeployment": ("†MG††", _NO_DEPLOYMENT, _ENDED, "ROLLBACK_REQUESTED", *(_NO_DEPLOYMENT,) * 2),
}
_NO_TRAFFIC = Unseen("the suite calls the API only, never its services")
_TOO_LONG = Unseen("it would take the suite half an hour more")
_NO_ROLE = Unseen("the suite creates no role")
_NO_ACCESS = Unseen("it cannot be seen in one run")
# fmt: off
# Mark, subject, expected outcome, documentation; a reason instead of the outcome where nothing can be seen from outside.
_ROWS = (
    ("M", "the answer to an update", "names the revision of the newest deployment",
     "an update's answer names the target revision, not the deployment, whose targetServiceRevision it is"),
    ("†", "an update that changes nothing", "no deployment begins",
     "an update without a change starts no deployment (`readings.same_deploys` plays the other reading)"),
    ("F", "currentDeployment", "the ARN, then none",
     "currentDeployment is the ARN of the deployment under way, and missing when there is none"),
    ("G", "active configurations", "2 while a deployment runs, then 1",
     "two active configurations during a deployment, the newer one first †; before and after it one"),
    ("F", "variables that are read back", "A, B",
     "environment and secrets are read back sorted by name"),
    ("F", "security groups that are read back", "a managed one is added",
     "the managed security group is read back among the others"),
    ("F", "the cluster that is read back", "an ARN",
     "the cluster is read back as an ARN"),
    ("F", "the strategy", "CANARY, 5 % for 3 minutes, then 3 minutes of bake time",
     "strategy CANARY: 5 % of the traffic for 3 minutes, then all of it, and 3 minutes of bake time"),
    ("G", "health checks", "200 at the path, every 30 s, 5 healthy, 2 unhealthy",
     "two target groups per service, checked at the path for 200 every 30 s, 5 healthy, 2 unhealthy; so the first traffic moves after 150 s"),
    ("G", "a target group that is changed", "stays changed",
     "changed settings of a target group count from the next check on, and an update keeps them"),
    ("F", "the alarm", "CLUSTER/NAME/RollbackAlarm, over 1 in 2 of 3 minutes",
     "alarm CLUSTER/NAME/RollbackAlarm on the larger error rate of both target groups: over 1 % in 2 of 3 minutes; it is written anew when a deployment begins"),
    ("F", "few client errors", _NO_TRAFFIC,
     "fewer than five 4xx in a minute do not count (`readings.client_errors`); the guide counts every one"),
    ("G", "a deployment under alarm", _NO_TRAFFIC,
     "the alarm leads to ROLLBACK_IN_PROGRESS at once: the old revision gets all of the traffic, then ROLLBACK_SUCCESSFUL"),
    ("G", "a deployment that a newer one stops", "STOPPED",
     "a newer deployment: STOP_REQUESTED, then STOPPED; the newer one waits in PENDING until then †"),
    ("G", "a deployment that a person stops", "ROLLBACK_SUCCESSFUL",
     "StopServiceDeployment: ROLLBACK_REQUESTED, ROLLBACK_IN_PROGRESS, ROLLBACK_SUCCESSFUL; without effect on one that is already on its way back"),
    ("F", "the circuit breaker", _TOO_LONG,
     "the circuit breaker trips after half of the desired tasks, 3 to 200, failed to start (`readings.breaker`; its model names only rolling deployments)"),
    ("G", "a release that is never healthy", _TOO_LONG,
     "a task that is unhealthy 300 s after its start is stopped and replaced; the breaker counts it"),
    ("F", "a creation that fails", _TOO_LONG,
     'a failed first deployment: ROLLBACK_FAILED, "No rollback candidate was found to run the rollback." (`readings.creation_reverts`)'),
    ("F", "the log group", "/aws/ecs/CLUSTER/NAME-####",
     "the log group /aws/ecs/CLUSTER/NAME-####, streams ecs/Main/TASK"),
    ("G", "two revisions beside one another", _NO_TRAFFIC,
     "two revisions really run during a deployment, and the address divides the requests by weight"),
    ("F", "a target group without targets", _NO_TRAFFIC,
     "a share of the traffic for a target group without targets is answered with 503"),
    ("F", "a young infrastructure role", _NO_ROLE,
     'a role that ECS may not assume: AccessDenied "Cannot assume role", later Client "AWS was not able to validate the provided access credentials"'),
    ("F", "an execution role that may not be assumed", _NO_ROLE,
     "the tasks do not start, with the reason in the service's events and in stoppedReason"),
    ("F", "another architecture", _TOO_LONG,
     "an image of another architecture: CannotPullContainerError, descriptor matching platform"),
    ("†", "durations", _NO_ACCESS,
     "durations: 5 s pending, 30 s for a task, 2 to 5 minutes more for a load balancer, 60 s of clean-up; 9 to 10 minutes in all [F]"),
    ("†", "tasks of a revision", _NO_TRAFFIC,
     "a revision has as many tasks as the service desires, and gets traffic when all of them are healthy"),
    ("G", "auto scaling", _NO_TRAFFIC,
     "tasks follow the policy between their limits: out after 3 minutes above the target, in after 15 below nine tenths of it, never in during a deployment; requests are counted, the rest is scripted (`service.load`)"),
    ("F", "the quota of processors", _NO_ACCESS,
     "beyond the quota of vCPUs no task is placed, and an event says so (`cloud.quotas`)"),
    (NOT_SIMULATED, "the address", "",
     "the endpoint is an address of this machine; in AWS it is XX-ID.ecs.REGION.on.aws [F], with a certificate"),
    (NOT_SIMULATED, "lifecycle hooks", "",
     "lifecycle hooks, gateways and connectors, VPC Lattice, several containers"),
)
# fmt: on
BEHAVIOURS = behaviours_of(SERVICE, _ROWS, f"{SERVICE}: ")


def cells() -> tuple[Cell, ...]:
    """Return the cells of the state table, row by row."""
    return cells_of(_TABLE, STATES)


def every() -> Iterator[ConformanceFinding]:
    """Yield all expectations, as findings without an observation."""
    yield from (unseen(cell.subject, cell.expected, cell.mark) for cell in cells())
    yield from unseen_of(BEHAVIOURS)
