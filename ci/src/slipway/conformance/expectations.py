"""The expectations of AWS as data: App Runner's state table, and named behaviours.

Also the findings of a run about them.
The marks are M for the API model in boto3 1.44, G for the developer guide, F for field reports, † for unverified. An
expectation is the line that describes a call's outcome. NAME, ARN and ACCOUNT replace those of the probed service.
"""

from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from slipway.conformance.account import MISSHAPEN, SilentError, masked
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
        """The expectation's name in all reports."""
        return subject_of(self.call, self.state)


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """A behaviour outside the state table."""

    service: str
    subject: str
    says: str  # the line in the documentation
    mark: str
    expected: str = ""  # the outcome that the suite expects
    unseen: str = ""  # why it is invisible from outside


def subject_of(call: str, state: str) -> str:
    return f"{call} of {state}"


def cells_of(table: Mapping[str, Sequence[str]], states: Sequence[str]) -> tuple[Cell, ...]:
    """Return the cells of a state table, row by row. The first text of a row has the marks."""
    return tuple(
        Cell(call, state, expected.format(state=state), mark)
        for call, (marks, *row) in table.items()
        for state, mark, expected in zip(states, marks, row, strict=True)
    )


def cells() -> tuple[Cell, ...]:
    """Return the cells of App Runner's state table, row by row."""
    return cells_of(_TABLE, STATES)


def every() -> Iterator[ConformanceFinding]:
    """Yield all expectations, as findings without an observation."""
    for cell in cells():
        reachable = cell.state != "DELETE_FAILED"
        yield unseen(cell.subject, cell.expected, cell.mark, "" if reachable else "no caller can make a deletion fail")
    yield from unseen_of(BEHAVIOURS)


def unseen_of(behaviours: Iterable[Behaviour]) -> Iterator[ConformanceFinding]:
    """Yield the expectations of simulated behaviours, as findings without an observation."""
    for behaviour in behaviours:
        if behaviour.mark != NOT_SIMULATED:
            yield unseen(behaviour.subject, behaviour.expected or behaviour.says, behaviour.mark, behaviour.unseen)


def unseen(subject: str, expected: str, mark: str, out_of_reach: str = "") -> ConformanceFinding:
    """Return an expectation as a finding without an observation."""
    verdict = ConformanceVerdict.OUT_OF_REACH if out_of_reach else ConformanceVerdict.NOT_REACHED
    seen = out_of_reach or "the run ended before"
    return ConformanceFinding(subject=subject, expected=expected, mark=mark, verdict=verdict, seen=seen)


def _not(done: str) -> str:
    return f"InvalidStateException: Service cannot be {done} in the current state: {{state}}."


_GONE = "ResourceNotFoundException: Service with the provided ARN doesn't exist: ARN."
_DEPLOY = (
    "InvalidRequestException: Can't start a deployment on the specified service, because it isn't in RUNNING state."
)
_UPDATE, _PAUSE, _RESUME, _DELETE = map(_not, ("updated", "paused", "resumed", "deleted"))
# For each call: the marks of all states, and the outcomes in the order of STATES.
_TABLE = {
    # PAUSED: "You can't update a paused service"; which error, and its words, F of another state. CREATE_FAILED: a rebuild, since 2023-06
    "UpdateService": ("MFGM††", "begins UPDATE_SERVICE", _UPDATE, _UPDATE, "begins CREATE_SERVICE", _UPDATE, _GONE),
    # No InvalidStateException in its model; which error comes instead: F
    "StartDeployment": ("MFFF††", "begins START_DEPLOYMENT", _DEPLOY, _DEPLOY, _DEPLOY, _DEPLOY, _GONE),
    "PauseService": ("M†††††", "begins PAUSE_SERVICE", _PAUSE, SAME, _PAUSE, _PAUSE, _GONE),
    "ResumeService": ("††M†††", SAME, _RESUME, "begins RESUME_SERVICE", _RESUME, _RESUME, _GONE),
    # OPERATION_IN_PROGRESS: hashicorp/terraform-provider-aws#19840. DELETE_FAILED: "Retry the service deletion call"
    "DeleteService": ("MF†FM†", "begins DELETE_SERVICE", _DELETE, *("begins DELETE_SERVICE",) * 3, _GONE),
    "DescribeService": ("MMMMMM", *("answers, {state}",) * 6),
    "ListOperations": ("MMMMM†", *("answers",) * 6),
    "ListServices": ("MMMMM†", *("listed",) * 5, "not listed"),
}


