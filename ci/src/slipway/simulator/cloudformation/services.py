"""Kinds of resources whose service is simulated. They are created in the service, and read from it."""

import json
import secrets
import string
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations
from slipway.simulator.databases import Databases, check_change
from slipway.simulator.resources import Model, Resources


def failure(code: str, message: str) -> AwsError:
    """Return the error of a handler in CloudFormation's words [F]."""
    return AwsError(code, f'Resource handler returned message: "{message}" (HandlerErrorCode: {code})')


class ServiceHandler:
    """The handler of a kind whose resources exist only in CloudFormation's simulated state."""

    def __init__(self, services: Mapping[str, Operations], resources: Resources, databases: Databases) -> None:
        self._services = services
        self._resources = resources
        self._databases = databases

    async def create(self, model: Model, call: Call) -> Model:  # noqa: ARG002 -- kinds with a service override it
        """Create the resource, and return the attributes that the service sets."""
        return {}

    async def read(self, identifier: str, model: Model | None, call: Call) -> Model | None:  # noqa: ARG002 -- likewise
        return model

    async def update(self, before: Model, after: Model, call: Call) -> None:
        """Change the resource in place."""

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None: ...

    async def _ask(self, service: str, operation: str, call: Call, **request: Any) -> Mapping[str, Any]:
        """Call an operation of the account. Its errors become the handler's."""
        try:
            return await self._services[service][operation](request, call)
        except AwsError as error:
            raise failure("GeneralServiceException", error.message) from error

    async def _found(self, service: str, operation: str, call: Call, **request: Any) -> Mapping[str, Any] | None:
        """Call an operation. Return None when it fails, which is how services report that a resource does not exist."""
        try:
            return await self._services[service][operation](request, call)
        except AwsError:
            return None


class _Repository(ServiceHandler):
    async def create(self, model: Model, call: Call) -> Model:
        tags = model.get("Tags", [])
        mutability = model.get("ImageTagMutability", "MUTABLE")
        named = {"repositoryName": model["RepositoryName"]}
        await self._ask("ecr", "CreateRepository", call, **named, imageTagMutability=mutability, tags=tags)
        await self._put_lifecycle({}, model, call)
        return {}

    async def read(self, identifier: str, model: Model | None, call: Call) -> Model | None:
        found = await self._found("ecr", "DescribeRepositories", call, repositoryNames=[identifier])
        if found is None:
            return None
        policy = await self._found("ecr", "GetLifecyclePolicy", call, repositoryName=identifier)
        (description,) = found["repositories"]
        live = {key: value for key, value in (model or {}).items() if key != "LifecyclePolicy"}
        live |= {"RepositoryName": identifier, "ImageTagMutability": description["imageTagMutability"]}
        return live | ({"LifecyclePolicy": {"LifecyclePolicyText": policy["lifecyclePolicyText"]}} if policy else {})

    async def update(self, before: Model, after: Model, call: Call) -> None:
        mutability = after.get("ImageTagMutability", "MUTABLE")
        named = {"repositoryName": after["RepositoryName"]}
        await self._ask("ecr", "PutImageTagMutability", call, **named, imageTagMutability=mutability)
        await self._put_lifecycle(before, after, call)

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None:  # noqa: ARG002 -- it has none
        force = model.get("EmptyOnDelete", False)
        await self._ask("ecr", "DeleteRepository", call, repositoryName=model["RepositoryName"], force=force)

    async def _put_lifecycle(self, before: Model, after: Model, call: Call) -> None:
        named = {"repositoryName": after["RepositoryName"]}
        if policy := after.get("LifecyclePolicy"):
            await self._ask(
                "ecr", "PutLifecyclePolicy", call, **named, lifecyclePolicyText=policy["LifecyclePolicyText"]
            )
        elif before.get("LifecyclePolicy"):
            await self._ask("ecr", "DeleteLifecyclePolicy", call, **named)


