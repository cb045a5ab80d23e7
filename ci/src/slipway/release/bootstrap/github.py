"""Whom in GitHub a role trusts: whole subjects, one for a branch or one for an environment."""

from typing import Any

from slipway.settings import Github, Subjects

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"


def provider(github: Github, account: str) -> str:
    """The ARN of the account's provider for GitHub; it is the same wherever it was made."""
    return github.oidc_provider or f"arn:aws:iam::{account}:oidc-provider/{ISSUER}"


def trusts_branch(github: Github, account: str) -> dict[str, Any]:
    """For the jobs without an environment."""
    return _trust(github, account, f"ref:refs/heads/{github.branch}")


def trusts_environment(github: Github, account: str, environment: str) -> dict[str, Any]:
    """For the jobs of one environment, which GitHub lets in by the environment's own rules."""
    return _trust(github, account, f"environment:{environment}")


def repositories(github: Github) -> list[str]:
    """The forms of the repository's name that are trusted; numbers are never given to anybody else, names are."""
    owner, _, name = github.repository.partition("/")
    bare = f"{owner.partition('@')[0]}/{name.partition('@')[0]}"
    if github.subjects is Subjects.NUMBERS:
        return [github.repository]
    return list(dict.fromkeys((github.repository, bare)))


def _trust(github: Github, account: str, where: str) -> dict[str, Any]:
    subjects = [f"repo:{repository}:{where}" for repository in repositories(github)]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider(github, account)},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": subjects}},
            }
        ],
    }
