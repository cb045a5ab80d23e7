"""Stacks of a simulated account: proposed, executed, deleted; and a template with an environment's kinds of resources."""

import json

from tests.simulator.account import Account

CAPABLE = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}


def body(outputs=None, **resources):
    return json.dumps({"Resources": resources} | ({"Outputs": outputs} if outputs else {}))


def resource(kind: str, /, **properties) -> dict:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def ref(name: str) -> dict:
    return {"Ref": name}


def get(name: str, attribute: str) -> dict:
    return {"Fn::GetAtt": [name, attribute]}


async def proposed(account: Account, template: str, kind: str = "CREATE", **more) -> dict:
    """Create a change set and wait for its end."""
    named = {"StackName": more.get("StackName", "stack"), "ChangeSetName": "changes"}
    request = {"TemplateBody": template, "ChangeSetType": kind, **named, **CAPABLE, **more}
    await account.ask("cloudformation", "create_change_set", **request)
    while (found := await account.ask("cloudformation", "describe_change_set", **named, IncludePropertyValues=True))[
        "Status"
    ] == "CREATE_IN_PROGRESS":
        await account.cloud.clock.sleep(1)
    return found


async def executed(account: Account, template: str, kind: str = "CREATE", **more) -> dict:
    """Execute a change set and wait for its end."""
    await proposed(account, template, kind, **more)
    return await execute(account, more.get("StackName", "stack"))


async def execute(account: Account, name: str = "stack") -> dict:
    await account.ask("cloudformation", "execute_change_set", StackName=name, ChangeSetName="changes")
    return await settled(account, name)


async def settled(account: Account, name: str = "stack") -> dict:
    while (stack := await described(account, name))["StackStatus"].endswith("_IN_PROGRESS"):
        await account.cloud.clock.sleep(60)
    return stack


async def deleted(account: Account, **more) -> dict:
    """Delete the stack, wait for the end and return the stack, which is described by its id only."""
    identifier = (await described(account))["StackId"]
    await account.ask("cloudformation", "delete_stack", StackName="stack", **more)
    return await settled(account, identifier)


async def described(account: Account, name: str = "stack") -> dict:
    (stack,) = (await account.ask("cloudformation", "describe_stacks", StackName=name))["Stacks"]
    return stack


async def events(account: Account) -> list[tuple[str, str]]:
    told = await account.ask("cloudformation", "describe_stack_events", StackName="stack")
    return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in told["StackEvents"][::-1]]


async def reasons(account: Account, name: str = "stack") -> dict[str, str]:
    """Return why resources failed."""
    told = await account.ask("cloudformation", "describe_stack_events", StackName=name)
    return {
        event["LogicalResourceId"]: event["ResourceStatusReason"]
        for event in told["StackEvents"]
        if event["ResourceStatus"].endswith("_FAILED") and event["LogicalResourceId"] != name
    }


def changes(change_set: dict) -> list[tuple[str, str, str | None]]:
    told = [change["ResourceChange"] for change in change_set["Changes"]]
    return [(change["Action"], change["LogicalResourceId"], change.get("Replacement")) for change in told]


def environment(**databases) -> dict:
    """Return the resources of a network with a private database and its secrets."""
    url = [
        "postgresql://app:{{resolve:secretsmanager:",
        ref("Password"),
        ":SecretString:password}}@",
        get("Database", "Endpoint.Address"),
        ":",
        get("Database", "Endpoint.Port"),
        "/notes",
    ]
    return {
        "Vpc": resource("EC2::VPC", CidrBlock="10.20.0.0/16", EnableDnsSupport=True, EnableDnsHostnames=True),
        "Gateway": resource("EC2::InternetGateway"),
        "Attachment": resource("EC2::VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Gateway")),
        **{
            f"{side}{zone}": resource(
                "EC2::Subnet",
                VpcId=ref("Vpc"),
                CidrBlock=f"10.20.{10 * public + index}.0/24",
                AvailabilityZone={"Fn::Select": [index, {"Fn::GetAZs": ""}]},
                MapPublicIpOnLaunch=bool(public),
            )
            for public, side in enumerate(("Private", "Public"))
            for index, zone in enumerate("AB")
        },
        "PublicTable": resource("EC2::RouteTable", VpcId=ref("Vpc")),
        "PrivateTable": resource("EC2::RouteTable", VpcId=ref("Vpc")),
        "Internet": resource(
            "EC2::Route", RouteTableId=ref("PublicTable"), DestinationCidrBlock="0.0.0.0/0", GatewayId=ref("Gateway")
        )
        | {"DependsOn": "Attachment"},
        "Address": resource("EC2::EIP", Domain="vpc") | {"DependsOn": ["Attachment"]},
        "Nat": resource("EC2::NatGateway", SubnetId=ref("PublicA"), AllocationId=get("Address", "AllocationId")),
        "Outward": resource(
            "EC2::Route", RouteTableId=ref("PrivateTable"), DestinationCidrBlock="0.0.0.0/0", NatGatewayId=ref("Nat")
        ),
        **{
            f"{side}{zone}Routes": resource(
                "EC2::SubnetRouteTableAssociation", SubnetId=ref(f"{side}{zone}"), RouteTableId=ref(f"{side}Table")
            )
            for side in ("Private", "Public")
            for zone in "AB"
        },
        "Bucket": resource(
            "EC2::VPCEndpoint",
            VpcId=ref("Vpc"),
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
            VpcEndpointType="Gateway",
            RouteTableIds=[ref("PrivateTable")],
        ),
        "Tasks": resource("EC2::SecurityGroup", GroupDescription="tasks", VpcId=ref("Vpc")),
        "DatabaseGroup": resource(
            "EC2::SecurityGroup",
            GroupDescription="database",
            VpcId=ref("Vpc"),
            SecurityGroupIngress=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 5432,
                    "ToPort": 5432,
                    "SourceSecurityGroupId": get("Tasks", "GroupId"),
                }
            ],
        ),
        "Subnets": resource(
            "RDS::DBSubnetGroup", DBSubnetGroupDescription="private", SubnetIds=[ref("PrivateA"), ref("PrivateB")]
        ),
        "Password": resource(
            "SecretsManager::Secret",
            GenerateSecretString={
                "SecretStringTemplate": '{"username": "owner"}',
                "GenerateStringKey": "password",
                "ExcludePunctuation": True,
            },
        ),
        "Database": resource(
            "RDS::DBInstance",
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            EngineVersion="18",
            AllocatedStorage="20",
            DBName="notes",
            MasterUsername="owner",
            MasterUserPassword={"Fn::Sub": "{{resolve:secretsmanager:${Password}:SecretString:password}}"},
            DBSubnetGroupName=ref("Subnets"),
            VPCSecurityGroups=[get("DatabaseGroup", "GroupId")],
            StorageEncrypted=True,
            PubliclyAccessible=False,
            DeletionProtection=databases.pop("protected", False),
            **databases,
        ),
        "Url": resource("SecretsManager::Secret", Name="notes/database-url", SecretString={"Fn::Join": ["", url]}),
        "Group": resource("Logs::LogGroup", RetentionInDays=30),
    }