class _Role(ServiceHandler):
    async def create(self, model: Model, call: Call) -> Model:
        trust = json.dumps(model["AssumeRolePolicyDocument"])
        own = {key: model[key] for key in ("Path", "Tags") if key in model}
        made = await self._ask(
            "iam", "CreateRole", call, RoleName=model["RoleName"], AssumeRolePolicyDocument=trust, **own
        )
        await self._put_policies({}, model, call)
        return {"Arn": made["Role"]["Arn"], "RoleId": made["Role"]["RoleId"]}

    async def read(self, identifier: str, model: Model | None, call: Call) -> Model | None:
        roles = (await self._ask("iam", "ListRoles", call, MaxItems=1000))["Roles"]
        if identifier not in (role["RoleName"] for role in roles):
            return None
        named = {"RoleName": identifier}
        role = (await self._ask("iam", "GetRole", call, **named))["Role"]
        inline = (await self._ask("iam", "ListRolePolicies", call, **named))["PolicyNames"]
        managed = (await self._ask("iam", "ListAttachedRolePolicies", call, **named))["AttachedPolicies"]
        policies = [await self._ask("iam", "GetRolePolicy", call, **named, PolicyName=name) for name in inline]
        return (model or {}) | {
            "RoleName": identifier,
            "Arn": role["Arn"],
            "AssumeRolePolicyDocument": _document(role["AssumeRolePolicyDocument"]),
            "ManagedPolicyArns": [each["PolicyArn"] for each in managed],
            "Policies": [
                {"PolicyName": each["PolicyName"], "PolicyDocument": _document(each["PolicyDocument"])}
                for each in policies
            ],
        }

    async def update(self, before: Model, after: Model, call: Call) -> None:
        trust = json.dumps(after["AssumeRolePolicyDocument"])
        if after["AssumeRolePolicyDocument"] != before["AssumeRolePolicyDocument"]:
            await self._ask("iam", "UpdateAssumeRolePolicy", call, RoleName=after["RoleName"], PolicyDocument=trust)
        await self._put_policies(before, after, call)

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None:  # noqa: ARG002 -- it has none
        await self._put_policies(model, {"RoleName": model["RoleName"]}, call)
        await self._ask("iam", "DeleteRole", call, RoleName=model["RoleName"])

    async def _put_policies(self, before: Model, after: Model, call: Call) -> None:
        named = {"RoleName": after["RoleName"]}
        wanted = {policy["PolicyName"]: policy["PolicyDocument"] for policy in after.get("Policies", [])}
        for name, document in wanted.items():
            await self._ask("iam", "PutRolePolicy", call, **named, PolicyName=name, PolicyDocument=json.dumps(document))
        for name in {policy["PolicyName"] for policy in before.get("Policies", [])} - set(wanted):
            await self._ask("iam", "DeleteRolePolicy", call, **named, PolicyName=name)
        held, managed = set(before.get("ManagedPolicyArns", [])), set(after.get("ManagedPolicyArns", []))
        for operation, arns in (("AttachRolePolicy", managed - held), ("DetachRolePolicy", held - managed)):
            for arn in sorted(arns):
                await self._ask("iam", operation, call, **named, PolicyArn=arn)


class _Shared(ServiceHandler):
    """The handler of a resource that several App Runner services share."""

    noun = ""

    async def create(self, model: Model, call: Call) -> Model:
        own = {f"{self.noun}Arn", f"{self.noun}Revision", "Latest"}
        request = {key: value for key, value in model.items() if key not in own}
        made = (await self._ask("apprunner", f"Create{self.noun}", call, **_numbers(request)))[self.noun]
        return {key: made[key] for key in own & set(made)} | {f"{self.noun}Revision": made[f"{self.noun}Revision"]}

    async def read(self, identifier: str, model: Model | None, call: Call) -> Model | None:
        arn = {f"{self.noun}Arn": identifier}
        found = await self._found("apprunner", f"Describe{self.noun}", call, **arn)
        return model if found and found[self.noun]["Status"].upper() == "ACTIVE" else None

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None:  # noqa: ARG002 -- it has none
        await self._ask("apprunner", f"Delete{self.noun}", call, **{f"{self.noun}Arn": model[f"{self.noun}Arn"]})


class _Connector(_Shared):
    noun = "VpcConnector"


class _Scaling(_Shared):
    noun = "AutoScalingConfiguration"


class _LogGroup(ServiceHandler):
    async def create(self, model: Model, call: Call) -> Model:
        await self._ask("logs", "CreateLogGroup", call, logGroupName=model["LogGroupName"])
        await self.update({}, model, call)
        return {}

    async def read(self, identifier: str, model: Model | None, call: Call) -> Model | None:
        found = (await self._ask("logs", "DescribeLogGroups", call, logGroupNamePrefix=identifier))["logGroups"]
        group = next((each for each in found if each["logGroupName"] == identifier), None)
        if group is None:
            return None
        live = {key: value for key, value in (model or {}).items() if key != "RetentionInDays"}
        live |= {"LogGroupName": identifier}
        return live | ({"RetentionInDays": days} if (days := group.get("retentionInDays")) else {})

    async def update(self, before: Model, after: Model, call: Call) -> None:
        named = {"logGroupName": after["LogGroupName"]}
        if days := after.get("RetentionInDays"):
            await self._ask("logs", "PutRetentionPolicy", call, **named, retentionInDays=int(days))
        elif before.get("RetentionInDays"):
            await self._ask("logs", "DeleteRetentionPolicy", call, **named)

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None:  # noqa: ARG002 -- it has none
        await self._ask("logs", "DeleteLogGroup", call, logGroupName=model["LogGroupName"])


