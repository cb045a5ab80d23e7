import pytest

from slipway.simulator.secrets import References
from tests.simulator.account import asked

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter"


async def test_a_parameter_is_put_read_described_and_deleted(shared_account):
    ask = shared_account.ask
    await ask("ssm", "put_parameter", Name="/notes/url", Value="hunter2", Type="SecureString")
    for name in ("/notes/url", f"{PARAMETER}/notes/url"):
        read = (await ask("ssm", "get_parameter", Name=name, WithDecryption=True))["Parameter"]
        assert (read["Value"], read["ARN"], read["Version"]) == ("hunter2", f"{PARAMETER}/notes/url", 1)
    assert "hunter2" not in repr(await ask("ssm", "get_parameter", Name="/notes/url"))
    wanted = [{"Key": "Name", "Option": "Equals", "Values": ["/notes/url"]}]
    (described,) = (await ask("ssm", "describe_parameters", ParameterFilters=wanted))["Parameters"]
    assert (described["Name"], described["Type"], "hunter2" in repr(described)) == ("/notes/url", "SecureString", False)
    await ask("ssm", "delete_parameter", Name="/notes/url")
    assert (await shared_account.refusal("ssm", "get_parameter", Name="/notes/url"))[0] == "ParameterNotFound"


async def test_a_parameter_is_overwritten_only_on_request(shared_account):
    first = {"Name": "colour", "Value": "red", "Type": "String"}
    await shared_account.ask("ssm", "put_parameter", **first)
    assert (await shared_account.refusal("ssm", "put_parameter", **first))[0] == "ParameterAlreadyExists"
    put = await shared_account.ask("ssm", "put_parameter", Name="colour", Value="blue", Overwrite=True)
    assert put["Version"] == 2
    (read,) = (await shared_account.ask("ssm", "get_parameters", Names=["colour"]))["Parameters"]
    assert (read["Value"], read["Type"]) == ("blue", "String")


async def test_of_several_those_that_are_not_there_are_listed(shared_account):
    await shared_account.ask("ssm", "put_parameter", Name="/several/one", Value="1", Type="String")
    found = await shared_account.ask("ssm", "get_parameters", Names=["/several/one", "/several/two"])
    assert [there["Name"] for there in found["Parameters"]] == ["/several/one"]
    assert found["InvalidParameters"] == ["/several/two"]


@pytest.mark.parametrize(
    "request_", [{"Name": "a/b", "Value": "1", "Type": "String"}, {"Name": "untyped", "Value": "1"}]
)
async def test_a_name_or_a_type_that_ssm_does_not_take_is_refused(shared_account, request_):
    assert (await shared_account.refusal("ssm", "put_parameter", **request_))[0] == "ValidationException"


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (SECRET, '{"port": 5432, "password": "hunter2"}'),
        (f"{SECRET}:password::", "hunter2"),
        (f"{SECRET}:port::", "5432"),
        (f"{SECRET}:absent::", None),
        (f"{SECRET[:-1]}g", None),
        (f"{PARAMETER}/notes/url", "of the parameter"),
        ("/notes/url", "of the parameter"),
        (f"{PARAMETER}/notes", None),
    ],
)
def test_what_a_service_names_by_arn_is_found_in_one_place(reference, value):
    references = References()
    references.put(SECRET, '{"port": 5432}')
    references.put(f"{SECRET}:password::", "hunter2")
    references.put(f"{PARAMETER}/notes/url", "of the parameter")
    assert references.value(reference) == value


async def test_a_service_gets_the_value_of_a_parameter(account):
    digest = await account.image()
    await account.ask("ssm", "put_parameter", Name="/notes/url", Value="hunter2", Type="SecureString")
    settings = {"RuntimeEnvironmentSecrets": {"URL": f"{PARAMETER}/notes/url"}}
    await account.ask("apprunner", "create_service", ServiceName="notes", **asked(digest, **settings))
    (service,) = account.cloud.app_runner.services.values()
    await account.settled(service.arn)
    assert account.backend.started[0].variables == {"URL": "hunter2"}
