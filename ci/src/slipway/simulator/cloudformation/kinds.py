"""The kinds of resources, and how each is made: by the operations of the simulated account, where it has them, else only written down.

This is the seam for services that come later: when `services` has "iam", roles are really created there.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError


@dataclass(frozen=True)
class Kind:
    """How CloudFormation knows a kind [G].

    `name` is the property that names one; `fixed` are those that cannot be changed, so that another is made in its place.
    """

    name: str | None = None
    fixed: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "AWS::ECR::Repository": Kind("RepositoryName", ("RepositoryName", "EncryptionConfiguration")),
    "AWS::IAM::Role": Kind("RoleName", ("RoleName", "Path")),
    "AWS::IAM::OIDCProvider": Kind("Url", ("Url",)),
    "AWS::EC2::SecurityGroup": Kind(None, ("GroupName", "GroupDescription", "VpcId")),
    "AWS::EC2::SecurityGroupIngress": Kind(None, ("GroupId", "IpProtocol", "FromPort", "ToPort")),
    "AWS::AppRunner::VpcConnector": Kind(None, ("VpcConnectorName", "Subnets", "SecurityGroups")),
    "AWS::AppRunner::AutoScalingConfiguration": Kind(
        None, ("AutoScalingConfigurationName", "MaxConcurrency", "MinSize", "MaxSize")
    ),
    "AWS::ECS::Cluster": Kind("ClusterName", ("ClusterName",)),
    "AWS::Logs::LogGroup": Kind("LogGroupName", ("LogGroupName",)),
}

_APP_RUNNER = {
    "AWS::AppRunner::VpcConnector": "VpcConnector",
    "AWS::AppRunner::AutoScalingConfiguration": "AutoScalingConfiguration",
}


@dataclass
class Account:
    """The account in which resources are made. `named` are the names that are taken, by kind; `failing` are reasons, by logical id."""

    services: Mapping[str, Operations]
    named: set[tuple[str, str]] = field(default_factory=set)
    failing: dict[str, str] = field(default_factory=dict)

    async def make(self, logical: str, kind: str, properties: Mapping[str, Any], call: Call) -> dict[str, str]:
        """Its attributes, `Ref` among them; raises AwsError with the reason when it cannot be made."""
        if logical in self.failing:
            raise AwsError("GeneralServiceException", self.failing.pop(logical))
        if kind not in KINDS:
            raise AwsError("ValidationError", f"The simulator cannot make a resource of the kind {kind}")
        name = properties.get(KINDS[kind].name or "")
        if await self.has(kind, name, call):
            raise AwsError(
                "AlreadyExists",
                f'Resource handler returned message: "{name} already exists" (HandlerErrorCode: AlreadyExists)',
            )
        made = await self._made(kind, properties, call)
        if name:
            self.named.add((kind, name))
        return made

    async def change(self, kind: str, properties: Mapping[str, Any], call: Call) -> None:
        """What can be changed without another in its place."""
        if kind == "AWS::IAM::Role":
            await self._put_policies(properties, call)

    async def unmake(self, kind: str, properties: Mapping[str, Any], made: Mapping[str, str], call: Call) -> None:
        self.named.discard((kind, properties.get(KINDS[kind].name or "", "")))
        if noun := _APP_RUNNER.get(kind):
            await self._asked("apprunner", f"Delete{noun}", {f"{noun}Arn": made["Ref"]}, call)
        elif kind == "AWS::IAM::Role":
            await self._asked("iam", "DeleteRole", {"RoleName": made["Ref"]}, call)

    async def has(self, kind: str, name: str | None, call: Call) -> bool:
        """Whether somebody has made one of this name."""
        if name and kind == "AWS::ECR::Repository":
            try:
                await self.services["ecr"]["DescribeRepositories"]({"repositoryNames": [name]}, call)
            except AwsError:
                return False
            return True
        return name is not None and (kind, name) in self.named

    async def adopt(self, kind: str, properties: Mapping[str, Any], call: Call) -> dict[str, str]:
        """The attributes of one that is there already."""
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
        if kind == "AWS::IAM::Role":
            trust = json.dumps(properties["AssumeRolePolicyDocument"])
            request = {"RoleName": properties["RoleName"], "AssumeRolePolicyDocument": trust}
            await self._asked("iam", "CreateRole", request, call)
            await self._put_policies(properties, call)
        return _attributes(kind, properties, call)

    async def _put_policies(self, properties: Mapping[str, Any], call: Call) -> None:
        for policy in properties.get("Policies", []):
            named = {"RoleName": properties["RoleName"], "PolicyName": policy["PolicyName"]}
            document = {"PolicyDocument": json.dumps(policy["PolicyDocument"])}
            await self._asked("iam", "PutRolePolicy", named | document, call)

    async def _asked(self, service: str, operation: str, request: Mapping[str, Any], call: Call) -> None:
        """Of a service that may not be there, or may not know the operation."""
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
    """What CloudFormation tells of a resource; one that has no name is given one."""
    name = properties.get(KINDS[kind].name or "") or uuid.uuid4().hex[:17]
    words = {
        "name": name,
        "host": name.removeprefix("https://"),
        "region": call.region,
        "account": call.account,
        "place": f"{call.region}:{call.account}",
    }
    return {key: pattern.format(**words) for key, pattern in _ATTRIBUTES[kind].items()}
