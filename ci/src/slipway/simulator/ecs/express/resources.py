"""The AWS resources that Express Mode creates for a service, in the API's form.

Their names follow users' reports ([F], see simulator/README.md).
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.simulator.balancing import NAMESPACE, OWN_ERRORS, LoadBalancer, LoadBalancing, Rule, TargetGroup, new_id
from slipway.simulator.cloudwatch import Alarm, Alarms, counting
from slipway.simulator.contract import AwsError, Call
from slipway.simulator.ecs.express.configuration import Configuration
from slipway.simulator.ecs.express.fleet import SCALING_METRICS
from slipway.simulator.ecs.express.gateway import METRICS, Gateway, alarm_metrics, metric_dimensions
from slipway.simulator.ecs.express.rollout import BREACHING, EVALUATED, THRESHOLD
from slipway.simulator.ecs.express.service import Readings, Revision, Service
from slipway.simulator.network import Network
from slipway.simulator.platform import Platform

_MOST_RULES = 25  # services on one load balancer [G]


@dataclass(kw_only=True)
class Resources:
    """The resources of all services, in the account's networks."""

    platform: Platform
    readings: Readings
    network: Network
    balancing: LoadBalancing = field(default_factory=LoadBalancing)
    alarms: Alarms = field(default_factory=Alarms)

    def gateway(self, path: str, configuration: Configuration, call: Call) -> Gateway:
        """Create a service's target groups, rule and alarm. `path` is its cluster and name.

        Raise AwsError for subnets in a single zone.
        """
        balancer = self._balancer(configuration, call)
        port = configuration["primaryContainer"]["containerPort"]
        groups = (
            _group(balancer, configuration["healthCheckPath"], port, call),
            _group(balancer, configuration["healthCheckPath"], port, call),
        )
        self.balancing.groups |= {group.arn: group for group in groups}
        rule = Rule(
            arn=f"{balancer.listener.replace(':listener/', ':listener-rule/')}/{new_id()}",
            hosts=[],
            priority=max((rule.priority for rule in balancer.rules.values()), default=0) + 1,
            weights={group.arn: 0 for group in groups},
        )
        balancer.rules[rule.arn] = rule
        path_and_port = (configuration["healthCheckPath"], port)
        return Gateway(
            asked={group.arn: path_and_port for group in groups},
            balancer=balancer,
            rule=rule,
            groups=groups,
            security_group=f"sg-{new_id(17)}",
            log_group=f"/aws/ecs/{path}-{secrets.token_hex(2)}",
            certificate=f"arn:aws:acm:{call.region}:{call.account}:certificate/{new_id(32)}",
            alarm=self._alarm(f"{path}/RollbackAlarm", balancer, groups, call),
            now=self.platform.clock.now,
            client_errors=lambda: self.readings.client_errors,
            counted={group.arn: self._counting(balancer, group) for group in groups},
            unanswered=lambda: self.platform.metrics.count(
                NAMESPACE, OWN_ERRORS, balancer.dimensions, self.platform.clock.now()
            ),
            admits=lambda client, server: balancer.public or self._is_let_in(balancer, client, server),
        )

    def _is_let_in(self, balancer: LoadBalancer, client: int, server: int) -> bool:
        """Return whether a task may reach an internal load balancer.

        A rule with an address range admits every task with security groups, as in a VPC †.
        """
        if not self.platform.peers.can_follow:
            return True
        groups = self.platform.peers.groups_of(client, server)
        rules = self.network.ingress(balancer.security_group)
        return bool(groups) and any("CidrIp" in rule or rule.get("SourceSecurityGroupId") in groups for rule in rules)

    def _counting(self, balancer: LoadBalancer, group: TargetGroup) -> Callable[[int], None]:
        dimensions = metric_dimensions(balancer, group)
        return counting(self.platform.metrics, self.platform.clock.now, NAMESPACE, [*METRICS.values()], dimensions)

    def remove(self, gateway: Gateway) -> None:
        """Remove a service's resources. The load balancer is removed with its last rule."""
        del gateway.balancer.rules[gateway.rule.arn]
        for group in gateway.groups:
            del self.balancing.groups[group.arn]
        del self.alarms.alarms[gateway.alarm.name]
        if not gateway.balancer.rules:
            del self.balancing.balancers[gateway.balancer.arn]
            self.network.unmanage(gateway.balancer.security_group)

    def _alarm(self, name: str, balancer: LoadBalancer, groups: tuple[TargetGroup, TargetGroup], call: Call) -> Alarm:
        self.alarms.alarms[name] = Alarm(
            name=name,
            arn=f"arn:aws:cloudwatch:{call.region}:{call.account}:alarm:{name}",
            description="Rate of 4XX and 5XX errors",
            configured=call.now,
            evaluated=EVALUATED,
            breaching=BREACHING,
            threshold=THRESHOLD,
            metrics=alarm_metrics(balancer, groups),
        )
        return self.alarms.alarms[name]

    def _balancer(self, configuration: Configuration, call: Call) -> LoadBalancer:
        """Return the load balancer that the services of a VPC share; create it if there is none.

        The first service determines its zones [G].
        """
        subnets = self.network.at(configuration["networkConfiguration"]["subnets"], "InvalidParameterException")
        if len({subnet.zone for subnet in subnets}) < 2:
            message = "At least two subnets in two different Availability Zones must be specified"  # [F] of load balancing, here †
            raise AwsError("InvalidParameterException", message)
        public, vpc = all(subnet.public for subnet in subnets), subnets[0].vpc  # mixed subnets count as private †
        for balancer in self.balancing.balancers.values():
            if balancer.public is public and balancer.vpc == vpc and len(balancer.rules) < _MOST_RULES:
                return balancer
        if len(self.balancing.balancers) >= (most := self.platform.quotas.balancers):
            message = f"The maximum number of load balancers, {most}, has been reached"  # † of load balancing, here too
            raise AwsError("InvalidParameterException", message)
        name = f"ecs-express-gateway-alb-{new_id(8)}"
        arn = f"arn:aws:elasticloadbalancing:{call.region}:{call.account}:loadbalancer/app/{name}/{new_id()}"
        internal = "" if public else "internal-"
        security_group = self.network.manage(f"ecs-express-gateway-alb-sg-{secrets.randbelow(10**13)}", vpc)
        self.balancing.balancers[arn] = LoadBalancer(
            arn=arn,
            name=name,
            created=call.now,
            public=public,
            vpc=vpc,
            subnets={subnet.id: f"{call.region}{subnet.zone}" for subnet in subnets},
            security_group=security_group,
            dns=f"{internal}{name}-{secrets.randbelow(10**10)}.{call.region}.elb.amazonaws.com",
        )
        return self.balancing.balancers[arn]


