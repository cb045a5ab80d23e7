"""What is expected of AWS, as data: the cells of App Runner's state table, and behaviours by name.

Marks: M service model of boto3 1.44, G developer guide, F field reports, † unverified. An expectation is the one line that a call is
told in; NAME, ARN and ACCOUNT stand for those of the service that was asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from slipway.records.conformance import Finding, Verdict

STATES = ("RUNNING", "OPERATION_IN_PROGRESS", "PAUSED", "CREATE_FAILED", "DELETE_FAILED", "DELETED")
SAME = "answers, and no operation begins"
NOT_SIMULATED = "not simulated"


@dataclass(frozen=True)
class Cell:
    """What one call does to a service in one state. `subject` names it in every report."""

    call: str
    state: str
    expected: str
    mark: str

    @property
    def subject(self) -> str:
        return subject_of(self.call, self.state)


@dataclass(frozen=True)
class Behaviour:
    """Anything else: `says` is its line in the documentation, `expected` what the suite sees of it.

    Of what cannot be seen from outside, `unseen` says why.
    """

    service: str
    subject: str
    says: str
    mark: str
    expected: str = ""
    unseen: str = ""


def subject_of(call: str, state: str) -> str:
    return f"{call} of {state}"


def cells() -> tuple[Cell, ...]:
    """The state table, row by row."""
    return tuple(
        Cell(call, state, expected.format(state=state), mark)
        for call, row in _TABLE.items()
        for state, (expected, mark) in zip(STATES, row, strict=True)
    )


def every() -> Iterator[Finding]:
    """All that is expected, as findings of which nothing has been seen yet."""
    for cell in cells():
        if cell.state == "DELETE_FAILED":
            yield Finding(
                cell.subject, cell.expected, cell.mark, Verdict.OUT_OF_REACH, "nobody can make a deletion fail"
            )
        else:
            yield Finding(cell.subject, cell.expected, cell.mark, Verdict.NOT_REACHED, "the run ended before")
    for known in BEHAVIOURS:
        if known.expected:
            yield Finding(known.subject, known.expected, known.mark, Verdict.NOT_REACHED, "the run ended before")
        elif known.mark != NOT_SIMULATED:
            yield Finding(known.subject, known.says, known.mark, Verdict.OUT_OF_REACH, known.unseen)


def _not(done: str) -> str:
    return f"InvalidStateException: Service cannot be {done} in the current state: {{state}}."


_GONE = ("ResourceNotFoundException: Service with the provided ARN doesn't exist: ARN.", "†")
_DEPLOY = (
    "InvalidRequestException: Can't start a deployment on the specified service, because it isn't in RUNNING state."
)
_UPDATE, _PAUSE, _RESUME, _DELETE = map(_not, ("updated", "paused", "resumed", "deleted"))
_TABLE = {
    "UpdateService": (
        ("begins UPDATE_SERVICE", "M"),
        (_UPDATE, "F"),
        (_UPDATE, "G"),  # "You can't update a paused service"; which error, and its words, F of another state
        ("begins CREATE_SERVICE", "M"),  # a rebuild, since 2023-06
        (_UPDATE, "†"),
        _GONE,
    ),
    # No InvalidStateException in its model; which error comes instead: F
    "StartDeployment": (
        ("begins START_DEPLOYMENT", "M"),
        (_DEPLOY, "F"),
        (_DEPLOY, "F"),
        (_DEPLOY, "F"),
        (_DEPLOY, "†"),
        _GONE,
    ),
    "PauseService": (
        ("begins PAUSE_SERVICE", "M"),
        (_PAUSE, "†"),
        (SAME, "M"),
        (_PAUSE, "†"),
        (_PAUSE, "†"),
        _GONE,
    ),
    "ResumeService": (
        (SAME, "M"),
        (_RESUME, "†"),
        ("begins RESUME_SERVICE", "M"),
        (_RESUME, "†"),
        (_RESUME, "†"),
        _GONE,
    ),
    "DeleteService": (
        ("begins DELETE_SERVICE", "M"),
        (_DELETE, "F"),  # hashicorp/terraform-provider-aws#19840
        ("begins DELETE_SERVICE", "†"),
        ("begins DELETE_SERVICE", "F"),
        ("begins DELETE_SERVICE", "M"),  # "Retry the service deletion call"
        _GONE,
    ),
    "DescribeService": (*((("answers, {state}", "M"),) * 5), ("answers, {state}", "M")),
    "ListOperations": (*((("answers", "M"),) * 5), ("answers", "†")),
    "ListServices": (*((("listed", "M"),) * 5), ("not listed", "†")),
}

_TAKEN = "InvalidRequestException: Service with the provided name already exists: NAME."
_PLATFORM = "only the platform can bring it about"
_RUNNER, _ECR = "App Runner", "ECR"
BEHAVIOURS = (
    Behaviour(
        _RUNNER,
        "an update without an effective change",
        "an update without an effective change: 200 and no OperationId",
        "F",
        SAME,
    ),
    Behaviour(
        _RUNNER,
        "a failed creation",
        "a failed creation: operation FAILED, service CREATE_FAILED",
        "F",
        "CREATE_SERVICE FAILED, CREATE_FAILED",
    ),
    Behaviour(
        _RUNNER,
        "a failed update",
        "a failed update: ROLLBACK_IN_PROGRESS, then ROLLBACK_SUCCEEDED; the service is RUNNING with what it had before",
        "F",
        "UPDATE_SERVICE ROLLBACK_SUCCEEDED, RUNNING with what it had before",
    ),
    Behaviour(
        _RUNNER,
        "a rollback that fails",
        "a rollback that fails: ROLLBACK_FAILED, and the service RUNNING with what it had before",
        "†",
        unseen=_PLATFORM,
    ),
    Behaviour(
        _RUNNER,
        "a failed resumption",
        "a resumption that does not become healthy: operation FAILED, the service stays PAUSED",
        "†",
        unseen="it needs an image that is healthy once and then no more",
    ),
    Behaviour(
        _RUNNER,
        "a name that is taken",
        'a name is given once among all that are not deleted: InvalidRequest "Service with the provided name already exists: NAME."',
        "F",
        _TAKEN,
    ),
    Behaviour(_RUNNER, "the name of a failed creation", "the name of a failed creation stays taken", "F", _TAKEN),
    Behaviour(
        _RUNNER,
        "what an update leaves out",
        "what an update leaves out is inherited, also within ImageConfiguration",
        "F",
        "port and start command stay",
    ),
    Behaviour(
        _RUNNER, "variables in an update", "maps of variables and secrets are replaced as a whole", "F", "SECOND alone"
    ),
    Behaviour(
        _RUNNER,
        "what a creation leaves out",
        "a health check is TCP at /, every 5 seconds, for 2, 1 time for healthy and 5 for unhealthy, unless it is said otherwise",
        "M",
        "TCP / 5 2 1 5",
    ),
    Behaviour(
        _RUNNER,
        "automatic deployments",
        "automatic deployments are on unless they are switched off; of images of ECR Public they are off",
        "M",
        "off",
    ),
    Behaviour(
        _RUNNER,
        "a push to a tag",
        "a push to a tag starts no deployment here, though automatic deployments are on",
        NOT_SIMULATED,
    ),
    Behaviour(
        _RUNNER,
        "sizes that are read back",
        'CPU and memory are read back in units: "0.25 vCPU" is 256, "0.5 GB" is 512',
        "G",
        "256 and 512",
    ),
    Behaviour(
        _RUNNER,
        "sizes that do not fit",
        "certain pairs of CPU and memory only: InvalidRequest",
        "G",
        "InvalidRequestException",
    ),
    Behaviour(
        _RUNNER,
        "tags",
        "tags are set by CreateService, and changed by TagResource and UntagResource only, at once",
        "M",
        "set and changed, and no operation begins",
    ),
    Behaviour(_RUNNER, "the order of operations", "operations are listed newest first", "M", "newest first"),
    Behaviour(
        _RUNNER,
        "the length of a page",
        "pages of 1 to 20 services or operations",
        "M",
        "20 answered, 21 InvalidRequestException",
    ),
    Behaviour(
        _RUNNER,
        "auto scaling by one name",
        "auto scaling, VPC connectors, observability: the same name again is the next revision",
        "M",
        "revisions 1 and 2",
    ),
    Behaviour(
        _RUNNER,
        "auto scaling without a revision",
        "an ARN without a revision is the last one",
        "M",
        "revision 2",
    ),
    Behaviour(_RUNNER, "auto scaling that is deleted", "what is deleted is described as INACTIVE", "M", "INACTIVE"),
    Behaviour(
        _RUNNER,
        "auto scaling that a service has",
        "what a service has cannot be deleted: InvalidRequest; reported of VPC connectors, and a guess for the others",
        "†",
        "InvalidRequestException",
    ),
    Behaviour(
        _RUNNER,
        "a paused service's address",
        "a paused service's address answers 503",
        "†",
        unseen="the suite asks the API, and nothing that it creates is called",
    ),
    Behaviour(
        _RUNNER,
        "maintenance",
        "maintenance: OPERATION_IN_PROGRESS for minutes, and no operation is listed",
        "G",
        unseen=_PLATFORM,
    ),
    Behaviour(
        _RUNNER,
        "the log of a deployment",
        "the log group /aws/apprunner/NAME/ID/service, its stream deployment/ID without dashes, and the lines in it",
        "F",
        "started with the trigger SERVICE_UPDATE, ended with RUNNING",
    ),
    Behaviour(
        _RUNNER,
        "the triggers of what is no update",
        "in the log, the triggers of what is no update",
        "†",
        "SERVICE_CREATE, MANUAL_DEPLOYMENT, SERVICE_RESUME",
    ),
    Behaviour(
        _RUNNER,
        "durations",
        "durations: create 5 minutes, update 2 to 5, failing health 6 to 19",
        "F",
        unseen="no run is like another; the record has the whole run's",
    ),
    Behaviour(
        _RUNNER,
        "a role that may not be assumed",
        'a role that is missing, or trusts somebody else: InvalidRequest "Error in assuming access role ARN", also on updates †',
        "F",
        unseen="the suite makes no role",
    ),
    Behaviour(
        _RUNNER,
        "a new role",
        "a new role is not known yet: the same answer, for 90 seconds (`cloud.iam.propagation`) after it was made",
        "F",
        unseen="the suite makes no role",
    ),
    Behaviour(
        _RUNNER,
        "an instance role that may not be assumed",
        'the same of the instance role: "Error in assuming instance role ARN"',
        "†",
        unseen="the suite makes no role",
    ),
    Behaviour(
        _RUNNER,
        "secrets without an instance role",
        "secrets without an instance role are refused [F]; here they are not",
        NOT_SIMULATED,
        unseen="the suite makes no secret",
    ),
    Behaviour(
        _RUNNER,
        "references to secrets",
        "a secret by ARN, or `ARN:KEY::` for a key of its JSON †; a parameter by ARN, or by its name",
        "M",
        unseen="the suite makes no secret",
    ),
    Behaviour(
        _RUNNER,
        "a secret that is going",
        "a secret that is scheduled for deletion is not there for a service",
        "†",
        unseen="the suite makes no secret",
    ),
    Behaviour(_RUNNER, "the rest", "source connections, custom domains, private ingress", NOT_SIMULATED),
    Behaviour(
        _ECR,
        "an image's digest",
        "the digest is the sha256 of the manifest's bytes; over the registry protocol too, and both see one store",
        "M",
        "sha256 of the manifest's bytes",
    ),
    Behaviour(
        _ECR,
        "the same image under the same tag",
        "the same image under the same tag again: ImageAlreadyExists",
        "M",
        "ImageAlreadyExistsException",
    ),
    Behaviour(
        _ECR,
        "another image under an immutable tag",
        "an immutable tag is put once: ImageTagAlreadyExists, and it names what it named",
        "M",
        "ImageTagAlreadyExistsException, and the first stays",
    ),
    Behaviour(
        _ECR,
        "two at once under an immutable tag",
        "of two that put under an immutable tag at once, one is refused: it is a compare-and-set",
        "†",
        "one put, one ImageTagAlreadyExistsException",
    ),
    Behaviour(
        _ECR,
        "layers that are not there",
        "layers that are not there: LayersNotFound",
        "M",
        "LayersNotFoundException",
    ),
    Behaviour(
        _ECR,
        "an image that is not there",
        "an image that is not there: ImageNotFound; in a batch it is among the failures",
        "M",
        "ImageNotFoundException, failure ImageNotFound",
    ),
    Behaviour(
        _ECR,
        "tags of images",
        "DescribeImages and ListImages tell the tags",
        "M",
        "described and listed by tag and digest",
    ),
    Behaviour(
        _ECR,
        "a tag that is deleted",
        "by its tag, an image loses that tag; by digest it goes with all its tags",
        "M",
        "one tag less, then none",
    ),
    Behaviour(
        _ECR,
        "a repository that is made twice",
        "a repository is made once: RepositoryAlreadyExists",
        "M",
        "RepositoryAlreadyExistsException",
    ),
    Behaviour(
        _ECR,
        "a repository with images",
        "one that holds images is deleted by force only: RepositoryNotEmpty",
        "M",
        "RepositoryNotEmptyException",
    ),
    Behaviour(
        _ECR,
        "an image index",
        "an index needs its manifests to be there, as an image its layers",
        "†",
        unseen="the suite does not look at it",
    ),
    Behaviour(
        _ECR,
        "the failures of a batch",
        "the failures of BatchGetImage have the model's codes",
        "M",
        unseen="the suite does not look at it",
    ),
    Behaviour(
        _ECR,
        "the URL of a layer",
        "GetDownloadUrlForLayer gives a URL that needs no login; here it does not expire",
        "M",
        unseen="the suite does not look at it",
    ),
)
