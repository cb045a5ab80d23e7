"""The kinds of resources: created through the account's own operations where it has them, otherwise only recorded.

A service added later fits in here: when `services` has "iam", roles are really created there.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.simulator.cloudformation.stack import StackResource
from slipway.simulator.contract import AwsError, Call, Operations


@dataclass(frozen=True)
class ResourceKind:
    """A kind of resource in CloudFormation [G]."""

    name: str | None = None  # the property with its name
    fixed: tuple[str, ...] = ()  # properties whose change replaces the resource


KINDS: Mapping[str, ResourceKind] = {
    "AWS::ECR::Repository": ResourceKind("RepositoryName", ("RepositoryName", "EncryptionConfiguration")),
    "AWS::IAM::Role": ResourceKind("RoleName", ("RoleName", "Path")),
    "AWS::IAM::OIDCProvider": ResourceKind("Url", ("Url",)),
    "AWS::EC2::SecurityGroup": ResourceKind(None, ("GroupName", "GroupDescription", "VpcId")),
    "AWS::EC2::SecurityGroupIngress": ResourceKind(None, ("GroupId", "IpProtocol", "FromPort", "ToPort")),
    "AWS::AppRunner::VpcConnector": ResourceKind(None, ("VpcConnectorName", "Subnets", "SecurityGroups")),
    "AWS::AppRunner::AutoScalingConfiguration": ResourceKind(
        None, ("AutoScalingConfigurationName", "MaxConcurrency", "MinSize", "MaxSize")
    ),
    "AWS::ECS::Cluster": ResourceKind("ClusterName", ("ClusterName",)),
    "AWS::Logs::LogGroup": ResourceKind("LogGroupName", ("LogGroupName",)),
}

_APP_RUNNER = {
    "AWS::AppRunner::VpcConnector": "VpcConnector",
    "AWS::AppRunner::AutoScalingConfiguration": "AutoScalingConfiguration",
}


@dataclass
class SimulatedResources:
    """The resources in the account, created and deleted for stacks."""

    services: Mapping[str, Operations]
    named: set[tuple[str, str]] = field(default_factory=set)  # taken names, with their kinds
    failing: dict[str, str] = field(default_factory=dict)  # scripted reasons, by logical id

    async def make(self, logical: str, kind: str, properties: Mapping[str, Any], call: Call) -> dict[str, str]:
        """Create a resource and return its attributes, `Ref` included; raises AwsError."""
        if logical in self.failing:
            raise AwsError("GeneralServiceException", self.failing.pop(logical))
        if kind not in KINDS:
            raise AwsError("ValidationError", f"The simulator cannot create a resource of the kind {kind}")
        name = properties.get(KINDS[kind].name or "")
        if await self.has(kind, name, call):
            message = f'Resource handler returned message: "{name} already exists" (HandlerErrorCode: AlreadyExists)'
            raise AwsError("AlreadyExists", message)
        made = await self._made(kind, properties, call)
        if name:
            self.named.add((kind, name))
        return made

    async def change(self, kind: str, properties: Mapping[str, Any], call: Call) -> None:
        """Update a resource in place."""
        if kind == "AWS::IAM::Role":
            await self._put_policies(properties, call)
        if kind == "AWS::ECR::Repository":
            mutability = {"imageTagMutability": properties.get("ImageTagMutability", "MUTABLE")}
            named = {"repositoryName": properties["RepositoryName"]}
            await self.services["ecr"]["PutImageTagMutability"](named | mutability, call)
            await self._put_lifecycle(properties, call)

    async def unmake(self, resource: StackResource, call: Call) -> None:
        self.named.discard((resource.kind, resource.properties.get(KINDS[resource.kind].name or "", "")))
        if noun := _APP_RUNNER.get(resource.kind):
            await self._perform("apprunner", f"Delete{noun}", {f"{noun}Arn": resource.made["Ref"]}, call)
        elif resource.kind == "AWS::IAM::Role":
            await self._perform("iam", "DeleteRole", {"RoleName": resource.made["Ref"]}, call)

    async def has(self, kind: str, name: str | None, call: Call) -> bool:
        """Return whether a resource of this kind and name exists."""
        if name and kind == "AWS::ECR::Repository":
            try:
                await self.services["ecr"]["DescribeRepositories"]({"repositoryNames": [name]}, call)
            except AwsError:
                return False
            return True
        return name is not None and (kind, name) in self.named

    async def adopt(self, kind: str, properties: Mapping[str, Any], call: Call) -> dict[str, str]:
        """Return the attributes of an existing resource."""
        return _attributes(kind, properties, call)

    async def _made(self, kind: str, properties: Mapping[str, Any], call: Call) -> dict[str, str]:
        if noun := _APP_RUNNER.get(kind):
            request = {key: value for key, value in properties.items() if key != "Tags"}
            answer = await self.services["apprunner"][f"Create{noun}"](request, call)
            arn = answer[noun][f"{noun}Arn"]
            return {"Ref": arn, f"{noun}Arn": arn, f"{noun}Revision": str(answer[noun][f"{noun}Revision"])}
        if kind == "AWS::ECR::Repository":
            request = {
                "repositoryName": properties["RepositoryName"],
                "imageTagMutability": properties.get("ImageTagMutability", "MUTABLE"),
            }
            await self.services["ecr"]["CreateRepository"](request, call)
            await self._put_lifecycle(properties, call)
        if kind == "AWS::IAM::Role":
            trust = json.dumps(properties["AssumeRolePolicyDocument"])
            request = {"RoleName": properties["RoleName"], "AssumeRolePolicyDocument": trust}
            await self._perform("iam", "CreateRole", request, call)
            await self._put_policies(properties, call)
        return _attributes(kind, properties, call)

    async def _put_lifecycle(self, properties: Mapping[str, Any], call: Call) -> None:
        if policy := properties.get("LifecyclePolicy"):
            named = {"repositoryName": properties["RepositoryName"]}
            text = {"lifecyclePolicyText": policy["LifecyclePolicyText"]}
            await self.services["ecr"]["PutLifecyclePolicy"](named | text, call)

    async def _put_policies(self, properties: Mapping[str, Any], call: Call) -> None:
        for policy in properties.get("Policies", []):
            named = {"RoleName": properties["RoleName"], "PolicyName": policy["PolicyName"]}
            document = {"PolicyDocument": json.dumps(policy["PolicyDocument"])}
            await self._perform("iam", "PutRolePolicy", named | document, call)

    async def _perform(self, service: str, operation: str, request: Mapping[str, Any], call: Call) -> None:
        """Perform an operation if the account has it."""
        if perform := self.services.get(service, {}).get(operation):
            await perform(request, call)


_ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "AWS::ECR::Repository": {
        "Ref": "{name}",
        "Arn": "arn:aws:ecr:{place}:repository/{name}",
        "RepositoryUri": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
    },
    "AWS::IAM::Role": {"Ref": "{name}", "Arn": "arn:aws:iam::{account}:role/{name}"},
    "AWS::IAM::OIDCProvider": {
        "Ref": "arn:aws:iam::{account}:oidc-provider/{host}",
        "Arn": "arn:aws:iam::{account}:oidc-provider/{host}",
    },
    "AWS::EC2::SecurityGroup": {"Ref": "sg-{name}", "GroupId": "sg-{name}"},
    "AWS::EC2::SecurityGroupIngress": {"Ref": "sgr-{name}", "Id": "sgr-{name}"},
    "AWS::ECS::Cluster": {"Ref": "{name}", "Arn": "arn:aws:ecs:{place}:cluster/{name}"},
    "AWS::Logs::LogGroup": {"Ref": "{name}", "Arn": "arn:aws:logs:{place}:log-group:{name}:*"},
}


def _attributes(kind: str, properties: Mapping[str, Any], call: Call) -> dict[str, str]:
    """Build a resource's attributes; an unnamed one gets a generated name."""
    name = properties.get(KINDS[kind].name or "") or uuid.uuid4().hex[:17]
    parts = {
        "name": name,
        "host": name.removeprefix("https://"),
        "region": call.region,
        "account": call.account,
        "place": f"{call.region}:{call.account}",
    }
    return {key: pattern.format(**parts) for key, pattern in _ATTRIBUTES[kind].items()}
