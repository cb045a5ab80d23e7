"""The resources of a template, as CloudFormation writes them; each says why it is there."""

import json
from collections.abc import Mapping
from typing import Any

from slipway.release.bootstrap.github import AUDIENCE, ISSUER
from slipway.release.engine.ledger import PREFIX

Resource = dict[str, Any]
_MOST_IMAGES = 100_000  # no repository has more, so that nothing is ever too many
_EXPENDABLE = "try."
_EXPENDABLE_DAYS = 14


def resource(kind: str, why: str, properties: Mapping[str, Any], **attributes: Any) -> Resource:
    return {"Type": kind, "Metadata": {"Why": why}, **attributes, "Properties": dict(properties)}


def repository(name: str) -> Resource:
    """It outlives its stack: it has the images, and the ledger."""
    properties = {
        "RepositoryName": name,
        "ImageTagMutability": "IMMUTABLE",
        "ImageScanningConfiguration": {"ScanOnPush": True},
        "LifecyclePolicy": {"LifecyclePolicyText": json.dumps(lifecycle(), separators=(",", ":"))},
    }
    why = "the images, and the ledger of deployments: a tag is put once, so that two deployments cannot both have a number"
    return resource("AWS::ECR::Repository", why, properties, DeletionPolicy="Retain", UpdateReplacePolicy="Retain")


def lifecycle() -> dict[str, Any]:
    """Only what was named expendable expires.

    A policy knows ages, numbers and tags, and not what is live: any rule that counts could take the digest that has answered for a year.
    What a rule matches cannot be expired by one that comes after it [G]: the first keeps the ledger, whatever is added later.
    """
    return {
        "rules": [
            _rule(1, "the ledger is kept", PREFIX, {"countType": "imageCountMoreThan", "countNumber": _MOST_IMAGES}),
            _rule(
                2,
                "what was only tried is not",
                _EXPENDABLE,
                {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": _EXPENDABLE_DAYS},
            ),
        ]
    }


def oidc_provider() -> Resource:
    """Other services of the account may use it too: it outlives its stack."""
    return resource(
        "AWS::IAM::OIDCProvider",
        "GitHub tells AWS where a job runs; no key of AWS is kept in GitHub",
        {"Url": f"https://{ISSUER}", "ClientIdList": [AUDIENCE]},
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )


def role(name: str, why: str, trust: Mapping[str, Any], policy: Mapping[str, Any] | None) -> Resource:
    policies = {"Policies": [{"PolicyName": "slipway", "PolicyDocument": policy}]} if policy else {}
    return resource("AWS::IAM::Role", why, {"RoleName": name, "AssumeRolePolicyDocument": trust, **policies})


def trusts_service(principal: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _rule(priority: int, why: str, prefix: str, count: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": why,
        "selection": {"tagStatus": "tagged", "tagPrefixList": [prefix], **count},
        "action": {"type": "expire"},
    }
