"""All commands, in the order of help and reference pages, and the functions that only Dagger has."""

from slipway.commands import account, adopt, machine, prove, release, service
from slipway.commands.command import AwsAccess, Command, Group

_GROUPS = (adopt, prove, release, service, account, machine)
COMMANDS = tuple(each for module in _GROUPS for each in vars(module).values() if isinstance(each, Command))


def _function(name: str, sentence: str, cache: str = "") -> Command:
    """Describe a function that needs a container engine and is therefore no command."""
    return Command(name=name, group=Group.ENGINE, sentence=sentence, cache=cache)


FUNCTIONS = (
    *COMMANDS,
    _function("image", "Build the service's image: small, non-root, reproducible, on pinned bases"),
    _function(
        "cli",
        "Build the image of the command slipway, with Postgres, git and uv, for CI systems that run jobs in containers",
    ),
    _function("sbom", "Write what the lock pins as a reproducible CycloneDX 1.5 document"),
    Command(
        name="publish",
        group=Group.ENGINE,
        sentence="Build the image, check its health, push it with its bill of materials, and return repository@sha256:…",
        access=AwsAccess.CHANGES,
        permissions=("publish",),
    ),
    _function(
        "migrations",
        "Fail if the gate refuses the migrations; the run is the same as that of the function gate",
        "session",
    ),
    _function("smoke", "Fail if the image does not become healthy beside a migrated database"),
    _function("lint", "Run the service's own lint, as [tool.slipway.checks] configures it"),
    _function("types", "Check the service's types, as [tool.slipway.checks] configures it"),
    _function(
        "tests", "Run the service's tests beside a Postgres of their own, as [tool.slipway.checks] configures them"
    ),
    _function("format", "Format the service's files, as [tool.slipway.checks] configures it, and return the changes"),
    _function(
        "fix", "Fix what the linter can fix by itself, as [tool.slipway.checks] configures it, and return the changes"
    ),
    _function("lock", "Update uv.lock for pyproject.toml and return the change", "never"),
    _function(
        "revision",
        "Generate a revision from the models on a Postgres at the head, test it with the gate, and return the change",
        "never",
    ),
    _function("service", "Run the service on its port beside a migrated Postgres", "never"),
    _function(
        "database",
        "Run the Postgres of the function `service` on port 15432, and print its URL, with a generated password",
        "never",
    ),
    _function("environment", "Open one environment, to deploy to it and to read it"),
)