class _Secret(ServiceHandler):
    async def create(self, model: Model, call: Call) -> Model:
        name = model.get("Name") or model["Id"].rpartition(":")[2].rpartition("-")[0]
        made = await self._ask("secretsmanager", "CreateSecret", call, Name=name, SecretString=_secret(model))
        return {"Id": made["ARN"]}

    async def read(self, identifier: str, model: Model | None, call: Call) -> Model | None:
        found = await self._found("secretsmanager", "DescribeSecret", call, SecretId=identifier)
        return model if found and found.get("DeletedDate") is None else None

    async def update(self, before: Model, after: Model, call: Call) -> None:
        if any(before.get(key) != after.get(key) for key in ("SecretString", "GenerateSecretString")):
            await self._ask("secretsmanager", "PutSecretValue", call, SecretId=after["Id"], SecretString=_secret(after))

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None:  # noqa: ARG002 -- it has none
        how = {"ForceDeleteWithoutRecovery": True}  # †
        await self._ask("secretsmanager", "DeleteSecret", call, SecretId=model["Id"], **how)


class _Subnet(ServiceHandler):
    async def create(self, model: Model, call: Call) -> Model:  # noqa: ARG002 -- as in the class above
        wanted = ip_network(model["CidrBlock"])
        others = (each for each in self._resources.of("AWS::EC2::Subnet") if each["VpcId"] == model["VpcId"])
        if any(wanted.overlaps(ip_network(each["CidrBlock"])) for each in others if each.get("CidrBlock")):
            raise failure("InvalidRequest", f"The CIDR '{wanted}' conflicts with another subnet")  # [F]
        return {}


class _Database(ServiceHandler):
    async def create(self, model: Model, call: Call) -> Model:
        return await self._databases.launch(model, call)

    async def update(self, before: Model, after: Model, call: Call) -> None:  # noqa: ARG002 -- as in the class above
        try:
            check_change(before, after)
        except AwsError as error:
            raise failure("InvalidRequest", error.message) from error

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None:
        try:
            self._databases.remove(model, call, snapshot=snapshot)
        except AwsError as error:
            raise failure("InvalidRequest", error.message) from error


class _Cluster(ServiceHandler):
    async def create(self, model: Model, call: Call) -> Model:
        made = await self._ask("ecs", "CreateCluster", call, clusterName=model["ClusterName"])
        return {"Arn": made["cluster"]["clusterArn"]}

    async def delete(self, model: Model, call: Call, *, snapshot: bool) -> None:  # noqa: ARG002 -- it has none
        await self._ask("ecs", "DeleteCluster", call, cluster=model["ClusterName"])


SERVICES: Mapping[str, type[ServiceHandler]] = {
    "AWS::AppRunner::AutoScalingConfiguration": _Scaling,
    "AWS::AppRunner::VpcConnector": _Connector,
    "AWS::EC2::Subnet": _Subnet,
    "AWS::ECR::Repository": _Repository,
    "AWS::ECS::Cluster": _Cluster,
    "AWS::IAM::Role": _Role,
    "AWS::Logs::LogGroup": _LogGroup,
    "AWS::RDS::DBInstance": _Database,
    "AWS::SecretsManager::Secret": _Secret,
}


def _document(text: str) -> Any:
    """Return a policy, which IAM encodes for URLs."""
    from urllib.parse import unquote

    return json.loads(unquote(text))


def _numbers(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with numbers as App Runner expects them; a template may contain them as texts."""
    return {
        key: int(value) if isinstance(value, str) and value.isdecimal() else value for key, value in request.items()
    }


def _secret(model: Mapping[str, Any]) -> str:
    """Return the value of a secret, which is given or generated."""
    if (how := model.get("GenerateSecretString")) is None:
        return str(model.get("SecretString", ""))
    letters = string.ascii_letters + string.digits
    letters += "" if how.get("ExcludePunctuation") else string.punctuation
    allowed = [each for each in letters if each not in how.get("ExcludeCharacters", "")]
    password = "".join(secrets.choice(allowed) for _ in range(int(how.get("PasswordLength", 32))))
    if "GenerateStringKey" not in how:
        return password
    return json.dumps(json.loads(how.get("SecretStringTemplate", "{}")) | {how["GenerateStringKey"]: password})
