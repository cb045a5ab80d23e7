"""The story that every foreign client plays: images, services, updates, rollbacks, logs, deletions."""

import json
from collections.abc import Callable
from typing import Any

from slipway.oci.artifact import digest_of
from slipway.simulator.faults import Effect
from tests.foreign.step import Refused, Step, a_time, nothing
from tests.simulator.account import URI
from tests.simulator.account import asked as configured

MANIFESTS = {name: json.dumps({"schemaVersion": 2, "annotations": {"is": name}}) for name in ("good", "better", "sick")}
GOOD, BETTER, SICK = (digest_of(manifest.encode()) for manifest in MANIFESTS.values())
ABSENT = "sha256:" + "0" * 64

_LOG = {"logGroupName": "/aws/apprunner/notes/{id}/service"}
_BUSY = "Service cannot be updated in the current state: OPERATION_IN_PROGRESS."


def _put(what: str, tag: str) -> dict[str, Any]:
    return {"repositoryName": "notes", "imageManifest": f"{{{what}}}", "imageTag": tag}


def _images(digest: str) -> dict[str, Any]:
    return {"repositoryName": "notes", "imageIds": [{"imageDigest": digest}]}


def _configured(digest: str) -> dict[str, Any]:
    return configured(digest, Port="8000")


def _ends(name: str, arn: str, status: str, digest: str) -> Step:
    seen = {
        "service.status": status,
        "service.sourceConfiguration.imageRepository.imageIdentifier": f"{URI}@{digest}",
        "service.sourceConfiguration.imageRepository.imageConfiguration.port": "8000",
        "service.instanceConfiguration.cpu": "1024",
        "service.healthCheckConfiguration.interval": 5,
        "service.networkConfiguration.ingressConfiguration.isPubliclyAccessible": True,
        "service.createdAt": a_time,
        "service.updatedAt": a_time,
        "service.deletedAt": a_time if status == "DELETED" else nothing,
    }
    return Step(name, "apprunner.DescribeService", {"ServiceArn": arn}, seen, waits=True)


def _is_told(name: str, arn: str, kind: str, status: str, ended: Callable[[Any], bool] = a_time) -> Step:
    seen = {"type": kind, "status": status, "targetArn": arn, "startedAt": a_time, "endedAt": ended}
    newest = {f"operationSummaryList.0.{member}": value for member, value in seen.items()}
    return Step(name, "apprunner.ListOperations", {"ServiceArn": arn}, newest)


def _update(name: str, digest: str, keep: str) -> Step:
    seen = {"service.status": "OPERATION_IN_PROGRESS"}
    asks = {"ServiceArn": "{notes}", **_configured(digest)}
    return Step(name, "apprunner.UpdateService", asks, seen, {keep: "operationId"})


def _lines(operation: str, event: str, *end: str) -> list[str]:
    lines = (
        "Service status is set to OPERATION_IN_PROGRESS.",
        f"Deployment with ID : {{{operation}_in_logs}} started. Triggering event : {event}",
        f"Pulling image {URI} from ECR repository.",
        "Successfully pulled your application image from ECR.",
        "Provisioning instances and deploying image for publicly accessible service.",
        "Performing health check on protocol `HTTP` [Path: '/healthz'], [Port: '8000'].",
        *end,
        "Service status is set to RUNNING.",
    )
    return [f"[AppRunner] {line}" for line in lines]


IMAGES = (
    Step(
        "the repository is found",
        "ecr.DescribeRepositories",
        {"repositoryNames": ["notes"]},
        {"repositories.*.repositoryUri": [URI], "repositories.0.createdAt": a_time},
    ),
    Step(
        "an image is put",
        "ecr.PutImage",
        _put("good", "v1"),
        {"image.imageId.imageDigest": GOOD, "image.imageId.imageTag": "v1", "image.imageManifest": "{good}"},
    ),
    Step("a better one is put", "ecr.PutImage", _put("better", "v2"), {"image.imageId.imageDigest": BETTER}),
    Step("a sick one is put", "ecr.PutImage", _put("sick", "v3"), {"image.imageId.imageDigest": SICK}),
    Step(
        "an image is described by its digest",
        "ecr.DescribeImages",
        _images(GOOD),
        {
            "imageDetails.*.imageDigest": [GOOD],
            "imageDetails.0.imageTags": ["v1"],
            "imageDetails.0.imagePushedAt": a_time,
        },
    ),
    Step(
        "an image that is not there is not found",
        "ecr.DescribeImages",
        _images(ABSENT),
        Refused("ImageNotFoundException", ABSENT),
    ),
    Step("a tag is not moved", "ecr.PutImage", _put("sick", "v1"), Refused("ImageTagAlreadyExistsException", "'v1'")),
)

CREATION = (
    Step(
        "a service is created",
        "apprunner.CreateService",
        {"ServiceName": "notes", **_configured(GOOD)},
        {"service.serviceName": "notes", "service.status": "OPERATION_IN_PROGRESS"},
        {"notes": "service.serviceArn", "id": "service.serviceId", "creation": "operationId"},
    ),
    _is_told("the creation is in progress", "{notes}", "CREATE_SERVICE", "IN_PROGRESS", nothing),
    _ends("the service is running", "{notes}", "RUNNING", GOOD),
    _is_told("the creation has succeeded", "{notes}", "CREATE_SERVICE", "SUCCEEDED"),
    Step(
        "its name is taken",
        "apprunner.CreateService",
        {"ServiceName": "notes", **_configured(GOOD)},
        Refused("InvalidRequestException", "already exists: notes"),
    ),
)

