"""Trust in GitHub's jobs: whole subjects, one per branch or per environment."""

from typing import Any

from slipway.release.cloudformation import Resource, retained
from slipway.settings import Github, Subjects

_ISSUER = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"


def oidc_provider() -> Resource:
    """Return the account's provider for GitHub; it outlives its stack, because other services of the account may use it."""
    why = "GitHub tells AWS where a job runs, so no AWS key is stored in GitHub"
    return retained("AWS::IAM::OIDCProvider", why, {"Url": f"https://{_ISSUER}", "ClientIdList": [_AUDIENCE]})


def trusts_branch(github: Github, account: str) -> dict[str, Any]:
    """Return the trust policy for jobs without a GitHub environment."""
    return _trust(github, account, f"ref:refs/heads/{github.branch}")


def trusts_environment(github: Github, account: str, environment: str) -> dict[str, Any]:
    """Return the trust policy for jobs of one GitHub environment, which admits them by its own rules."""
    return _trust(github, account, f"environment:{environment}")


def _trust(github: Github, account: str, where: str) -> dict[str, Any]:
    provider = (
        github.oidc_provider or f"arn:aws:iam::{account}:oidc-provider/{_ISSUER}"
    )  # the same wherever it was made
    subjects = [f"repo:{repository}:{where}" for repository in _repositories(github)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{_ISSUER}:aud": _AUDIENCE, f"{_ISSUER}:sub": subjects}},
            }
        ],
    }


def _repositories(github: Github) -> list[str]:
    """Return the trusted forms of the repository's name. GitHub never reuses a number; a name can be."""
    owner, _, name = github.repository.partition("/")
    bare = f"{owner.partition('@')[0]}/{name.partition('@')[0]}"
    if github.subjects is Subjects.NUMBERS:
        return [github.repository]
    return list(dict.fromkeys((github.repository, bare)))
