"""Private services are reached by their callers only: computed from the account, mended by bootstrap, played by the simulator."""

import sys
from functools import partial

import anyio
import httpx
import pytest

from slipway.records.bootstrap import Result
from slipway.release.bootstrap.doors import CALLS_TAG, callers_of, close, doors_of
from slipway.simulator.peers import Peers
from slipway.simulator.serving import Front, serving
from tests.environment.several import VPC, Repository, repository, settings_of
from tests.release.desired import aws_of

GROUP = "AWS::EC2::SecurityGroup"
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
ASKS = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=60).status)
"""


@pytest.fixture
async def shop():
    async with repository(settings_of("billing"), settings_of("web", "billing", subnets="public")) as made:
        environment = await made.connected("billing")
        await environment.deploy(await made.image("billing"), lambda _event: None)
        for name, calls in (("sg-web", "billing"), ("sg-admin", "")):
            tags = [{"Key": CALLS_TAG, "Value": calls}, {"Key": "Name", "Value": "web-production"}] if calls else []
            model = {"GroupId": name, "GroupDescription": name, "VpcId": VPC, "Tags": tags}
            made.account.cloud.ecs.express.resources.platform.resources.put(GROUP, name, model)
        yield made


async def breaches(shop: Repository) -> list[str]:
    (door,) = await doors_of(aws_of(shop.account), VPC)
    return [each.partition(" lets in ")[2] or each.partition(" does not let in ")[2] for each in door.breaches()]


async def test_ecs_opens_its_load_balancer_and_bootstrap_closes_it_to_all_but_callers(shop):
    aws = aws_of(shop.account)
    (door,) = await doors_of(aws, VPC)
    change = door.change(Result.PROPOSED)
    assert (change.opened, change.closed) == (
        ("the security group sg-web (web-production) on 443",),
        ("0.0.0.0/0 on 80", "0.0.0.0/0 on 443"),
    )
    await close(aws, door)
    (door,) = await doors_of(aws, VPC)
    assert [rule.text for rule in door.rules] == ["sg-web on 443"]
    assert (await breaches(shop), door.change(Result.PROPOSED).result) == ([], Result.UNCHANGED)
    assert [await callers_of(aws, VPC, name) for name in ("billing", "bill")] == [("web-production",), ()]
    assert await doors_of(aws, "vpc-other") == []


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        (HTTPS | {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}, "10.0.0.0/8 on 443, which is no caller's"),
        (HTTPS | {"UserIdGroupPairs": [{"GroupId": "sg-admin"}]}, "the security group sg-admin on 443, which is no"),
        (
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-web"}]},
            "the security group sg-web (web-production) on every port, which",
        ),
    ],
)
async def test_a_rule_for_a_service_that_calls_none_is_a_breach(shop, permission, words):
    aws = aws_of(shop.account)
    (door,) = await doors_of(aws, VPC)
    await close(aws, door)
    await aws.call("ec2", "authorize_security_group_ingress", GroupId=door.group, IpPermissions=[permission])
    (breach,) = await breaches(shop)
    assert breach.startswith(words)
    await close(aws, (await doors_of(aws, VPC))[0])
    assert await breaches(shop) == []


async def test_a_caller_that_is_kept_out_is_a_breach(shop):
    aws = aws_of(shop.account)
    await close(aws, (await doors_of(aws, VPC))[0])
    (door,) = await doors_of(aws, VPC)
    pair = HTTPS | {"UserIdGroupPairs": [{"GroupId": "sg-web"}]}
    await aws.call("ec2", "revoke_security_group_ingress", GroupId=door.group, IpPermissions=[pair])
    assert await breaches(shop) == ["the security group sg-web (web-production), whose service calls one of them"]


async def test_a_stranger_is_not_let_in_to_a_private_address_of_the_simulator(shop):
    address = shop.service("billing").gateway.front.address
    with shop.account.cloud.clock.held():
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{address}/healthz")
    assert (answer.status_code, "would time out" in answer.text) == (403, True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says which process has a connection")
async def test_a_connection_is_followed_to_the_groups_of_the_task_whose_process_made_it():
    peers = Peers()
    front = Front(admits=lambda client, server: "sg-web" in peers.groups_of(client, server))

    async def asked(address: str, groups: frozenset[str]) -> bytes:
        """Ask from a child of a process that has these groups."""
        child = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', *sys.argv[1:]]))"
        command = [sys.executable, "-c", child, ASKS, f"http://{address}/"]
        async with await anyio.open_process(command, start_new_session=True) as process:
            with peers.joined(process.pid, groups):
                assert process.stdout
                answer = b"".join([chunk async for chunk in process.stdout])
                await process.wait()
        return answer.strip()

    async def healthy(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(healthy) as upstream, serving(front) as address:
        front.route(upstream)
        ask = partial(asked, address)
        assert await ask(frozenset({"sg-web"})) == b"200"
        assert await ask(frozenset({"sg-admin"})) == b""
