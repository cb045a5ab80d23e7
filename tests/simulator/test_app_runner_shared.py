import pytest

from tests.simulator.account import asked

KINDS = {
    "auto_scaling_configuration": ("AutoScalingConfiguration", {"MaxConcurrency": 50, "MinSize": 2, "MaxSize": 4}),
    "vpc_connector": ("VpcConnector", {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroups": ["sg-1"]}),
    "observability_configuration": ("ObservabilityConfiguration", {"TraceConfiguration": {"Vendor": "AWSXRAY"}}),
}
kinds = pytest.mark.parametrize(("kind", "noun", "facts"), [(kind, *of) for kind, of in KINDS.items()], ids=list(KINDS))


async def made(account, kind: str, noun: str, facts: dict[str, object], name: str = "small") -> dict[str, object]:
    answer = await account.ask("apprunner", f"create_{kind}", **{f"{noun}Name": name}, **facts)
    found: dict[str, object] = answer[noun]
    return found


@kinds
async def test_what_is_made_is_described(account, kind, noun, facts):
    revision = await made(account, kind, noun, facts)
    assert revision.items() >= facts.items()
    assert (revision[f"{noun}Name"], revision[f"{noun}Revision"], revision["Status"]) == ("small", 1, "ACTIVE")
    described = await account.ask("apprunner", f"describe_{kind}", **{f"{noun}Arn": revision[f"{noun}Arn"]})
    assert described == {noun: revision}


@kinds
async def test_the_same_name_again_is_the_next_revision(account, kind, noun, facts):
    first, second = [await made(account, kind, noun, facts) for _ in range(2)]
    assert second[f"{noun}Revision"] == 2
    assert first[f"{noun}Arn"] != second[f"{noun}Arn"]


@kinds
async def test_what_is_deleted_is_described_as_inactive_and_no_longer_listed(account, kind, noun, facts):
    kept, gone = [await made(account, kind, noun, facts, name) for name in ("kept", "gone")]
    deleted = await account.ask("apprunner", f"delete_{kind}", **{f"{noun}Arn": gone[f"{noun}Arn"]})
    assert deleted[noun]["Status"] == "INACTIVE"
    listed = await account.ask("apprunner", f"list_{kind}s")
    (names,) = [[found[f"{noun}Arn"] for found in value] for value in listed.values()]
    assert names == [kept[f"{noun}Arn"]]


@kinds
async def test_an_arn_that_was_never_created_is_not_found(account, kind, noun, facts):
    arn = (await made(account, kind, noun, facts))[f"{noun}Arn"].replace("small", "other")
    refused = await account.refusal("apprunner", f"describe_{kind}", **{f"{noun}Arn": arn})
    assert refused[0] == "ResourceNotFoundException"


async def test_a_service_scales_as_the_configuration_says_that_it_is_given(account):
    first, second = [
        await made(account, "auto_scaling_configuration", *KINDS["auto_scaling_configuration"]) for _ in range(2)
    ]
    arn = await account.create(await account.image(), AutoScalingConfigurationArn=first["AutoScalingConfigurationArn"])
    summary = (await account.described(arn))["AutoScalingConfigurationSummary"]
    assert summary["AutoScalingConfigurationRevision"] == 1
    by_name = second["AutoScalingConfigurationArn"].rpartition("/2/")[0]
    operation = await account.update(arn, AutoScalingConfigurationArn=by_name)
    assert operation["Status"] == "SUCCEEDED"
    summary = (await account.described(arn))["AutoScalingConfigurationSummary"]
    assert summary["AutoScalingConfigurationArn"] == second["AutoScalingConfigurationArn"]


async def test_what_is_described_without_a_revision_is_the_last_one(account):
    noun = "auto_scaling_configuration"
    first, second = [await made(account, noun, *KINDS[noun]) for _ in range(2)]
    by_name = first["AutoScalingConfigurationArn"].rpartition("/1/")[0]
    for wanted, found in ((by_name, second), (f"{by_name}/1", first | {"Latest": False})):
        described = await account.ask("apprunner", f"describe_{noun}", AutoScalingConfigurationArn=wanted)
        assert described["AutoScalingConfiguration"] == found


async def test_a_service_without_one_has_the_accounts_default(account):
    arn = await account.create(await account.image())
    summary = (await account.described(arn))["AutoScalingConfigurationSummary"]
    assert summary["AutoScalingConfigurationName"] == "DefaultConfiguration"


async def test_what_a_service_has_cannot_be_deleted(account):
    connector = await made(account, "vpc_connector", *KINDS["vpc_connector"])
    egress = {"EgressType": "VPC", "VpcConnectorArn": connector["VpcConnectorArn"]}
    arn = await account.create(await account.image(), NetworkConfiguration={"EgressConfiguration": egress})
    assert (await account.described(arn))["NetworkConfiguration"]["EgressConfiguration"] == egress
    refused = await account.refusal("apprunner", "delete_vpc_connector", VpcConnectorArn=connector["VpcConnectorArn"])
    assert refused[0] == "InvalidRequestException"
    await account.ask("apprunner", "delete_service", ServiceArn=arn)
    await account.settled(arn)
    await account.ask("apprunner", "delete_vpc_connector", VpcConnectorArn=connector["VpcConnectorArn"])


@pytest.mark.parametrize(
    "part",
    [
        {"AutoScalingConfigurationArn": "arn:aws:apprunner:eu-west-1:123456789012:autoscalingconfiguration/none"},
        {
            "NetworkConfiguration": {
                "EgressConfiguration": {
                    "EgressType": "VPC",
                    "VpcConnectorArn": "arn:aws:apprunner:eu-west-1:123456789012:vpcconnector/none/1",
                }
            }
        },
    ],
    ids=["auto scaling", "VPC connector"],
)
async def test_a_service_is_not_created_with_what_is_not_there(account, part):
    refused = await account.refusal(
        "apprunner", "create_service", ServiceName="notes", **asked(await account.image()), **part
    )
    assert refused[0] == "InvalidRequestException"
    assert (await account.ask("apprunner", "list_services"))["ServiceSummaryList"] == []


async def test_tags_are_set_by_the_creation_and_changed_on_their_own(account):
    arn = await account.create(await account.image(), Tags=[{"Key": "team", "Value": "notes"}])
    await account.ask("apprunner", "tag_resource", ResourceArn=arn, Tags=[{"Key": "stage", "Value": "production"}])
    await account.ask("apprunner", "untag_resource", ResourceArn=arn, TagKeys=["team", "unknown"])
    tags = (await account.ask("apprunner", "list_tags_for_resource", ResourceArn=arn))["Tags"]
    assert tags == [{"Key": "stage", "Value": "production"}]


async def test_what_is_shared_has_tags_too(account):
    connector = await made(account, "vpc_connector", *KINDS["vpc_connector"])
    arn = connector["VpcConnectorArn"]
    await account.ask("apprunner", "tag_resource", ResourceArn=arn, Tags=[{"Key": "stage", "Value": "production"}])
    assert (await account.ask("apprunner", "list_tags_for_resource", ResourceArn=arn))["Tags"]


@pytest.mark.parametrize(
    "tags", [[{"Key": "aws:name", "Value": ""}], [{"Key": str(n), "Value": ""} for n in range(51)]]
)
async def test_reserved_tags_and_too_many_are_refused(account, tags):
    arn = await account.create(await account.image())
    refused = await account.refusal("apprunner", "tag_resource", ResourceArn=arn, Tags=tags)
    assert refused[0] == "InvalidRequestException"


async def test_what_does_not_exist_has_no_tags(account):
    arn = "arn:aws:apprunner:eu-west-1:123456789012:service/notes/" + "0" * 32
    refused = await account.refusal("apprunner", "list_tags_for_resource", ResourceArn=arn)
    assert refused[0] == "ResourceNotFoundException"
