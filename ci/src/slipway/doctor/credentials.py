"""The AWS credentials of this machine. AWS's messages are not shown: they may repeat the signed request."""

from typing import Any

from slipway.doctor.check import DoctorOptions, SkippedError
from slipway.errors import RefusedError

_SECONDS = 2  # of silence
_SIGN_IN = "sign in (aws sso login), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def credentials(options: DoctorOptions) -> str:
    """Return the caller's ARN, with the credentials that boto3 finds; raises RefusedError."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    from slipway.release.errors import AwsRefusedError

    if options.endpoint_url is None:
        options.check_online()
    try:
        arn, account = _caller(options)
    except ClientError as error:
        raise AwsRefusedError("sts", "get_caller_identity", {"Code": error.response["Error"].get("Code")}) from error
    except (BotoCoreError, ResponseParserError, ValueError, KeyError) as error:
        # A ValueError is a malformed URL, a KeyError an answer that AWS would not give.
        raise RefusedError(
            f"AWS cannot be reached ({type(error).__name__})", "`aws sts get-caller-identity` says more"
        ) from error
    _check_account(options, arn, account)
    return arn


def _caller(options: DoctorOptions) -> tuple[str, str]:
    import boto3
    from botocore.config import Config

    settings = options.settings()
    region = next((there.region for there in settings.environments.values()), None) if settings else None
    # A stand-in for AWS must never see real keys.
    session: Any = boto3.session.Session(*(("simulated", "simulated") if options.endpoint_url else ()))
    if session.get_credentials() is None:
        raise SkippedError("there are no AWS credentials", f"{_SIGN_IN}, to plan and deploy")
    config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 1})
    region = region or session.region_name or "us-east-1"
    client = session.client("sts", region_name=region, endpoint_url=options.endpoint_url, config=config)
    caller = client.get_caller_identity()
    return caller["Arn"], caller["Account"]


def _check_account(options: DoctorOptions, arn: str, account: str) -> None:
    settings = options.settings()
    accounts = {there.account for there in settings.environments.values()} if settings else set()
    if accounts and options.endpoint_url is None and account not in accounts:
        raise RefusedError(
            f"{arn} belongs to none of the environments' accounts",
            f"choose credentials of {' or '.join(sorted(accounts))}, by AWS_PROFILE for example",
        )
