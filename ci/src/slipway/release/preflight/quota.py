"""ECR's quota of images in a repository. A full repository accepts neither images nor records of the ledger.

Counting takes a call for each thousand images, so a rollback leaves it out.
"""

from collections.abc import Mapping

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import ServiceSpec
from slipway.release.errors import or_absent
from slipway.release.preflight.checking import Checker
from slipway.release.preflight.checks import Checks, covered, not_covered, ok
from slipway.settings.service import ledger_repository

MOST = 100_000  # images in a repository; the default, which AWS can raise for an account [G]
_NEARLY = 0.9
_RAISE = "aws service-quotas request-service-quota-increase --service-code ecr --quota-code L-03A36CE1 --desired-value"


async def _checks_of_repositories(aws: Aws, spec: ServiceSpec) -> Checks:
    """Count the images in the service's repository, and the records in the environment's ledger."""
    name = spec.image.repository.partition("/")[2]
    images = await covered("images", _counted(aws, "images", name))
    return *images, *await covered("ledger", _counted(aws, "ledger", ledger_repository(name, spec.environment)))


async def _counted(aws: Aws, subject: str, repository: str) -> Checks:
    number = await or_absent(_images(aws, repository), "RepositoryNotFoundException")
    return () if number is None else (_judged(subject, repository, number),)


async def _images(aws: Aws, repository: str) -> int:
    """Return the number of images. ECR lists an image once for each of its tags."""
    images = aws.items("ecr", "list_images", "imageIds", repositoryName=repository, maxResults=1000)
    return len({image["imageDigest"] async for image in images})


def _judged(subject: str, repository: str, number: int) -> Check:
    """Warn above nine tenths of the default quota. Do not refuse, because the account may have a higher quota."""
    found = f"images in {repository}: {number}, and ECR's default quota is {MOST}"
    if number <= _NEARLY * MOST:
        return ok(subject, found)
    fewer = "delete images that no release needs, or " if subject == "images" else ""
    return not_covered(subject, f"{found}; {fewer}ask for a higher one: {_RAISE} {2 * MOST}")


CHECKERS: Mapping[str, Checker] = {"repositories": _checks_of_repositories}