UPDATE = (
    _update("the service is updated", BETTER, "update"),
    Step(
        "while it is busy it is not updated",
        "apprunner.UpdateService",
        {"ServiceArn": "{notes}", **_configured(GOOD)},
        Refused("InvalidStateException", _BUSY),
    ),
    _ends("the better image is running", "{notes}", "RUNNING", BETTER),
    _is_told("the update has succeeded", "{notes}", "UPDATE_SERVICE", "SUCCEEDED"),
    Step(
        "an update that changes nothing has no operation",
        "apprunner.UpdateService",
        {"ServiceArn": "{notes}"},
        {"service.status": "RUNNING", "operationId": nothing},
    ),
)

ROLLBACK = (
    _update("the service is updated to what is sick", SICK, "rollback"),
    _ends("the better image is still running", "{notes}", "RUNNING", BETTER),
    _is_told("the update was rolled back", "{notes}", "UPDATE_SERVICE", "ROLLBACK_SUCCEEDED"),
    Step(
        "operations come page by page",
        "apprunner.ListOperations",
        {"ServiceArn": "{notes}", "MaxResults": 2},
        {"operationSummaryList.*.status": ["ROLLBACK_SUCCEEDED", "SUCCEEDED"]},
        {"page": "nextToken"},
    ),
    Step(
        "the next page is the last",
        "apprunner.ListOperations",
        {"ServiceArn": "{notes}", "MaxResults": 2, "NextToken": "{page}"},
        {"operationSummaryList.*.id": ["{creation}"], "nextToken": nothing},
    ),
)

FAILURE = (
    Step(
        "a service of what is sick is created",
        "apprunner.CreateService",
        {"ServiceName": "sick-notes", **_configured(SICK)},
        {"service.status": "OPERATION_IN_PROGRESS"},
        {"failed": "service.serviceArn"},
    ),
    _ends("its creation fails", "{failed}", "CREATE_FAILED", SICK),
    _is_told("the creation has failed", "{failed}", "CREATE_SERVICE", "FAILED"),
    Step(
        "a throttled client asks again by itself",
        "apprunner.ListServices",
        {},
        {"serviceSummaryList.*.status": ["RUNNING", "CREATE_FAILED"]},
        meets=Effect.THROTTLED,
    ),
    Step(
        "a client that the service fails asks again by itself",
        "apprunner.ListServices",
        {},
        {"serviceSummaryList.*.serviceName": ["notes", "sick-notes"]},
        meets=Effect.UNAVAILABLE,
    ),
)

LOGS = (
    Step(
        "the service has logs",
        "logs.DescribeLogGroups",
        {"logGroupNamePrefix": "/aws/apprunner/notes/"},
        {"logGroups.*.logGroupName": ["/aws/apprunner/notes/{id}/service"]},
    ),
    Step(
        "deployments have streams",
        "logs.DescribeLogStreams",
        {**_LOG, "logStreamNamePrefix": "deployment/{update_in_logs}"},
        {"logStreams.*.logStreamName": ["deployment/{update_in_logs}"]},
    ),
    Step(
        "the log of the update is read",
        "logs.FilterLogEvents",
        {**_LOG, "logStreamNames": ["deployment/{update_in_logs}"]},
        {
            "events.*.message": _lines(
                "update",
                "SERVICE_UPDATE",
                "Health check is successful. Routing traffic to application.",
                "Successfully routed incoming traffic to application.",
            )
        },
    ),
    Step(
        "the log of the rollback is read",
        "logs.FilterLogEvents",
        {**_LOG, "logStreamNames": ["deployment/{rollback_in_logs}"]},
        {
            "events.*.message": _lines(
                "rollback",
                "SERVICE_UPDATE",
                "Health check failed on protocol `HTTP`[Path: '/healthz'], [Port: '8000']. Check your configured port number.",
                "Deployment with ID : {rollback_in_logs} failed. Failure reason : Health check failed.",
            )
        },
    ),
    Step(
        "a log is read from its head",
        "logs.GetLogEvents",
        {**_LOG, "logStreamName": "deployment/{creation_in_logs}", "startFromHead": True, "limit": 2},
        {"events.*.message": _lines("creation", "SERVICE_CREATE")[:2]},
        {"head": "nextForwardToken"},
    ),
    Step(
        "and goes on from there",
        "logs.GetLogEvents",
        {
            **_LOG,
            "logStreamName": "deployment/{creation_in_logs}",
            "startFromHead": True,
            "limit": 1,
            "nextToken": "{head}",
        },
        {"events.*.message": _lines("creation", "SERVICE_CREATE")[2:3]},
    ),
    Step(
        "a log that is not there is not found",
        "logs.FilterLogEvents",
        {"logGroupName": "/aws/apprunner/absent"},
        Refused("ResourceNotFoundException"),
    ),
)

END = (
    Step(
        "the service is deleted",
        "apprunner.DeleteService",
        {"ServiceArn": "{notes}"},
        {"service.status": "OPERATION_IN_PROGRESS"},
    ),
    _ends("the service is gone", "{notes}", "DELETED", BETTER),
    Step(
        "what is gone is not updated",
        "apprunner.UpdateService",
        {"ServiceArn": "{notes}", **_configured(GOOD)},
        Refused("ResourceNotFoundException"),
    ),
    Step(
        "what is gone is not deleted",
        "apprunner.DeleteService",
        {"ServiceArn": "{notes}"},
        Refused("ResourceNotFoundException"),
    ),
    Step(
        "the failed service is deleted",
        "apprunner.DeleteService",
        {"ServiceArn": "{failed}"},
        {"service.status": "OPERATION_IN_PROGRESS"},
    ),
    _ends("the failed service is gone", "{failed}", "DELETED", SICK),
    Step("nothing is left", "apprunner.ListServices", {}, {"serviceSummaryList": []}),
)

STORY = (*IMAGES, *CREATION, *UPDATE, *ROLLBACK, *FAILURE, *LOGS, *END)
