"""The network of an environment: a VPC with public and private subnets in two zones."""

from typing import Any

from slipway.release.cloudformation import Part, Resource, output, resource
from slipway.release.placement import PRIVATE_SUBNETS, VPC, exported, stack_name
from slipway.settings import Environment, ManagedNetwork, Nat

_PUBLIC = ("PublicSubnetA", "PublicSubnetB")
_ANYWHERE = "0.0.0.0/0"
_HTTPS = 443
# A starting task needs its image, its secrets and its log. Layers of images come from S3, by a gateway that costs
# nothing.
_ENDPOINTS = {"EcrApi": "ecr.api", "EcrImages": "ecr.dkr", "Logs": "logs", "Secrets": "secretsmanager"}


def network(environment: str, env: Environment, made: ManagedNetwork) -> list[Part]:
    """Return the parts of an environment's stack that make up its network."""
    parts = [_vpc(environment, made), _public(environment, made), _private(environment, made)]
    parts.append(Part({"ImagesGateway": _images_gateway(env)}))
    if made.nat is Nat.ONE:
        parts.append(_nat(environment))
    elif made.private:
        parts.append(_endpoints(environment, env, made))
    return [*parts, Part({}, {"PublicTaskSubnets": _where(_PUBLIC), "PrivateTaskSubnets": _where(PRIVATE_SUBNETS)})]


def _where(names: tuple[str, str]) -> dict[str, Any]:
    """Return the output for the settings.

    Every template has both outputs, because services in the network may have different settings.
    """
    place = tasks_place(private=names == PRIVATE_SUBNETS)
    return output(place, {"Fn::Join": [", ", [{"Ref": name} for name in names]]})


def tasks_place(*, private: bool) -> str:
    """Return the settings to which the subnets of tasks belong."""
    return f"subnets and migration.subnets of settings {'with private = true' if private else 'without private'}"


def task_subnets(made: ManagedNetwork) -> tuple[str, str]:
    """Return the names of the subnets in which tasks run."""
    return PRIVATE_SUBNETS if made.private else _PUBLIC


def _vpc(environment: str, made: ManagedNetwork) -> Part:
    properties = {"CidrBlock": made.cidr, "EnableDnsSupport": True, "EnableDnsHostnames": True, **_tags(environment)}
    vpc = resource("AWS::EC2::VPC", "the network of the environment and of nothing else", properties)
    return Part({"Vpc": vpc}, {"Vpc": _export(environment, VPC, "Vpc")})


def _public(environment: str, made: ManagedNetwork) -> Part:
    gateway = resource("AWS::EC2::InternetGateway", "load balancers are reached through it", _tags(environment))
    attached = {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "InternetGateway"}}
    route = {"RouteTableId": {"Ref": "PublicRoutes"}, "DestinationCidrBlock": _ANYWHERE} | {
        "GatewayId": {"Ref": "InternetGateway"}
    }
    why = "public subnets reach the internet, and are reached"
    return Part(
        {
            "InternetGateway": gateway,
            "GatewayAttachment": resource("AWS::EC2::VPCGatewayAttachment", "the gateway of this VPC", attached),
            "PublicRoutes": _routes(environment, "the routes of the public subnets"),
            "PublicRoute": resource("AWS::EC2::Route", why, route, DependsOn="GatewayAttachment"),
            **_subnets(
                environment, made, _PUBLIC, "PublicRoutes", "for load balancers, and for tasks that are not private"
            ),
        }
    )


def _private(environment: str, made: ManagedNetwork) -> Part:
    why = "for the database, and for private tasks"
    resources = {
        "PrivateRoutes": _routes(environment, "the routes of the private subnets; none leads to the internet gateway"),
        **_subnets(environment, made, PRIVATE_SUBNETS, "PrivateRoutes", why),
    }
    return Part(resources, {name: _export(environment, name, name) for name in PRIVATE_SUBNETS})


