"""The Postgres server of an environment, without a public address, and its passwords.

A password is generated in a secret of its own. URLs contain it by dynamic references, which CloudFormation resolves
only when it changes the resource with the reference. Running tasks read their secrets only at the start, so no password
changes below them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from slipway.database_url import filled
from slipway.release.aws.client import Aws
from slipway.release.cloudformation import (
    Part,
    Resource,
    output,
    resource,
    retained,
    role,
    start_task,
    trusts_service,
)
from slipway.release.errors import or_absent
from slipway.release.placement import (
    DATABASE_GROUP,
    DATABASE_HOST,
    DATABASE_PORT,
    PRIVATE_SUBNETS,
    exported,
    imported,
    stack_name,
)
from slipway.settings import Environment, ManagedDatabase, Migrations

MAIN_USER = "slipway"
# Names in a service's template.
ACCESS_ROLE, ACCESS_LOG = "DatabaseAccessRole", "DatabaseAccessLog"
_LOG_DAYS = 90
_WITH_STACK = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}


def server(environment: str, made: ManagedDatabase, major: int) -> Part:
    """Return the part of an environment's stack with its Postgres server. `major` is the server's major version."""
    name = server_name(environment)
    group = {
        "GroupDescription": "The database; each service adds a rule for itself",
        "VpcId": {"Ref": "Vpc"},
        "SecurityGroupEgress": [
            {
                "IpProtocol": "-1",
                "CidrIp": "127.0.0.1/32",
                "Description": "nothing; without a rule AWS allows everything",
            }
        ],
    }
    subnets = {"DBSubnetGroupDescription": "private", "SubnetIds": [{"Ref": name} for name in PRIVATE_SUBNETS]}
    log = {"LogGroupName": f"/aws/rds/instance/{name}/postgresql", "RetentionInDays": _LOG_DAYS}
    database = resource(
        "AWS::RDS::DBInstance",
        "the Postgres of the environment's services; each has a database and roles of its own on it",
        _instance(name, environment, made, major),
        DeletionPolicy="Snapshot",
        UpdateReplacePolicy="Snapshot",
        DependsOn="DatabaseLog",
    )
    host, port = (
        output(f"the {words} of the database", {"Fn::GetAtt": ["Database", f"Endpoint.{attribute}"]})
        for words, attribute in (("address", "Address"), ("port", "Port"))
    )
    return Part(
        {
            "DatabaseGroup": resource("AWS::EC2::SecurityGroup", "who may reach the database", group),
            "DatabaseSubnets": resource("AWS::RDS::DBSubnetGroup", "no route leads there from the internet", subnets),
            "DatabaseLog": retained("AWS::Logs::LogGroup", "otherwise RDS makes one that never expires", log),
            "MainUser": _generated(
                main_secret(environment), MAIN_USER, "the main user, with which databases and roles are made"
            ),
            "Database": database,
        },
        {
            "DatabaseHost": host | {"Export": {"Name": exported(environment, DATABASE_HOST)}},
            "DatabasePort": port | {"Export": {"Name": exported(environment, DATABASE_PORT)}},
            "DatabaseGroup": output("the database's security group", {"Fn::GetAtt": ["DatabaseGroup", "GroupId"]})
            | {"Export": {"Name": exported(environment, DATABASE_GROUP)}},
        },
    )


def _instance(name: str, environment: str, made: ManagedDatabase, major: int) -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": name,  # AWS refuses to replace a server that has a name
        "Engine": "postgres",
        "EngineVersion": str(major),
        "AllowMajorVersionUpgrade": True,  # without this flag RDS refuses a higher major
        "DBInstanceClass": made.class_,
        "AllocatedStorage": str(made.storage),
        "StorageType": "gp3",
        "StorageEncrypted": True,
        "PubliclyAccessible": False,
        "DBSubnetGroupName": {"Ref": "DatabaseSubnets"},
        "VPCSecurityGroups": [{"Fn::GetAtt": ["DatabaseGroup", "GroupId"]}],
        "MasterUsername": MAIN_USER,
        "MasterUserPassword": {"Fn::Sub": _password_in("MainUser")},
        "BackupRetentionPeriod": made.backups,
        "DeletionProtection": made.deletion_protection,
        "MultiAZ": made.has_standby(environment),
        "CopyTagsToSnapshot": True,
        "AutoMinorVersionUpgrade": True,
        "EnableIAMDatabaseAuthentication": True,
        "EnableCloudwatchLogsExports": ["postgresql"],
    }


def server_name(environment: str) -> str:
    """Return the server's identifier: at most 63 lower-case letters, digits and single dashes."""
    return stack_name(environment).lower().strip("-")[:63]


