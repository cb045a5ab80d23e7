"""Every known difference between moto and the simulator, with its explanation."""

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase


class Cause(Enum):
    """Which side differs from AWS."""

    MOTO_WRONG = "moto differs from AWS"
    MOTO_LACKS = "moto does not have it"
    NARROWER = "the simulator returns less than AWS"
    DESIGN = "the simulator differs on purpose"


@dataclass(frozen=True)
class Known:
    """A known difference; steps and paths are patterns as of `fnmatch`."""

    service: str
    step: str
    path: str
    cause: Cause
    why: str

    def explains(self, service: str, step: str, path: str) -> bool:
        return service == self.service and fnmatchcase(step, self.step) and fnmatchcase(path, self.path)


WRONG, LACKS, NARROWER, DESIGN = Cause
_CHANGES = "moto compares no change set with the stack"
_ANY = "*"
KNOWN = (
    Known("sts", _ANY, "Arn", DESIGN, "the simulator's caller is its own user"),
    Known("ssm", _ANY, "Parameters.*.ARN", LACKS, "ParameterMetadata has an ARN"),
    Known("ssm", _ANY, "Parameters.*.Tier", NARROWER, "every parameter is of the standard tier"),
    Known("ssm", _ANY, "Parameters.*.LastModifiedUser", NARROWER, "there is one user"),
    Known("ssm", _ANY, "Parameters.*.KeyId", NARROWER, "keys are not simulated"),
    Known("ssm", "a parameter is read encrypted", "Parameter.Value", DESIGN, "neither value has AWS's form"),
    Known("ssm", "an absent parameter is *", "message", WRONG, "AWS sends no message with ParameterNotFound"),
    Known("ssm", "a parameter with a bad name", _ANY, WRONG, "AWS refuses a hierarchy without a leading slash"),
    Known("secretsmanager", _ANY, "*VersionsToStages.<id>", WRONG, "AWS lists versions with a label only [M]"),
    Known("secretsmanager", "a scheduled secret is *", "message", WRONG, "moto's message contains its own layout"),
    Known("secretsmanager", "a scheduled secret is changed", _ANY, WRONG, "AWS refuses to change it [M]"),
    Known("secretsmanager", "a scheduled secret is created again", _ANY, WRONG, "AWS says that deletion is scheduled"),
    Known("secretsmanager", "a restored secret is read", "SecretString", WRONG, "the change that moto accepted"),
    Known("iam", _ANY, "Role.RoleLastUsed", NARROWER, "the use of roles is not recorded"),
    Known("iam", "a role without a policy", _ANY, WRONG, "AWS refuses a policy that is not JSON"),
    Known("iam", "a role with a bad policy", _ANY, WRONG, "moto has accepted the role of the step before"),
    Known("iam", "an absent role*", "message", WRONG, "AWS: The role with name … cannot be found."),
    Known("iam", "a bad policy is refused", "message", DESIGN, "the message is unverified on both sides"),
    Known("logs", "groups by prefix", "logGroups.*", NARROWER, "creation time, size and filters are not kept"),
    Known("logs", "streams", "logStreams.*", NARROWER, "sizes, ARN and sequence token are not kept"),
    Known("logs", "events of an absent stream", "message", WRONG, "the group exists, the stream does not"),
    Known("logs", _ANY, "searchedLogStreams*", WRONG, "the list is always empty today [M]"),
    Known("ecr", "a token", "*.proxyEndpoint", DESIGN, "the simulator's registry is at its own address"),
    Known("ecr", _ANY, "repositor*.encryptionConfiguration.*", NARROWER, "encryption is not simulated"),
    Known("ecr", _ANY, "repositor*.imageScanningConfiguration.*", NARROWER, "scanning is not simulated"),
    Known("ecr", "an upload starts", "partSize", DESIGN, "AWS documents no size; 20 MiB has been observed"),
    Known("ecr", "layers are checked", "layers.0.mediaType", NARROWER, "media types of layers are not kept"),
    Known("ecr", "layers are checked", "layers.1.*", WRONG, "AWS reports a missing layer as UNAVAILABLE [M]"),
    Known("ecr", "layers are checked", "failures*", WRONG, "AWS reports a missing layer as UNAVAILABLE [M]"),
    Known("ecr", "a layer's URL", _ANY, LACKS, "GetDownloadUrlForLayer"),
    Known("ecr", "an immutable tag is moved", _ANY, WRONG, "AWS: ImageTagAlreadyExistsException [M]"),
    Known("ecr", "an image is put into an absent repository", _ANY, WRONG, "moto crashes"),
    Known("ecr", "text instead of a manifest", _ANY, WRONG, "moto crashes"),
    Known("ecr", "an image without its config", _ANY, WRONG, "AWS: LayersNotFoundException [M]"),
    Known("ecr", "an image under another digest", _ANY, WRONG, "AWS: ImageDigestDoesNotMatchException [M]"),
    Known("ecr", "image*", "imageDetails.*.artifactMediaType", LACKS, "artifactMediaType"),
    Known("ecr", "an image is described by *", "imageDetails.*.artifactMediaType", LACKS, "artifactMediaType"),
    Known("ecr", "an image is got by *", "images.*.imageTag", WRONG, "AWS returns the tag that was asked for"),
    Known("ecr", "an absent image is got by *", _ANY, WRONG, "moto knows one failure code only"),
    Known("ecs", "a cluster is created*", "cluster.*", NARROWER, "counts and settings of clusters are not simulated"),
    Known("ecs", _ANY, "tags*", LACKS, "the tags of a registered definition"),
    Known("ecs", _ANY, "taskDefinition.*.systemControls", LACKS, "the default of systemControls"),
    Known("ecs", _ANY, "taskDefinition.*registeredAt", LACKS, "times of definitions"),
    Known("ecs", "sizes that do not fit", _ANY, WRONG, "Fargate accepts certain pairs of CPU and memory only"),
    Known("ecs", "definitions are listed newest first", "taskDefinitionArns.*", WRONG, "moto ignores sort"),
    Known("ecs", "a task of an absent definition", "message", DESIGN, "RunTask's message, as users report it [F]"),
    Known("ecs", "a task of a deregistered revision", _ANY, WRONG, "AWS: ClientException, TaskDefinition is inactive"),
    Known("ecs", "a client token starts no second task", _ANY, WRONG, "moto ignores clientToken"),
    Known("ecs", "an absent task is stopped", _ANY, WRONG, "moto crashes"),
    Known("ecs", "an absent task is described", "failures*", WRONG, "AWS: a failure with the reason MISSING"),
    Known("ecs", "an absent definition is deregistered", "message", DESIGN, "the message is unverified"),
    Known("ecs", "a*task*", "task*.attachments.*", NARROWER, "network interfaces are not simulated"),
    Known("ecs", "a*task*", "task*.containers.*", WRONG, "moto's containers have fixed states and ARNs"),
    Known("ecs", "a task is started", "tasks.0.lastStatus", WRONG, "a Fargate task starts as PROVISIONING"),
    Known("ecs", "a task is stopped", "task.lastStatus", WRONG, "a running task is not STOPPED at once"),
    Known("ecs", "a*task*", "task*.stoppedReason", WRONG, "a task that has not stopped has no reason"),
    Known("ecs", "a*task*", "task*.stop*", LACKS, "stopCode and stoppedAt"),
    Known("ecs", "a*task*", "task*.*At", LACKS, "times of tasks"),
    Known("ecs", "a*task*", "task*.cpu", LACKS, "sizes of tasks"),
    Known("ecs", "a*task*", "task*.memory", LACKS, "sizes of tasks"),
    Known("ecs", "a*task*", "task*.tags", DESIGN, "the simulator returns an empty list"),
    Known("cloudformation", "a change set of an invalid template", _ANY, WRONG, "moto crashes"),
    Known("cloudformation", "a reference to nothing", _ANY, WRONG, "AWS refuses the template"),
    Known("cloudformation", "capabilities are missing", _ANY, WRONG, "AWS: InsufficientCapabilitiesException [M]"),
    Known("cloudformation", "an absent stack is updated", "message", DESIGN, "the message is unverified"),
    Known("cloudformation", "*described", "*Capabilities*", LACKS, "acknowledged capabilities"),
    Known("cloudformation", "a stack in review", "*Capabilities", DESIGN, "the simulator returns an empty list"),
    Known("cloudformation", "a stack in review", "*Outputs", DESIGN, "the simulator returns an empty list"),
    Known("cloudformation", "*described", "NotificationARNs", NARROWER, "notifications are not simulated"),
    Known("cloudformation", _ANY, "Stacks.*.DriftInformation.*", LACKS, "whether a stack was checked"),
    Known("cloudformation", "a*described", "*.ResourceChange.*", LACKS, "details of changes"),
    Known("cloudformation", "a*stack is described", "Stacks.*.Outputs*", LACKS, "outputs of a change set's template"),
    Known("cloudformation", "an updated stack is described", "Stacks.*.Outputs*", LACKS, "outputs of a change set"),
    Known("cloudformation", "an updated stack is described", "*StackStatus", WRONG, _CHANGES),
    Known("cloudformation", "a stack's events", "StackEvents.*", WRONG, "moto records no events of resources"),
    Known("cloudformation", "a stack is created twice", _ANY, WRONG, "AWS: AlreadyExistsException [M]"),
    Known("cloudformation", "a change set without changes is *", _ANY, WRONG, _CHANGES),
    Known("cloudformation", "an absent change set is deleted", _ANY, WRONG, "moto crashes"),
    Known("cloudformation", "an update is *", _ANY, WRONG, _CHANGES),
)