class Unseen(str):
    """The reason why an outcome is invisible from outside."""

    __slots__ = ()


_TAKEN = "InvalidRequestException: Service with the provided name already exists: NAME."
_PLATFORM = Unseen("only the platform can cause it")
_NO_ROLE, _NO_SECRET = Unseen("the suite creates no role"), Unseen("the suite creates no secret")
_API_ONLY = Unseen("the suite calls the API only, never its services")
_NOT_PROBED = Unseen("the suite does not probe it")
# fmt: off
# Mark, subject, expected outcome, documentation; a reason instead of the outcome where nothing can be seen from outside.
_APP_RUNNER = (
    ("F", "an update without an effective change", SAME,
     "an update without an effective change: 200 and no OperationId"),
    ("F", "a failed creation", "CREATE_SERVICE FAILED, CREATE_FAILED",
     "a failed creation: operation FAILED, service CREATE_FAILED"),
    ("F", "a failed update", "UPDATE_SERVICE ROLLBACK_SUCCEEDED, RUNNING with its previous configuration",
     "a failed update: ROLLBACK_IN_PROGRESS, then ROLLBACK_SUCCEEDED; the service is RUNNING with its previous configuration"),
    ("†", "a rollback that fails", _PLATFORM,
     "a failed rollback: ROLLBACK_FAILED, and the service is RUNNING with its previous configuration"),
    ("†", "a failed resumption", Unseen("the suite would need an image that is healthy once and never again"),
     "a resumption that does not become healthy: operation FAILED, the service stays PAUSED"),
    ("F", "a name that is taken", _TAKEN,
     'names are unique among services that are not deleted: InvalidRequest "Service with the provided name already exists: NAME."'),
    ("F", "the name of a failed creation", _TAKEN,
     "the name of a failed creation stays taken"),
    ("F", "members that an update leaves out", "port and start command stay",
     "members that an update leaves out are inherited, also within ImageConfiguration"),
    ("F", "variables in an update", "SECOND alone",
     "maps of variables and secrets are replaced as a whole"),
    ("M", "the defaults of a creation", "TCP / 5 2 1 5",
     "default health check: TCP at /, every 5 seconds, timeout 2 seconds, healthy after 1 success, unhealthy after 5 failures"),
    ("M", "automatic deployments", "off",
     "automatic deployments are on by default, and off for images of ECR Public"),
    ("†", "a service that becomes unhealthy", _API_ONLY,
     "a running service that fails UnhealthyThreshold checks in a row gets no traffic (503) until HealthyThreshold succeed; its status stays RUNNING"),
    (NOT_SIMULATED, "the instance of an unhealthy service", "",
     "the instance of an unhealthy service is not replaced"),
    (NOT_SIMULATED, "a push to a tag", "",
     "a push to a tag starts no deployment here, even with automatic deployments"),
    ("G", "sizes that are read back", "256 and 512",
     'CPU and memory are returned in units: "0.25 vCPU" is 256, "0.5 GB" is 512'),
    ("G", "sizes that do not fit", "InvalidRequestException",
     "only certain pairs of CPU and memory are valid, otherwise InvalidRequest"),
    ("M", "tags", "set and changed, and no operation begins",
     "CreateService sets tags; only TagResource and UntagResource change them, at once"),
    ("M", "the order of operations", "newest first",
     "operations are listed newest first"),
    ("M", "the length of a page", "20 answered, 21 InvalidRequestException",
     "pages have 1 to 20 services or operations; without MaxResults a list is whole"),
    ("M", "auto scaling by one name", "revisions 1 and 2",
     "auto scaling, VPC connectors, observability: creating the same name again makes the next revision"),
    ("M", "auto scaling without a revision", "revision 2",
     "an ARN without a revision means the latest one"),
    ("M", "auto scaling that is deleted", "INACTIVE",
     "a deleted revision is described as INACTIVE"),
    ("†", "auto scaling that a service has", "InvalidRequestException",
     "a resource that a service uses cannot be deleted: InvalidRequest; reported for VPC connectors, assumed for the others"),
    ("†", "a paused service's address", _API_ONLY,
     "the address of a paused service answers 503"),
    ("G", "maintenance", _PLATFORM,
     "maintenance: OPERATION_IN_PROGRESS for minutes, and no operation is listed"),
    ("F", "the log of a deployment", "started with the trigger SERVICE_UPDATE, ended with RUNNING",
     "the log group /aws/apprunner/NAME/ID/service, its stream deployment/ID without dashes, and the lines in it"),
    ("†", "the triggers of other operations", "SERVICE_CREATE, MANUAL_DEPLOYMENT, SERVICE_RESUME",
     "the triggers that the log shows for creation, deployment and resumption"),
    ("F", "durations", Unseen("every run differs; the record contains the duration of the whole run"),
     "durations: 5 minutes for a creation, 2 to 5 for an update, 6 to 19 for a failed health check"),
    ("F", "a role that may not be assumed", _NO_ROLE,
     'a role that is missing or trusts another service: InvalidRequest "Error in assuming access role ARN", also on updates †'),
    ("F", "a new role", _NO_ROLE,
     "a new role is refused the same way for 90 seconds (`cloud.iam.propagation`) after its creation"),
    ("†", "an instance role that may not be assumed", _NO_ROLE,
     'the same for the instance role: "Error in assuming instance role ARN"'),
    ("M", "the source of a service", _NOT_PROBED,
     "a service cannot change from an image to code or the other way round: InvalidRequest"),
    ("M", "a quota", Unseen("the suite would have to fill the account"),
     "more than the account's quotas allow: ServiceQuotaExceeded; the numbers (`cloud.quotas`) †"),
    (NOT_SIMULATED, "secrets without an instance role", _NO_SECRET,
     "AWS refuses secrets without an instance role [F]; the simulator accepts them"),
    ("M", "references to secrets", _NO_SECRET,
     "a secret by ARN, or `ARN:KEY::` for a key of its JSON †; a parameter by ARN or by name"),
    ("†", "a secret that is going", _NO_SECRET,
     "a secret that is scheduled for deletion does not exist for a service"),
    (NOT_SIMULATED, "the rest", "",
     "source connections, private ingress, certificates of custom domains"),
)
_ECR = (
    ("M", "an image's digest", "sha256 of the manifest's bytes",
     "the digest is the sha256 of the manifest's bytes, also over the registry protocol; both use one store"),
    ("M", "the same image under the same tag", "ImageAlreadyExistsException",
     "the same image under the same tag again: ImageAlreadyExists"),
    ("M", "another image under an immutable tag", "ImageTagAlreadyExistsException, and the first stays",
     "an immutable tag is put once: ImageTagAlreadyExists, and the tag keeps its image"),
    ("†", "two at once under an immutable tag", "one put, one ImageTagAlreadyExistsException",
     "of two concurrent puts under an immutable tag one is refused: it is a compare-and-set"),
    ("M", "layers that are not there", "LayersNotFoundException",
     "missing layers: LayersNotFound"),
    ("M", "an image that is not there", "ImageNotFoundException, failure ImageNotFound",
     "a missing image: ImageNotFound; in a batch it is among the failures"),
    ("M", "tags of images", "described and listed by tag and digest",
     "DescribeImages and ListImages return the tags"),
    ("M", "a tag that is deleted", "one tag less, then none",
     "deleted by tag, an image loses that tag; deleted by digest it loses all"),
    ("M", "a repository that is made twice", "RepositoryAlreadyExistsException",
     "repository names are unique: RepositoryAlreadyExists"),
    ("M", "a repository with images", "RepositoryNotEmptyException",
     "a repository that contains images is deleted by force only: RepositoryNotEmpty"),
    ("M", "an image index", _NOT_PROBED,
     "an index needs its manifests: ReferencedImagesNotFound; they cannot be deleted before it: ImageReferencedByManifestList"),
    ("M", "tags that are excluded", _NOT_PROBED,
     "IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION: tags that a filter matches have the opposite mutability"),
    ("G", "a lifecycle policy", _NOT_PROBED,
     "images expire by the first rule that selects them; ECR evaluates a policy within 24 hours, the simulator every 24 hours"),
    ("M", "the failures of a batch", _NOT_PROBED,
     "the failures of BatchGetImage have the model's codes"),
    ("M", "the URL of a layer", _NOT_PROBED,
     "GetDownloadUrlForLayer returns a URL that needs no login; here it never expires"),
)
# fmt: on


