"""What is expected of AWS, as data: the cells of App Runner's state table, and behaviours by name.

Marks: M service model of boto3 1.44, G developer guide, F field reports, † unverified. An expectation is the one line that a call is
told in; NAME, ARN and ACCOUNT stand for those of the service that was asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from slipway.records.conformance import ConformanceFinding, ConformanceVerdict

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


@dataclass(frozen=True, kw_only=True)
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


def every() -> Iterator[ConformanceFinding]:
    """All that is expected, as findings of which nothing has been seen yet."""
    for cell in cells():
        if cell.state == "DELETE_FAILED":
            yield ConformanceFinding(
                subject=cell.subject,
                expected=cell.expected,
                mark=cell.mark,
                verdict=ConformanceVerdict.OUT_OF_REACH,
                seen="nobody can make a deletion fail",
            )
        else:
            yield ConformanceFinding(
                subject=cell.subject,
                expected=cell.expected,
                mark=cell.mark,
                verdict=ConformanceVerdict.NOT_REACHED,
                seen="the run ended before",
            )
    for known in BEHAVIOURS:
        if known.expected:
            yield ConformanceFinding(
                subject=known.subject,
                expected=known.expected,
                mark=known.mark,
                verdict=ConformanceVerdict.NOT_REACHED,
                seen="the run ended before",
            )
        elif known.mark != NOT_SIMULATED:
            yield ConformanceFinding(
                subject=known.subject,
                expected=known.says,
                mark=known.mark,
                verdict=ConformanceVerdict.OUT_OF_REACH,
                seen=known.unseen,
            )


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
        service=_RUNNER,
        subject="an update without an effective change",
        says="an update without an effective change: 200 and no OperationId",
        mark="F",
        expected=SAME,
    ),
    Behaviour(
        service=_RUNNER,
        subject="a failed creation",
        says="a failed creation: operation FAILED, service CREATE_FAILED",
        mark="F",
        expected="CREATE_SERVICE FAILED, CREATE_FAILED",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a failed update",
        says="a failed update: ROLLBACK_IN_PROGRESS, then ROLLBACK_SUCCEEDED; the service is RUNNING with what it had before",
        mark="F",
        expected="UPDATE_SERVICE ROLLBACK_SUCCEEDED, RUNNING with what it had before",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a rollback that fails",
        says="a rollback that fails: ROLLBACK_FAILED, and the service RUNNING with what it had before",
        mark="†",
        unseen=_PLATFORM,
    ),
    Behaviour(
        service=_RUNNER,
        subject="a failed resumption",
        says="a resumption that does not become healthy: operation FAILED, the service stays PAUSED",
        mark="†",
        unseen="it needs an image that is healthy once and then no more",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a name that is taken",
        says='a name is given once among all that are not deleted: InvalidRequest "Service with the provided name already exists: NAME."',
        mark="F",
        expected=_TAKEN,
    ),
    Behaviour(
        service=_RUNNER,
        subject="the name of a failed creation",
        says="the name of a failed creation stays taken",
        mark="F",
        expected=_TAKEN,
    ),
    Behaviour(
        service=_RUNNER,
        subject="what an update leaves out",
        says="what an update leaves out is inherited, also within ImageConfiguration",
        mark="F",
        expected="port and start command stay",
    ),
    Behaviour(
        service=_RUNNER,
        subject="variables in an update",
        says="maps of variables and secrets are replaced as a whole",
        mark="F",
        expected="SECOND alone",
    ),
    Behaviour(
        service=_RUNNER,
        subject="what a creation leaves out",
        says="a health check is TCP at /, every 5 seconds, for 2, 1 time for healthy and 5 for unhealthy, unless it is said otherwise",
        mark="M",
        expected="TCP / 5 2 1 5",
    ),
    Behaviour(
        service=_RUNNER,
        subject="automatic deployments",
        says="automatic deployments are on unless they are switched off; of images of ECR Public they are off",
        mark="M",
        expected="off",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a push to a tag",
        says="a push to a tag starts no deployment here, though automatic deployments are on",
        mark=NOT_SIMULATED,
    ),
    Behaviour(
        service=_RUNNER,
        subject="sizes that are read back",
        says='CPU and memory are read back in units: "0.25 vCPU" is 256, "0.5 GB" is 512',
        mark="G",
        expected="256 and 512",
    ),
    Behaviour(
        service=_RUNNER,
        subject="sizes that do not fit",
        says="certain pairs of CPU and memory only: InvalidRequest",
        mark="G",
        expected="InvalidRequestException",
    ),
    Behaviour(
        service=_RUNNER,
        subject="tags",
        says="tags are set by CreateService, and changed by TagResource and UntagResource only, at once",
        mark="M",
        expected="set and changed, and no operation begins",
    ),
    Behaviour(
        service=_RUNNER,
        subject="the order of operations",
        says="operations are listed newest first",
        mark="M",
        expected="newest first",
    ),
    Behaviour(
        service=_RUNNER,
        subject="the length of a page",
        says="pages of 1 to 20 services or operations",
        mark="M",
        expected="20 answered, 21 InvalidRequestException",
    ),
    Behaviour(
        service=_RUNNER,
        subject="auto scaling by one name",
        says="auto scaling, VPC connectors, observability: the same name again is the next revision",
        mark="M",
        expected="revisions 1 and 2",
    ),
    Behaviour(
        service=_RUNNER,
        subject="auto scaling without a revision",
        says="an ARN without a revision is the last one",
        mark="M",
        expected="revision 2",
    ),
    Behaviour(
        service=_RUNNER,
        subject="auto scaling that is deleted",
        says="what is deleted is described as INACTIVE",
        mark="M",
        expected="INACTIVE",
    ),
    Behaviour(
        service=_RUNNER,
        subject="auto scaling that a service has",
        says="what a service has cannot be deleted: InvalidRequest; reported of VPC connectors, and a guess for the others",
        mark="†",
        expected="InvalidRequestException",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a paused service's address",
        says="a paused service's address answers 503",
        mark="†",
        unseen="the suite asks the API, and nothing that it creates is called",
    ),
    Behaviour(
        service=_RUNNER,
        subject="maintenance",
        says="maintenance: OPERATION_IN_PROGRESS for minutes, and no operation is listed",
        mark="G",
        unseen=_PLATFORM,
    ),
    Behaviour(
        service=_RUNNER,
        subject="the log of a deployment",
        says="the log group /aws/apprunner/NAME/ID/service, its stream deployment/ID without dashes, and the lines in it",
        mark="F",
        expected="started with the trigger SERVICE_UPDATE, ended with RUNNING",
    ),
    Behaviour(
        service=_RUNNER,
        subject="the triggers of what is no update",
        says="in the log, the triggers of what is no update",
        mark="†",
        expected="SERVICE_CREATE, MANUAL_DEPLOYMENT, SERVICE_RESUME",
    ),
    Behaviour(
        service=_RUNNER,
        subject="durations",
        says="durations: create 5 minutes, update 2 to 5, failing health 6 to 19",
        mark="F",
        unseen="no run is like another; the record has the whole run's",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a role that may not be assumed",
        says='a role that is missing, or trusts somebody else: InvalidRequest "Error in assuming access role ARN", also on updates †',
        mark="F",
        unseen="the suite makes no role",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a new role",
        says="a new role is not known yet: the same answer, for 90 seconds (`cloud.iam.propagation`) after it was made",
        mark="F",
        unseen="the suite makes no role",
    ),
    Behaviour(
        service=_RUNNER,
        subject="an instance role that may not be assumed",
        says='the same of the instance role: "Error in assuming instance role ARN"',
        mark="†",
        unseen="the suite makes no role",
    ),
    Behaviour(
        service=_RUNNER,
        subject="secrets without an instance role",
        says="secrets without an instance role are refused [F]; here they are not",
        mark=NOT_SIMULATED,
        unseen="the suite makes no secret",
    ),
    Behaviour(
        service=_RUNNER,
        subject="references to secrets",
        says="a secret by ARN, or `ARN:KEY::` for a key of its JSON †; a parameter by ARN, or by its name",
        mark="M",
        unseen="the suite makes no secret",
    ),
    Behaviour(
        service=_RUNNER,
        subject="a secret that is going",
        says="a secret that is scheduled for deletion is not there for a service",
        mark="†",
        unseen="the suite makes no secret",
    ),
    Behaviour(
        service=_RUNNER,
        subject="the rest",
        says="source connections, custom domains, private ingress",
        mark=NOT_SIMULATED,
    ),
    Behaviour(
        service=_ECR,
        subject="an image's digest",
        says="the digest is the sha256 of the manifest's bytes; over the registry protocol too, and both see one store",
        mark="M",
        expected="sha256 of the manifest's bytes",
    ),
    Behaviour(
        service=_ECR,
        subject="the same image under the same tag",
        says="the same image under the same tag again: ImageAlreadyExists",
        mark="M",
        expected="ImageAlreadyExistsException",
    ),
    Behaviour(
        service=_ECR,
        subject="another image under an immutable tag",
        says="an immutable tag is put once: ImageTagAlreadyExists, and it names what it named",
        mark="M",
        expected="ImageTagAlreadyExistsException, and the first stays",
    ),
    Behaviour(
        service=_ECR,
        subject="two at once under an immutable tag",
        says="of two that put under an immutable tag at once, one is refused: it is a compare-and-set",
        mark="†",
        expected="one put, one ImageTagAlreadyExistsException",
    ),
    Behaviour(
        service=_ECR,
        subject="layers that are not there",
        says="layers that are not there: LayersNotFound",
        mark="M",
        expected="LayersNotFoundException",
    ),
    Behaviour(
        service=_ECR,
        subject="an image that is not there",
        says="an image that is not there: ImageNotFound; in a batch it is among the failures",
        mark="M",
        expected="ImageNotFoundException, failure ImageNotFound",
    ),
    Behaviour(
        service=_ECR,
        subject="tags of images",
        says="DescribeImages and ListImages tell the tags",
        mark="M",
        expected="described and listed by tag and digest",
    ),
    Behaviour(
        service=_ECR,
        subject="a tag that is deleted",
        says="by its tag, an image loses that tag; by digest it goes with all its tags",
        mark="M",
        expected="one tag less, then none",
    ),
    Behaviour(
        service=_ECR,
        subject="a repository that is made twice",
        says="a repository is made once: RepositoryAlreadyExists",
        mark="M",
        expected="RepositoryAlreadyExistsException",
    ),
    Behaviour(
        service=_ECR,
        subject="a repository with images",
        says="one that holds images is deleted by force only: RepositoryNotEmpty",
        mark="M",
        expected="RepositoryNotEmptyException",
    ),
    Behaviour(
        service=_ECR,
        subject="an image index",
        says="an index needs its manifests to be there, as an image its layers",
        mark="†",
        unseen="the suite does not look at it",
    ),
    Behaviour(
        service=_ECR,
        subject="the failures of a batch",
        says="the failures of BatchGetImage have the model's codes",
        mark="M",
        unseen="the suite does not look at it",
    ),
    Behaviour(
        service=_ECR,
        subject="the URL of a layer",
        says="GetDownloadUrlForLayer gives a URL that needs no login; here it does not expire",
        mark="M",
        unseen="the suite does not look at it",
    ),
)
