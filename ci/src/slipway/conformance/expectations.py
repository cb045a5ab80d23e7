"""The expectations of AWS, as data: the cells of App Runner's state table, and named behaviours; and what a run finds of them.

Marks: M service model of boto3 1.44, G developer guide, F field reports, † unverified. An expectation is the line that describes a
call's outcome; NAME, ARN and ACCOUNT replace those of the probed service.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from slipway.conformance.account import masked
from slipway.records.conformance import AWS, Conformance, ConformanceFinding, ConformanceVerdict

STATES = ("RUNNING", "OPERATION_IN_PROGRESS", "PAUSED", "CREATE_FAILED", "DELETE_FAILED", "DELETED")
SAME = "answers, and no operation begins"
NOT_SIMULATED = "not simulated"


@dataclass(frozen=True)
class Cell:
    """The expected outcome of a call in a state."""

    call: str
    state: str
    expected: str
    mark: str

    @property
    def subject(self) -> str:
        """Its name in every report."""
        return subject_of(self.call, self.state)


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """A behaviour outside the state table."""

    service: str
    subject: str
    says: str  # its line in the documentation
    mark: str
    expected: str = ""  # the outcome that the suite expects
    unseen: str = ""  # why it cannot be seen from outside


def subject_of(call: str, state: str) -> str:
    return f"{call} of {state}"


def cells() -> tuple[Cell, ...]:
    """List the cells of the state table, row by row."""
    return tuple(
        Cell(call, state, expected.format(state=state), mark)
        for call, row in _TABLE.items()
        for state, (expected, mark) in zip(STATES, row, strict=True)
    )


def every() -> Iterator[ConformanceFinding]:
    """Yield all expectations, as findings of which nothing has been seen yet."""
    for cell in cells():
        reachable = cell.state != "DELETE_FAILED"
        yield _unseen(cell.subject, cell.expected, cell.mark, "" if reachable else "no caller can make a deletion fail")
    for behaviour in BEHAVIOURS:
        if behaviour.mark != NOT_SIMULATED:
            expected = behaviour.expected or behaviour.says
            yield _unseen(behaviour.subject, expected, behaviour.mark, "" if behaviour.expected else behaviour.unseen)


def _unseen(subject: str, expected: str, mark: str, out_of_reach: str) -> ConformanceFinding:
    verdict = ConformanceVerdict.OUT_OF_REACH if out_of_reach else ConformanceVerdict.NOT_REACHED
    seen = out_of_reach or "the run ended before"
    return ConformanceFinding(subject=subject, expected=expected, mark=mark, verdict=verdict, seen=seen)


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


class _Unseen(str):
    """The reason why an outcome cannot be seen from outside."""

    __slots__ = ()


_TAKEN = "InvalidRequestException: Service with the provided name already exists: NAME."
_PLATFORM = _Unseen("only the platform can cause it")
_NO_ROLE, _NO_SECRET = _Unseen("the suite creates no role"), _Unseen("the suite creates no secret")
_NOT_PROBED = _Unseen("the suite does not probe it")
# Subject, documentation, mark, expected outcome; a reason instead of the outcome where nothing can be seen from outside.
_APP_RUNNER = (
    (
        "an update without an effective change",
        "an update without an effective change: 200 and no OperationId",
        "F",
        SAME,
    ),
    (
        "a failed creation",
        "a failed creation: operation FAILED, service CREATE_FAILED",
        "F",
        "CREATE_SERVICE FAILED, CREATE_FAILED",
    ),
    (
        "a failed update",
        "a failed update: ROLLBACK_IN_PROGRESS, then ROLLBACK_SUCCEEDED; the service is RUNNING with its previous configuration",
        "F",
        "UPDATE_SERVICE ROLLBACK_SUCCEEDED, RUNNING with its previous configuration",
    ),
    (
        "a rollback that fails",
        "a failed rollback: ROLLBACK_FAILED, and the service is RUNNING with its previous configuration",
        "†",
        _PLATFORM,
    ),
    (
        "a failed resumption",
        "a resumption that does not become healthy: operation FAILED, the service stays PAUSED",
        "†",
        _Unseen("the suite would need an image that is healthy once and never again"),
    ),
    (
        "a name that is taken",
        'names are unique among services that are not deleted: InvalidRequest "Service with the provided name already exists: NAME."',
        "F",
        _TAKEN,
    ),
    ("the name of a failed creation", "the name of a failed creation stays taken", "F", _TAKEN),
    (
        "members that an update leaves out",
        "members that an update leaves out are inherited, also within ImageConfiguration",
        "F",
        "port and start command stay",
    ),
    ("variables in an update", "maps of variables and secrets are replaced as a whole", "F", "SECOND alone"),
    (
        "the defaults of a creation",
        "default health check: TCP at /, every 5 seconds, timeout 2 seconds, healthy after 1 success, unhealthy after 5 failures",
        "M",
        "TCP / 5 2 1 5",
    ),
    ("automatic deployments", "automatic deployments are on by default, and off for images of ECR Public", "M", "off"),
    (
        "a push to a tag",
        "a push to a tag starts no deployment here, even with automatic deployments",
        NOT_SIMULATED,
        "",
    ),
    (
        "sizes that are read back",
        'CPU and memory are returned in units: "0.25 vCPU" is 256, "0.5 GB" is 512',
        "G",
        "256 and 512",
    ),
    (
        "sizes that do not fit",
        "only certain pairs of CPU and memory are valid, otherwise InvalidRequest",
        "G",
        "InvalidRequestException",
    ),
    (
        "tags",
        "CreateService sets tags; only TagResource and UntagResource change them, at once",
        "M",
        "set and changed, and no operation begins",
    ),
    ("the order of operations", "operations are listed newest first", "M", "newest first"),
    (
        "the length of a page",
        "pages have 1 to 20 services or operations",
        "M",
        "20 answered, 21 InvalidRequestException",
    ),
    (
        "auto scaling by one name",
        "auto scaling, VPC connectors, observability: creating the same name again makes the next revision",
        "M",
        "revisions 1 and 2",
    ),
    ("auto scaling without a revision", "an ARN without a revision means the latest one", "M", "revision 2"),
    ("auto scaling that is deleted", "a deleted revision is described as INACTIVE", "M", "INACTIVE"),
    (
        "auto scaling that a service has",
        "a resource that a service uses cannot be deleted: InvalidRequest; reported for VPC connectors, assumed for the others",
        "†",
        "InvalidRequestException",
    ),
    (
        "a paused service's address",
        "the address of a paused service answers 503",
        "†",
        _Unseen("the suite calls the API only, never its services"),
    ),
    ("maintenance", "maintenance: OPERATION_IN_PROGRESS for minutes, and no operation is listed", "G", _PLATFORM),
    (
        "the log of a deployment",
        "the log group /aws/apprunner/NAME/ID/service, its stream deployment/ID without dashes, and the lines in it",
        "F",
        "started with the trigger SERVICE_UPDATE, ended with RUNNING",
    ),
    (
        "the triggers of other operations",
        "the triggers that the log shows for creation, deployment and resumption",
        "†",
        "SERVICE_CREATE, MANUAL_DEPLOYMENT, SERVICE_RESUME",
    ),
    (
        "durations",
        "durations: 5 minutes for a creation, 2 to 5 for an update, 6 to 19 for a failed health check",
        "F",
        _Unseen("every run differs; the record contains the duration of the whole run"),
    ),
    (
        "a role that may not be assumed",
        'a role that is missing or trusts another service: InvalidRequest "Error in assuming access role ARN", also on updates †',
        "F",
        _NO_ROLE,
    ),
    (
        "a new role",
        "a new role is refused the same way for 90 seconds (`cloud.iam.propagation`) after its creation",
        "F",
        _NO_ROLE,
    ),
    (
        "an instance role that may not be assumed",
        'the same for the instance role: "Error in assuming instance role ARN"',
        "†",
        _NO_ROLE,
    ),
    (
        "secrets without an instance role",
        "AWS refuses secrets without an instance role [F]; the simulator accepts them",
        NOT_SIMULATED,
        _NO_SECRET,
    ),
    (
        "references to secrets",
        "a secret by ARN, or `ARN:KEY::` for a key of its JSON †; a parameter by ARN or by name",
        "M",
        _NO_SECRET,
    ),
    ("a secret that is going", "a secret that is scheduled for deletion does not exist for a service", "†", _NO_SECRET),
    ("the rest", "source connections, custom domains, private ingress", NOT_SIMULATED, ""),
)
_ECR = (
    (
        "an image's digest",
        "the digest is the sha256 of the manifest's bytes, also over the registry protocol; both use one store",
        "M",
        "sha256 of the manifest's bytes",
    ),
    (
        "the same image under the same tag",
        "the same image under the same tag again: ImageAlreadyExists",
        "M",
        "ImageAlreadyExistsException",
    ),
    (
        "another image under an immutable tag",
        "an immutable tag is put once: ImageTagAlreadyExists, and the tag keeps its image",
        "M",
        "ImageTagAlreadyExistsException, and the first stays",
    ),
    (
        "two at once under an immutable tag",
        "of two concurrent puts under an immutable tag one is refused: it is a compare-and-set",
        "†",
        "one put, one ImageTagAlreadyExistsException",
    ),
    ("layers that are not there", "missing layers: LayersNotFound", "M", "LayersNotFoundException"),
    (
        "an image that is not there",
        "a missing image: ImageNotFound; in a batch it is among the failures",
        "M",
        "ImageNotFoundException, failure ImageNotFound",
    ),
    ("tags of images", "DescribeImages and ListImages return the tags", "M", "described and listed by tag and digest"),
    (
        "a tag that is deleted",
        "deleted by tag, an image loses that tag; deleted by digest it loses all",
        "M",
        "one tag less, then none",
    ),
    (
        "a repository that is made twice",
        "repository names are unique: RepositoryAlreadyExists",
        "M",
        "RepositoryAlreadyExistsException",
    ),
    (
        "a repository with images",
        "a repository that contains images is deleted by force only: RepositoryNotEmpty",
        "M",
        "RepositoryNotEmptyException",
    ),
    ("an image index", "an index needs its manifests to exist, as an image needs its layers", "†", _NOT_PROBED),
    ("the failures of a batch", "the failures of BatchGetImage have the model's codes", "M", _NOT_PROBED),
    (
        "the URL of a layer",
        "GetDownloadUrlForLayer returns a URL that needs no login; here it never expires",
        "M",
        _NOT_PROBED,
    ),
)
BEHAVIOURS = tuple(
    Behaviour(
        service=service,
        subject=subject,
        says=says,
        mark=mark,
        expected="" if isinstance(outcome, _Unseen) else outcome,
        unseen=outcome if isinstance(outcome, _Unseen) else "",
    )
    for service, rows in (("App Runner", _APP_RUNNER), ("ECR", _ECR))
    for subject, says, mark, outcome in rows
)


class Findings:
    """The findings by subject; everything expected, nothing seen at first. Account numbers and ARNs are masked."""

    def __init__(self) -> None:
        self._findings: dict[str, ConformanceFinding] = {finding.subject: finding for finding in every()}

    def saw(self, subject: str, seen: str) -> None:
        """Record what the account answered, in one line."""
        finding, seen = self._findings[subject], masked(seen)
        confirmed = seen == finding.expected
        self._findings[subject] = (
            replace(finding, verdict=ConformanceVerdict.CONFIRMED, seen="")
            if confirmed
            else replace(finding, verdict=ConformanceVerdict.DIFFERS, seen=seen)
        )

    def missed(self, subject: str, why: str) -> None:
        """Record why nothing was seen, unless something was."""
        if self._findings[subject].verdict is ConformanceVerdict.NOT_REACHED:
            self._findings[subject] = replace(self._findings[subject], seen=masked(why))

    def all(self) -> tuple[ConformanceFinding, ...]:
        return tuple(self._findings.values())


def evidence(reports: Iterable[Conformance]) -> Mapping[str, ConformanceVerdict]:
    """Return CONFIRMED or DIFFERS by subject, from the newest report against AWS with today's expectation."""
    today = {expected.subject: expected.expected for expected in every()}
    verdicts: dict[str, ConformanceVerdict] = {}
    for report in sorted(reports, key=lambda report: report.day):
        for finding in report.findings if report.against == AWS else ():
            conclusive = finding.verdict in (ConformanceVerdict.CONFIRMED, ConformanceVerdict.DIFFERS)
            if conclusive and today.get(finding.subject) == finding.expected:
                verdicts[finding.subject] = finding.verdict
    return verdicts