def behaviours_of(service: str, rows: Iterable[tuple[str, str, str, str]], prefix: str = "") -> tuple[Behaviour, ...]:
    """Return the behaviours in rows of mark, subject, outcome and sentence."""
    return tuple(
        Behaviour(
            service=service,
            subject=prefix + subject,
            says=says,
            mark=mark,
            expected="" if isinstance(outcome, Unseen) else outcome,
            unseen=outcome if isinstance(outcome, Unseen) else "",
        )
        for mark, subject, outcome, says in rows
    )


BEHAVIOURS = (*behaviours_of("App Runner", _APP_RUNNER), *behaviours_of("ECR", _ECR))


class Findings:
    """The findings by subject. At first nothing is observed. Account numbers and ARNs are masked."""

    def __init__(self, expected: Iterable[ConformanceFinding]) -> None:
        self._findings: dict[str, ConformanceFinding] = {finding.subject: finding for finding in expected}

    def saw(self, subject: str, seen: str) -> None:
        """Record the account's answer in one line."""
        finding, seen = self._findings[subject], masked(seen)
        verdict = ConformanceVerdict.CONFIRMED if seen == finding.expected else ConformanceVerdict.DIFFERS
        self._findings[subject] = replace(
            finding, verdict=verdict, seen=seen if verdict is ConformanceVerdict.DIFFERS else ""
        )

    async def probe(self, subject: str, probe: Awaitable[str]) -> None:
        """Record the outcome of a probe, or why it proves nothing."""
        try:
            self.saw(subject, await probe)
        except SilentError as error:
            self.missed(subject, str(error))
        except MISSHAPEN as error:
            self.missed(subject, f"an answer of another shape: {error!r}")

    def missed(self, subject: str, why: str) -> None:
        """Record why nothing was observed, unless something was."""
        if self._findings[subject].verdict is ConformanceVerdict.NOT_REACHED:
            self._findings[subject] = replace(self._findings[subject], seen=masked(why))

    def all(self) -> tuple[ConformanceFinding, ...]:
        return tuple(self._findings.values())


def evidence(
    reports: Iterable[Conformance], expected: Iterable[ConformanceFinding] | None = None
) -> Mapping[str, ConformanceVerdict]:
    """Return CONFIRMED or DIFFERS by subject, from the newest report against AWS with the same expectation.

    The default is App Runner's.
    """
    today = {finding.subject: finding.expected for finding in expected or every()}
    verdicts: dict[str, ConformanceVerdict] = {}
    for report in sorted(reports, key=lambda report: report.day):
        for finding in report.findings if report.against == AWS else ():
            conclusive = finding.verdict in (ConformanceVerdict.CONFIRMED, ConformanceVerdict.DIFFERS)
            if conclusive and today.get(finding.subject) == finding.expected:
                verdicts[finding.subject] = finding.verdict
    return verdicts