def _subnets(
    environment: str, made: ManagedNetwork, names: tuple[str, str], routes: str, why: str
) -> dict[str, Resource]:
    resources = {}
    ranges = made.subnets(public=names == _PUBLIC)
    for index, (name, cidr) in enumerate(zip(names, ranges, strict=True)):
        zone = made.zones[index] if made.zones else {"Fn::Select": [index, {"Fn::GetAZs": ""}]}
        properties = {"VpcId": {"Ref": "Vpc"}, "CidrBlock": cidr, "AvailabilityZone": zone, **_tags(environment, name)}
        resources[name] = resource("AWS::EC2::Subnet", why, properties)
        association = {"SubnetId": {"Ref": name}, "RouteTableId": {"Ref": routes}}
        resources[f"{name}Routes"] = resource("AWS::EC2::SubnetRouteTableAssociation", f"of {name}", association)
    return resources


def _routes(environment: str, why: str) -> Resource:
    return resource("AWS::EC2::RouteTable", why, {"VpcId": {"Ref": "Vpc"}, **_tags(environment)})


def _images_gateway(env: Environment) -> Resource:
    properties = {
        "VpcId": {"Ref": "Vpc"},
        "ServiceName": f"com.amazonaws.{env.region}.s3",
        "VpcEndpointType": "Gateway",
        "RouteTableIds": [{"Ref": "PublicRoutes"}, {"Ref": "PrivateRoutes"}],
    }
    return resource("AWS::EC2::VPCEndpoint", "layers of images come from S3, past NAT and its price", properties)


def _nat(environment: str) -> Part:
    address = resource("AWS::EC2::EIP", "the address that others see", {"Domain": "vpc", **_tags(environment)})
    gateway = {
        "SubnetId": {"Ref": _PUBLIC[0]},
        "AllocationId": {"Fn::GetAtt": ["NatAddress", "AllocationId"]},
        **_tags(environment),
    }
    route = {"RouteTableId": {"Ref": "PrivateRoutes"}, "DestinationCidrBlock": _ANYWHERE} | {
        "NatGatewayId": {"Ref": "NatGateway"}
    }
    why = "private subnets reach the internet, and are not reached"
    return Part(
        {
            "NatAddress": address,
            "NatGateway": resource("AWS::EC2::NatGateway", why, gateway, DependsOn="PublicRoute"),
            "NatRoute": resource("AWS::EC2::Route", why, route),
        }
    )


def _endpoints(environment: str, env: Environment, made: ManagedNetwork) -> Part:
    inward = {"IpProtocol": "tcp", "FromPort": _HTTPS, "ToPort": _HTTPS, "CidrIp": made.cidr, "Description": "HTTPS"}
    group = {"GroupDescription": "The endpoints of AWS", "VpcId": {"Ref": "Vpc"}} | {
        "SecurityGroupIngress": [inward],
        **_tags(environment),
    }
    resources = {"EndpointGroup": resource("AWS::EC2::SecurityGroup", "the VPC reaches AWS's services", group)}
    for name, service in _ENDPOINTS.items():
        properties = {
            "VpcId": {"Ref": "Vpc"},
            "ServiceName": f"com.amazonaws.{env.region}.{service}",
            "VpcEndpointType": "Interface",
            "PrivateDnsEnabled": True,
            "SubnetIds": [{"Ref": subnet} for subnet in PRIVATE_SUBNETS],
            "SecurityGroupIds": [{"Fn::GetAtt": ["EndpointGroup", "GroupId"]}],
        }
        why = f"private tasks reach {service} without the internet"
        resources[f"{name}Endpoint"] = resource("AWS::EC2::VPCEndpoint", why, properties)
    return Part(resources)


def _export(environment: str, name: str, of: str) -> dict[str, Any]:
    description = output(f"{name}, for the stacks of the services", {"Ref": of})
    return description | {"Export": {"Name": exported(environment, name)}}


def _tags(environment: str, name: str = "") -> dict[str, Any]:
    return {"Tags": [{"Key": "Name", "Value": "-".join(filter(None, [stack_name(environment), name]))}]}