def _group(balancer: LoadBalancer, path: str, port: int, call: Call) -> TargetGroup:
    name = f"ecs-gateway-tg-{new_id(17)}"
    arn = f"arn:aws:elasticloadbalancing:{call.region}:{call.account}:targetgroup/{name}/{new_id()}"
    return TargetGroup(arn=arn, name=name, vpc=balancer.vpc, balancer=balancer.arn, path=path, check_port=str(port))


def managed(service: Service, revision: Revision) -> dict[str, Any]:
    """Return the API's ECSManagedResources of a revision."""
    gateway, place, scaling = service.gateway, service.place, service.scaling
    status = "DELETED" if service.inactive else "DEPROVISIONING" if service.deleted else "ACTIVE"
    state = {"status": status, "updatedAt": service.updated or service.created}
    policy = {
        "arn": f"arn:aws:autoscaling:{place}:scalingPolicy:{new_id(32)}:resource/ecs/service/{service.path}:policyName/express",
        "policyType": "TargetTrackingScaling",
        "targetValue": float(scaling.target),
        "metric": SCALING_METRICS[scaling.metric],
    }
    target = {
        "arn": f"arn:aws:application-autoscaling:{place}:scalable-target/{service.name}",
        "minCapacity": scaling.least,
        "maxCapacity": scaling.most,
    }
    log = {"arn": f"arn:aws:logs:{place}:log-group:{gateway.log_group}:*", "logGroupName": gateway.log_group}
    return {
        "ingressPaths": [_ingress(service, revision, state)],
        "autoScaling": {"scalableTarget": state | target, "applicationAutoScalingPolicies": [state | policy]},
        "metricAlarms": [state | {"arn": gateway.alarm.arn}],
        "serviceSecurityGroups": [state | {"arn": f"arn:aws:ec2:{place}:security-group/{gateway.security_group}"}],
        "logGroups": [state | log],
    }


def _ingress(service: Service, revision: Revision, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the API's ManagedIngressPath: the load balancer and this service's share of it."""
    gateway, balancer = service.gateway, service.gateway.balancer
    creating = {**state, "status": "PROVISIONING"} if balancer.state == "provisioning" else state
    port = revision.configuration["primaryContainer"]["containerPort"]
    shared = {
        "arn": balancer.arn,
        "scheme": balancer.scheme,
        "subnetIds": [*balancer.subnets],
        "securityGroupIds": [balancer.security_group],
    }
    return {
        **gateway.ingress,
        "loadBalancer": {**creating, **shared},
        "loadBalancerSecurityGroups": [
            {**state, "arn": f"arn:aws:ec2:{service.place}:security-group/{balancer.security_group}"}
        ],
        "certificate": {**creating, "arn": gateway.certificate, "domainName": gateway.front.address},
        "listener": {**creating, "arn": balancer.listener},
        "rule": {**creating, "arn": gateway.rule.arn},
        "targetGroups": [
            {**state, "arn": group.arn, "healthCheckPath": path, "healthCheckPort": check_port, "port": port}
            for group in gateway.groups
            for path, check_port in [gateway.asked[group.arn]]
        ],
    }


def description(service: Service, revision: Revision) -> dict[str, Any]:
    network = revision.description(service)["networkConfiguration"]
    public = "ENABLED" if service.gateway.balancer.public else "DISABLED"
    container = revision.definition.container
    return {
        "serviceRevisionArn": revision.arn,
        "serviceArn": service.arn,
        "clusterArn": service.cluster,
        "taskDefinition": revision.definition.arn,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "networkConfiguration": {"awsvpcConfiguration": network | {"assignPublicIp": public}},
        "containerImages": [
            {"containerName": container["name"], "image": container["image"], "imageDigest": revision.digest}
        ],
        "guardDutyEnabled": False,
        "createdAt": revision.created,
        "ecsManagedResources": managed(service, revision),
    }