def service_secrets(service: str, environment: str, names: Mapping[str, str], migrations: Migrations) -> Part:
    """Return the passwords of a service's two database roles, and URLs with them. `names` has the secrets' names by role.

    Each of the service's variables with parts of the URL has a secret of its own: users of ECS report that tasks cannot
    read one key of a secret whose ARN lacks its random end (aws-cdk issue 24142), and AWS chooses that end.
    """
    database = database_name(service)
    resources: dict[str, Any] = {}
    place = {"Host": imported(environment, DATABASE_HOST), "Port": imported(environment, DATABASE_PORT)}
    for whose, user, why in (
        ("Application", database, "the service's role: it reads and writes, and owns nothing"),
        ("Owner", owner_name(service), "the role that owns the tables; only migrations use it"),
    ):
        password = _password_in(f"{whose}User")
        parts = {"user": user, "password": password, "host": "${Host}", "port": "${Port}", "database": database}
        parts["url"] = filled(f"{migrations.driver}://{{user}}:{{password}}@{{host}}:{{port}}/{{database}}", parts)
        composed = {"Fn::Sub": [parts["url"], place]}
        resources[f"{whose}User"] = _generated(f"{names[whose]}/user", user, why)
        resources[f"{whose}Url"] = _secret(
            names[whose], f"the URL of the database, for {user}", {"SecretString": composed}
        )
        for name, template in migrations.part_variables.items():
            composed = {"Fn::Sub": [filled(template, parts), place]}
            what = f"{name} of the service, for {user}"
            key = "".join(word.capitalize() or "X" for word in name.split("_"))
            resources[f"{whose}Part{key}"] = _secret(f"{names[whose]}/parts/{name}", what, {"SecretString": composed})
    return Part(resources)


def access_part(name: str, repository: str, secrets: Iterable[str], log_group: str, env: Environment) -> Part:
    """Return the resources for the task that creates the roles on the server.

    Only a person who runs bootstrap may start the task.
    """
    arn = f"arn:{env.partition}:logs:{env.region}:{env.account}:log-group:{log_group}"
    trust = trusts_service("ecs-tasks.amazonaws.com")
    why = "ECS starts with it the task that makes the database's roles, and only that task gets the main user's secret"
    log = {"LogGroupName": log_group, "RetentionInDays": _LOG_DAYS}
    return Part(
        {
            ACCESS_ROLE: role(name, why, trust, start_task(repository, secrets, arn)),
            ACCESS_LOG: resource("AWS::Logs::LogGroup", "the output of that task", log, **_WITH_STACK),
        }
    )


def _generated(name: str, user: str, why: str) -> Resource:
    """Return a secret with a user and a generated password, without characters that a URL would have to escape."""
    generated = {
        "SecretStringTemplate": f'{{"username": "{user}"}}',
        "GenerateStringKey": "password",
        "PasswordLength": 40,
        "ExcludePunctuation": True,
    }
    return _secret(name, why, {"GenerateSecretString": generated})


def _secret(name: str, why: str, value: Mapping[str, Any]) -> Resource:
    """Return a secret that is deleted with its stack. A restored database gets new passwords."""
    return resource("AWS::SecretsManager::Secret", why, {"Name": name, **value}, **_WITH_STACK)


def _password_in(secret: str) -> str:
    """Return the dynamic reference to the password in a secret of the same template. Fn::Sub resolves the secret's name."""
    return f"{{{{resolve:secretsmanager:${{{secret}}}:SecretString:password}}}}"


def database_name(service: str) -> str:
    """Return the name of a service's database and of its role: at most 50 lower-case letters, digits and _."""
    return re.sub(r"[^a-z0-9]+", "_", service.lower())[:50].strip("_")


def owner_name(service: str) -> str:
    """Return the name of the role that owns a service's tables."""
    return f"{database_name(service)}_owner"


def main_secret(environment: str) -> str:
    """Return the name of the secret with the main user's password."""
    return f"{server_name(environment)}/{MAIN_USER}"


async def databases_named(aws: Aws, identifier: str) -> list[dict[str, Any]]:
    """Return the RDS instance with an identifier, or nothing."""
    call = aws.call("rds", "describe_db_instances", DBInstanceIdentifier=identifier)
    # AWS's error code, and the one in its service model
    found = await or_absent(call, "DBInstanceNotFound", "DBInstanceNotFoundFault")
    return list(found["DBInstances"]) if found else []
