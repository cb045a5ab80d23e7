"""`slipway simulator --state FILE --faults FILE`."""

import httpx
import pytest

from slipway.cli import run
from slipway.errors import BadInputError
from slipway.local.simulator import Beginning, put_faults
from slipway.rehearsal.commits import push
from slipway.simulator.clock import VirtualClock
from slipway.simulator.faults import Script
from slipway.source.git import git
from tests.simulator.account import asked, opened

ROLE = "arn:aws:iam::123456789012:role/theirs"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/notes/url"
DATABASE = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes-url-AbCdEf"
STATE = f"""
repositories = ["shop"]
roles = ["{ROLE}"]
strict-roles = true
[secrets]
"{SECRET}:password::" = "NOTES_PASSWORD"
"{PARAMETER}" = "NOTES_URL"
[databases]
"{DATABASE}" = "postgresql+asyncpg"
"""
FAULTS = '[[fault]]\noperation = "DescribeService"\neffect = "throttled"\nskip = 1\ntimes = 2\n'
VARIABLES = {"NOTES_PASSWORD": "hunter2", "NOTES_URL": "postgresql://"}


@pytest.fixture
def files(tmp_path):
    def write(state=STATE, faults=FAULTS, end="toml"):
        for name, text in (("state", state), ("faults", faults)):
            (tmp_path / f"{name}.{end}").write_text(text)
        return tmp_path / f"state.{end}", tmp_path / f"faults.{end}"

    return write


async def test_an_account_begins_with_what_the_file_says(files):
    beginning = Beginning.of(*files(), VARIABLES)
    assert "hunter2" not in repr(beginning)
    async with opened() as account:
        assert beginning.state.databases == {DATABASE: "postgresql+asyncpg"}
        beginning.put_into(account.cloud, VARIABLES, {DATABASE: "postgresql+asyncpg://here/notes"})
        assert account.cloud.references.value(DATABASE) == "postgresql+asyncpg://here/notes"
        read = await account.ask("secretsmanager", "get_secret_value", SecretId=SECRET)
        assert read["SecretString"] == '{"password": "hunter2"}'
        assert account.cloud.references.value(PARAMETER) == "postgresql://"
        assert (await account.ask("iam", "get_role", RoleName="theirs"))["Role"]["Arn"] == ROLE
        (shop,) = (await account.ask("ecr", "describe_repositories", repositoryNames=["shop"]))["repositories"]
        assert shop["imageTagMutability"] == "IMMUTABLE"


async def test_roles_of_the_real_account_are_good_unless_the_file_is_strict(files):
    async with opened() as account:
        request = asked(await account.image())
        request["SourceConfiguration"]["AuthenticationConfiguration"]["AccessRoleArn"] = ROLE + "-too"
        Beginning.of(*files(), VARIABLES).put_into(account.cloud, VARIABLES)
        assert (await account.refusal("apprunner", "create_service", ServiceName="notes", **request))[0]
        Beginning.of(None, None, {}).put_into(account.cloud, {})
        await account.ask("apprunner", "create_service", ServiceName="notes", **request)


async def test_the_faults_of_the_file_happen(files):
    faults = FAULTS.replace("DescribeService", "ListServices").replace("throttled", "denied")
    async with opened() as account:
        Beginning.of(*files(faults=faults), VARIABLES).put_into(account.cloud, VARIABLES)
        await account.ask("apprunner", "list_services")
        for _ in range(2):
            assert (await account.refusal("apprunner", "list_services"))[0] == "AccessDeniedException"
        await account.ask("apprunner", "list_services")


async def test_the_faults_of_a_running_account_are_replaced(files):
    faults = FAULTS.replace("DescribeService", "ListServices").replace("throttled", "denied").replace("skip = 1", "")
    script = Beginning.of(None, files(faults=faults)[1], {}).faults
    async with opened() as account:
        for _ in range(2):  # the second script replaces what is left of the first
            await put_faults(script, account.cloud.url)
        for _ in range(2):
            assert (await account.refusal("apprunner", "list_services"))[0] == "AccessDeniedException"
        await account.ask("apprunner", "list_services")
        await put_faults(script, account.cloud.url)
        await put_faults(Script(), account.cloud.url)
        await account.ask("apprunner", "list_services")
        async with httpx.AsyncClient() as client:
            wrong = await client.put(f"{account.cloud.url}/faults", content=b'{"fault": [{"operation": "X"}]}')
        assert (wrong.status_code, wrong.text[:15]) == (400, "fault[0].effect")
    with pytest.raises(BadInputError, match="is no simulator that takes faults"):
        await put_faults(script, "http://127.0.0.1:9")


def test_a_file_may_be_json(files):
    state, faults = files('{"repositories": ["a1"]}', '{"fault": []}', end="json")
    assert Beginning.of(state, faults, {}).state.repositories == ("a1",)


@pytest.mark.parametrize(
    ("state", "faults", "said"),
    [
        ("repositories = 1", "", "repositories: found 1 (a whole number), allowed is a list"),
        ('repositories = ["A"]', "", "repositories[0]: found 'A', which ECR refuses as a name"),
        ('role = ["x"]', "", "role: unknown key, did you mean roles?"),
        ('roles = ["x"]', "", "roles[0]: found 'x', allowed is the ARN of a role"),
        ('[secrets]\nhunter = "x"', "", "secrets[0]: found another key, allowed is the ARN of a secret or a parameter"),
        (f'[secrets]\n"{SECRET}" = "hunter-3"', "", f"names a variable for {SECRET} that is not set"),
        ("repositories = [", "", "state.toml is not TOML"),
        ("", '[[fault]]\noperation = "CreateService"', "fault[0].effect: missing, it must be one of 'throttled', "),
        ("", '[[fault]]\noperation = "X"\neffect = "throttled"', "names the operation 'X', which no service here has"),
        ("", '[[fault]]\noperation = "CreateService"\neffect = "overtaken"', "fault[0].effect: found 'overtaken'"),
        ("", '[[fault]]\noperation = "CreateService"\neffect = "denied"\ntimes = -1', "fault[0].times: found a number"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(files, state, faults, said):
    with pytest.raises(BadInputError) as refused:
        Beginning.of(*files(state, faults), VARIABLES)
    assert said in str(refused.value)
    assert str(refused.value).isprintable()
    assert "hunter" not in str(refused.value)


@pytest.mark.slow
async def test_the_newest_commit_of_a_service_is_pushed_without_an_engine(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.slipway]\nname = "shop"\nsources = ["app.py"]\ncommand = ["python", "app.py"]\n'
        '[tool.slipway.environments.staging]\ntarget = "app-runner"\nregion = "eu-west-1"\n'
        f'account = "123456789012"\naccess-role = "{ROLE}"\n'
    )
    (tmp_path / "app.py").write_text("print('one')\n")
    (tmp_path / "requirements.txt").write_text("")
    for arguments in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "1"],
    ):
        git(tmp_path, arguments)
    async with opened(clock=VirtualClock()) as account:
        first = await push(tmp_path, account.cloud.url)
        assert await push(tmp_path, account.cloud.url) == first
        assert first.digest in account.cloud.store.repositories["shop"].manifests
        assert {"shop", "shop-ledger-staging"} <= account.cloud.store.repositories.keys()
    with pytest.raises(BadInputError, match="pass it with --endpoint-url"):
        await push(tmp_path, None)


def test_a_file_that_is_not_there(capsys, tmp_path):
    assert run(["simulator", "--state", str(tmp_path / "absent.toml")]) == 2
    assert "absent.toml: No such file" in capsys.readouterr().err
