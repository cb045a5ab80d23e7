"""The webhook that is called at the end of a deployment. Its failure does not change the outcome."""

import re
from typing import Final

import httpx

from slipway.environment.opened import OpenEnvironment
from slipway.errors import BadInputError, SlipwayError
from slipway.oci.registry import certificates
from slipway.records.outcome import Outcome, Status
from slipway.records.progress import Event, Tell
from slipway.release.aws.references import value_of
from slipway.report.webhook import of_outcome

_SECONDS: Final = 10
_URL: Final = re.compile(r"https://\S+|http://(?:127\.0\.0\.1|localhost)[:/]\S*")


async def announce(environment: OpenEnvironment, outcome: Outcome, tell: Tell, holder: str) -> None:
    """Post an outcome to the environment's webhook, if it has one. Report a failure as an event, without the URL."""
    reference = environment.own_settings.webhook
    if reference is None or outcome.status is Status.NOOP:
        return
    try:
        url = (await value_of(environment.aws, reference)).strip()
        if not _URL.fullmatch(url):
            raise BadInputError(
                "its secret holds no URL that begins with https://",
                f"store one: aws secretsmanager put-secret-value --secret-id {reference} --secret-string file://FILE",
            )
        async with httpx.AsyncClient(timeout=_SECONDS, verify=certificates()) as client:
            answer = await client.post(url, json={"text": of_outcome(outcome, holder)})
    except SlipwayError as error:
        tell(Event(f"the webhook was not called: {error}"))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        tell(Event(f"the webhook does not answer ({type(error).__name__})"))
    else:
        if not answer.is_success:
            tell(Event(f"the webhook answers with {answer.status_code}"))
