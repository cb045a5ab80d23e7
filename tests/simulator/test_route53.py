"""Names of a service's own: weighted records that divide real requests, and certificates that DNS proves."""

from collections import Counter
from typing import Any

import boto3
import httpx
import pytest

from slipway.simulator.route53 import full
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import Account
from tests.simulator.express import Notes, trust
from tests.simulator.raw import SIGNED

HOST = "notes.example.com"


async def zone(account: Account, name: str = "example.com") -> str:
    answer = await account.ask("route53", "create_hosted_zone", Name=name, CallerReference=name)
    return str(answer["HostedZone"]["Id"]).removeprefix("/hostedzone/")


async def change(account: Account, zone: str, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    return await account.ask("route53", "change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch)


async def refused(account: Account, zone: str, *changes: tuple[str, dict[str, Any]]) -> str:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    code, message = await account.refusal(
        "route53", "change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch
    )
    assert code == "InvalidChangeBatch"
    return message


async def records(account: Account, zone: str, name: str = HOST) -> list[dict[str, Any]]:
    listed = await account.ask("route53", "list_resource_record_sets", HostedZoneId=zone, StartRecordName=name)
    return [each for each in listed["ResourceRecordSets"] if each["Name"] == full(name)]


def cname(value: str, name: str = HOST, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": value}], **more}


def weighted(value: str, weight: int, identifier: str) -> dict[str, Any]:
    return cname(value, Weight=weight, SetIdentifier=identifier)


async def asked(account: Account, requests: int, host: str = HOST) -> Counter[str]:
    """Ask for a name as its clients do; count the answers by status, or by digest where it is 200."""
    counted: Counter[str] = Counter()
    front = account.cloud.route53.fronts[full(host)]
    with account.cloud.clock.held():
        async with httpx.AsyncClient(base_url=f"http://{front.address}", verify=NO_CERTIFICATES, timeout=300) as client:
            for _ in range(requests):
                try:
                    answer = await client.get("/")
                except httpx.RemoteProtocolError:
                    counted["lost"] += 1
                    continue
                counted[answer.text.partition("\n")[0] if answer.is_success else str(answer.status_code)] += 1
    return counted


async def test_a_batch_is_made_as_a_whole_and_deletes_only_the_very_values(account):
    id_ = await zone(account)
    await change(account, id_, ("CREATE", cname("a.example.net")))
    assert "already exists" in await refused(account, id_, ("CREATE", cname("b.example.net")))
    stale = ("DELETE", cname("b.example.net")), ("CREATE", weighted("b.example.net", 1, "b"))
    assert "do not match the current values" in await refused(account, id_, *stale)
    assert "not permitted in zone" in await refused(account, id_, ("CREATE", cname("a", name="notes.example.org")))
    assert "other RRSets exist" in await refused(account, id_, ("CREATE", weighted("b.example.net", 1, "b")))
    address = {"Name": HOST, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    assert "conflicts" in await refused(account, id_, ("CREATE", address))
    assert await records(account, id_) == [cname("a.example.net", name=full(HOST))]

    split = weighted("a.example.net", 90, "a"), weighted("b.example.net", 10, "b")
    batch = ("DELETE", cname("a.example.net")), *(("CREATE", record) for record in split)
    made = (await change(account, id_, *batch))["ChangeInfo"]
    assert [each["Weight"] for each in await records(account, id_)] == [90, 10]
    changed = {"Id": made["Id"].removeprefix("/change/")}
    assert (await account.ask("route53", "get_change", **changed))["ChangeInfo"]["Status"] == "PENDING"
    await account.cloud.clock.sleep(31)
    assert (await account.ask("route53", "get_change", **changed))["ChangeInfo"]["Status"] == "INSYNC"


async def test_zones_and_records_are_listed_by_their_labels_in_pages(account):
    ids = [await zone(account, name) for name in ("example.org", "b.example.com", "example.com")]
    listed = await account.ask("route53", "list_hosted_zones_by_name", DNSName="example.com", MaxItems="2")
    assert [each["Name"] for each in listed["HostedZones"]] == ["example.com.", "b.example.com."]
    assert (listed["IsTruncated"], listed["NextDNSName"]) == (True, "example.org.")
    await change(account, ids[2], *(("CREATE", cname("x", name=f"{name}.example.com")) for name in ("z", "a")))
    first = await account.ask("route53", "list_resource_record_sets", HostedZoneId=ids[2], MaxItems="3")
    assert [each["Type"] for each in first["ResourceRecordSets"]] == ["NS", "SOA", "CNAME"]
    assert first["NextRecordName"] == "z.example.com."
    assert (await account.refusal("route53", "get_change", Id="C1"))[0] == "NoSuchChange"
    assert (await account.refusal("route53", "list_resource_record_sets", HostedZoneId="Z1"))[0] == "NoSuchHostedZone"


async def test_weights_divide_the_requests_between_an_app_runner_and_an_express_service(account):
    trust(account)
    old, new = await account.image(), await account.image()
    arn = await account.create(old)
    express = await Notes(account).created(new)
    associated = await account.ask("apprunner", "associate_custom_domain", ServiceArn=arn, DomainName=HOST)
    id_, inside = await zone(account), account.cloud.ecs.express.services[express.arn].gateway
    before = weighted(associated["DNSTarget"], 100, "old"), weighted(inside.balancer.dns, 0, "new")
    await change(account, id_, *(("CREATE", record) for record in before))
    assert await asked(account, 1) == {"503": 1}  # resolvers do not know it yet
    await account.cloud.clock.sleep(31)
    assert await asked(account, 10) == {old: 10}

    after = weighted(associated["DNSTarget"], 50, "old"), weighted(inside.balancer.dns, 50, "new")
    await change(account, id_, *(("UPSERT", record) for record in after))
    await account.cloud.clock.sleep(31)
    assert await asked(account, 10) == {old: 5, "lost": 5}  # the load balancer has no certificate

    certificate = await proven(account, id_)
    listener = {"ListenerArn": inside.balancer.listener}
    await account.ask("elbv2", "add_listener_certificates", **listener, Certificates=[{"CertificateArn": certificate}])
    kept = (await account.ask("elbv2", "describe_listener_certificates", **listener))["Certificates"]
    assert [each["CertificateArn"] for each in kept] == [certificate]
    assert await asked(account, 10) == {old: 5, "404": 5}  # nor a rule for the host
    hosts = {"Field": "host-header", "HostHeaderConfig": {"Values": [*inside.rule.hosts, HOST]}}
    await account.ask("elbv2", "modify_rule", RuleArn=inside.rule.arn, Conditions=[hosts])
    assert await asked(account, 10) == {old: 5, new: 5}
    groups = [{"TargetGroup": group.arn.rpartition(":")[2]} for group in inside.groups]
    assert await counted(account, inside, "RequestCountPerTarget", groups) == 5
    await answers_by_its_name_to_a_client_of_the_proxy(account, inside, new)
    inside.front.route(None)
    assert await asked(account, 2) == {old: 1, "503": 1}
    own = ("ClientTLSNegotiationErrorCount", "HTTP_Fixed_Response_Count", "HTTPCode_ELB_5XX_Count")
    assert [await counted(account, inside, name, [{}]) for name in own] == [6, 5, 1]


async def answers_by_its_name_to_a_client_of_the_proxy(account: Account, inside: Any, new: str) -> None:
    """A client reaches the names by the endpoint as its proxy; the load balancer has a certificate for the one, and none for the other."""
    with account.cloud.clock.held():
        async with httpx.AsyncClient(proxy=account.cloud.url, verify=NO_CERTIFICATES) as client:
            answers = [
                await client.get(f"http://{name}/a?b", headers={"host": HOST}) for name in (inside.balancer.dns, HOST)
            ]
            assert all(answer.is_success for answer in answers)
            assert answers[0].text.startswith(new)
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"http://{inside.balancer.dns}/", headers={"host": "other.example.com"})
        async with httpx.AsyncClient(base_url=account.cloud.url, verify=NO_CERTIFICATES) as client:
            assert (await client.get("/", headers={"host": HOST})).status_code == 421


async def proven(account: Account, id_: str) -> str:
    """Return a certificate that a record has proven."""
    request = {"DomainName": HOST, "ValidationMethod": "DNS", "IdempotencyToken": "notes"}
    arns = [(await account.ask("acm", "request_certificate", **request))["CertificateArn"] for _ in range(2)]
    assert arns[0] == arns[1]
    await account.cloud.clock.sleep(6)
    described = (await account.ask("acm", "describe_certificate", CertificateArn=arns[0]))["Certificate"]
    record = described["DomainValidationOptions"][0]["ResourceRecord"]
    assert (described["Status"], record["Type"]) == ("PENDING_VALIDATION", "CNAME")
    await change(account, id_, ("UPSERT", cname(record["Value"], name=record["Name"])))
    await account.cloud.clock.sleep(91)
    (listed,) = (await account.ask("acm", "list_certificates", CertificateStatuses=["ISSUED"]))[
        "CertificateSummaryList"
    ]
    return str(listed["CertificateArn"])


async def counted(account: Account, gateway: Any, metric: str, parts: list[dict[str, str]]) -> float:
    """Return the sum of a metric that CloudWatch has of parts of the load balancer."""
    balancer = gateway.balancer.arn.partition(":loadbalancer/")[2]
    queries = [
        {
            "Id": f"m{index}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": metric,
                    "Dimensions": [
                        {"Name": name, "Value": value} for name, value in {"LoadBalancer": balancer, **part}.items()
                    ],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for index, part in enumerate(parts)
    ]
    now = account.cloud.clock.now().timestamp()
    found = await account.ask(
        "cloudwatch", "get_metric_data", MetricDataQueries=queries, StartTime=now - 600, EndTime=now + 60
    )
    return sum(value for result in found["MetricDataResults"] for value in result["Values"])


@pytest.mark.slow
async def test_a_client_of_route_53_is_answered_over_http(account):
    client = boto3.client(
        "route53",
        endpoint_url=account.cloud.url,
        region_name="eu-west-1",
        aws_access_key_id="simulated",
        aws_secret_access_key="x",
    )
    from anyio.to_thread import run_sync

    made = await run_sync(lambda: client.create_hosted_zone(Name="example.com", CallerReference="1"))
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": weighted("b.example.net", 0, "b")}]}
    zone_id = made["HostedZone"]["Id"]
    await run_sync(lambda: client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch))
    listed = await run_sync(lambda: client.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=HOST))
    assert listed["ResourceRecordSets"][0]["Weight"] == 0
    async with httpx.AsyncClient(base_url=account.cloud.url, verify=NO_CERTIFICATES) as plain:
        headers = {"authorization": SIGNED}
        place = f"/2013-04-01/hostedzone/{zone_id.removeprefix('/hostedzone/')}/rrset/"
        answers = [
            await plain.post(place, content=b"<not", headers=headers),
            await plain.post(place, content=b"<A><Nothing/></A>", headers=headers),
            await plain.get("/2013-04-01/trafficpolicy/1", headers=headers),
        ]
    assert [answer.status_code for answer in answers] == [400, 400, 501]
    assert "has no element Nothing" in answers[1].text
