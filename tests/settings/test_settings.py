import re
from pathlib import Path

import pytest

from slipway.errors import BadInputError
from slipway.settings import (
    AppRunnerEnvironment,
    MigrationRunner,
    Migrations,
    RunnerKind,
    SettingsError,
    TargetKind,
    load,
    load_file,
    parse,
)

ROOT = Path(__file__).parents[2]
URL = "postgresql://notes:s%40cret@db.example:6543/orders"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:url"


def table(name, lines, changes):
    changed = lines | {key.replace("_", "-"): value for key, value in changes.items()}
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in changed.items() if value is not None)


def service(**changes):
    """A pyproject.toml with the least that is needed, and what a test changes about it."""
    return table("tool.slipway", {"name": '"notes"', "command": '["run"]'}, changes)


def migrations(**changes):
    return service() + table("tool.slipway.migrations", {}, changes)


def environment(name, **changes):
    least = {
        "target": '"app-runner"',
        "region": '"eu-west-1"',
        "account": '"123456789012"',
        "access-role": '"arn:role"',
    }
    return table(f"tool.slipway.environments.{name}", least, changes)


def staging(**changes):
    return service() + environment("staging", **changes)


def migrated(**changes):
    """An environment whose database is migrated by a task."""
    least = {
        "runner": '"ecs-task"',
        "subnets": '["subnet-1"]',
        "security-groups": '["sg-1"]',
        "execution-role": '"arn:role"',
    }
    return staging() + table("tool.slipway.environments.staging.migration", least, changes)


def refusal(text):
    with pytest.raises(SettingsError) as caught:
        parse(text)
    return str(caught.value)


def is_one_sentence(text):
    return text.isprintable() and not re.search(r"[.!?] [A-Z]", text) and not text.endswith((".", " ", ":"))


def test_only_name_and_command_are_required():
    settings = parse(service())
    assert (settings.name, settings.command, settings.port) == ("notes", ("run",), 8000)
    assert (settings.health_path, settings.smoke_paths, settings.environments) == (None, (), {})
    assert settings.migrations == Migrations()


def test_work_that_needs_neither_name_nor_command_reads_settings_without_them():
    text = '[tool.slipway.migrations]\nconfig = "db/alembic.ini"'
    assert parse(text, named=False).migrations.config == "db/alembic.ini"
    with pytest.raises(SettingsError, match="confg"):
        parse(text.replace("config", "confg"), named=False)


def test_every_kind_of_key_is_read():
    settings = parse(
        service(port="80", health_path='"/ready"', smoke_paths='["/", "/notes"]')
        + migrations(postgres='"17"', extensions='["citext"]', start_after='"3f2a"').removeprefix(service())
        + environment(
            "staging",
            cpu="256",
            memory="512",
            variables='{ COLOUR = "red" }',
            secrets=f'{{ URL = "{ARN}" }}',
            service='"shop"',
        )
        + '[tool.slipway.rehearsal]\nrefused = "a.patch"\n'
    )
    assert (settings.port, settings.health_path, settings.smoke_paths) == (80, "/ready", ("/", "/notes"))
    assert settings.migrations == Migrations(postgres="17", extensions=("citext",), start_after="3f2a")
    assert settings.environment("staging") == AppRunnerEnvironment(
        target=TargetKind.APP_RUNNER,
        region="eu-west-1",
        account="123456789012",
        access_role="arn:role",
        service="shop",
        cpu=256,
        memory=512,
        variables={"COLOUR": "red"},
        secrets={"URL": ARN},
    )
    assert (settings.rehearsal.refused, settings.rehearsal.rolled_back) == ("a.patch", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "pyproject.toml is not TOML: Invalid value (at end of document)"),
        (service(port="1" * 5000), "pyproject.toml is not TOML: Exceeds the limit"),
        ("", "pyproject.toml has no [tool.slipway]: add the table with at least name = "),
        ("[tool.other]", "pyproject.toml has no [tool.slipway]: add the table with at least name = "),
        ("tool = 3", "pyproject.toml has no [tool.slipway]: add the table with at least name = "),
        ("tool.slipway = 3", "[tool.slipway]: found 3 (a whole number), allowed is a table"),
        ("tool.slipway = []", "[tool.slipway]: found a list, allowed is a table"),
        (service(prot="80"), "[tool.slipway] prot: unknown key, did you mean port?"),
        (
            service(health_path="false", port="80").replace("-", "_"),
            "health_path: unknown key, did you mean health-path?",
        ),
        (service(colour="1"), "[tool.slipway] colour: unknown key, allowed are name, command, "),
        (migrations(drivers='"x"'), "[tool.slipway] migrations.drivers: unknown key, did you mean driver?"),
        (staging(min_size="1"), "[tool.slipway] environments.staging.min-size: unknown key, "),
        (service(name=None), "[tool.slipway] name: missing, it must be a name of small letters and digits"),
        (service(command=None), "[tool.slipway] command: missing, it must be a program and its arguments"),
        (
            staging(target=None),
            "[tool.slipway] environments.staging.target: missing, it must be one of 'app-runner', 'ecs-express'",
        ),
        (
            staging(access_role=None),
            "[tool.slipway] environments.staging.access-role: missing, it must be the ARN of the role with which the platform pulls",
        ),
        (
            service(images='{ packages = ["--allow-unauthenticated"] }'),
            "found '--allow-unauthenticated', allowed is the name of a Debian package",
        ),
        (
            service(images='{ packages = ["libpq5 ; id"] }'),
            "found 'libpq5 ; id', allowed is the name of a Debian package",
        ),
        (
            service(images='{ packages = ["libpq5"], distroless = true }'),
            "images.packages: found beside distroless, allowed is one of them",
        ),
        (
            service(images='{ dockerfile = "Dockerfile", packages = ["libpq5"] }'),
            "images.packages: found beside dockerfile, allowed is one of them",
        ),
        (
            service(build='{ image = "node", commands = ["npm run build"], results = ["dist"] }'),
            "build.commands[0]: found 'npm run build' (a text), allowed is a list",
        ),
        (
            service(build='{ image = "node", commands = [[]], results = ["dist"] }'),
            "build.commands[0]: found an empty list, allowed is a program and its arguments",
        ),
        (
            service(
                build='{ image = "node", commands = [["make"]], results = ["a"] }',
                images='{ dockerfile = "Dockerfile" }',
            ),
            "build: found beside images.dockerfile, which can have a stage for it",
        ),
        (service(images='{ target = "web" }'), "images.target: found without dockerfile, which it is for"),
        (service(images='{ dockerfile = "../Dockerfile" }'), "allowed is a file in the service's folder"),
        (
            service(images='{ dockerfile = "Dockerfile", arguments = { SIGNING_KEY = "s3cret" } }'),
            "found 'SIGNING_KEY', allowed is a name without TOKEN, PASSWORD or the like",
        ),
        (
            service(images='{ dockerfile = "Dockerfile", arguments = { INDEX = "https://me:s3/cret@host/simple" } }'),
            "images.arguments.INDEX: found something else, allowed is a value without a password, which belongs to",
        ),
        (service(name="1"), "[tool.slipway] name: found 1 (a whole number), allowed is a text"),
        (service(port='"8000"'), "[tool.slipway] port: found '8000' (a text), allowed is a whole number"),
        (service(port="8000.0"), "[tool.slipway] port: found 8000.0 (a number), allowed is a whole number"),
        (service(port="true"), "[tool.slipway] port: found true, allowed is a whole number"),
        (service(port="1979-05-27"), "[tool.slipway] port: found date, allowed is a whole number"),
        (service(command='"run"'), "[tool.slipway] command: found 'run' (a text), allowed is a list"),
        (service(command='["run", 1]'), "[tool.slipway] command[1]: found 1 (a whole number), allowed is a text"),
        (service(health_path="false"), "[tool.slipway] health-path: found false, allowed is a text"),
        (service(smoke_paths="{}"), "[tool.slipway] smoke-paths: found a table, allowed is a list"),
        (service(migrations="[]"), "[tool.slipway] migrations: found a list, allowed is a table"),
        (migrations(postgres="17"), "[tool.slipway] migrations.postgres: found 17 (a whole number), allowed is a text"),
        (
            migrations(levels='{ Q01 = "loud" }'),
            "migrations.levels.Q01: found 'loud', allowed is one of 'error', 'warning', 'note', 'off'",
        ),
        (migrations(variables="{ A = 1 }"), "migrations.variables.A: found 1 (a whole number), allowed is a text"),
        (staging(account="123456789012"), "staging.account: found 123456789012 (a whole number), allowed is a text"),
        (staging(secrets='["a"]'), "[tool.slipway] environments.staging.secrets: found a list, allowed is a table"),
        (
            staging(target='"lambda"'),
            "environments.staging.target: found 'lambda' (a text), allowed is one of 'app-runner', 'ecs-express'",
        ),
        (
            service(name='"My Notes"'),
            "[tool.slipway] name: found 'My Notes', allowed is a name of small letters and digits, ",
        ),
        (service(command="[]"), "[tool.slipway] command: found an empty list, allowed is a program and its arguments"),
        (service(port="0"), "[tool.slipway] port: found 0, allowed is 1 to 65535"),
        (service(port="65536"), "[tool.slipway] port: found 65536, allowed is 1 to 65535"),
        (
            service(health_path='"ready"'),
            "[tool.slipway] health-path: found 'ready', allowed is a path that begins with /",
        ),
        (
            service(smoke_paths='["/", ""]'),
            "[tool.slipway] smoke-paths[1]: found '', allowed is a path that begins with /",
        ),
        (
            migrations(driver='"mysql"'),
            "[tool.slipway] migrations.driver: found 'mysql', allowed is postgresql or postgresql+DRIVER",
        ),
        (
            staging(account='"1234-5678-9012"'),
            "environments.staging.account: found '1234-5678-9012', allowed is an account of 12 digits",
        ),
        (
            staging(account='"1234567890123"'),
            "environments.staging.account: found '1234567890123', allowed is an account of 12 digits",
        ),
        (
            staging(account='"١٢٣٤٥٦٧٨٩٠١٢"'),
            "environments.staging.account: found '١٢٣٤٥٦٧٨٩٠١٢', allowed is an account of 12 digits",
        ),
        (
            staging(cpu="300"),
            "environments.staging.memory: found cpu 300 with memory 2048, allowed are 256 with 512, 1024; 512 with 1024; ",
        ),
        (staging(network="{ made = true }"), "staging.network.made: unknown key, did you mean managed?"),
        (staging(database="{ made = true }"), "staging.database.made: unknown key, did you mean managed?"),
        (
            staging(network='{ cidr = "10.0.0.0/16" }'),
            "staging.network.cidr: found without managed, only managed True has it",
        ),
        (staging(cpu="256"), "environments.staging.memory: found cpu 256 with memory 2048, allowed are 256 with 512, "),
        (staging(memory="512"), "environments.staging.memory: found cpu 1024 with memory 512, allowed are "),
        (service(name='"n"'), "[tool.slipway] name: found 'n', allowed is a name of small letters and digits, "),
        (service(name=f'"{"n" * 257}"'), "[tool.slipway] name: found 'nnnn"),
        (staging(variables='{ PORT = "80" }'), "staging.variables.PORT: found a name that App Runner reserves"),
        (staging(secrets=f'{{ AWSAPPRUNNER_X = "{ARN}" }}'), "staging.secrets.AWSAPPRUNNER_X: found a name that App"),
        (
            staging(variables='{ URL = "x" }', secrets=f'{{ URL = "{ARN}" }}'),
            "staging.variables.URL: found among the secrets too, allowed is one of them",
        ),
        (
            migrated(runner=None),
            "environments.staging.migration.runner: missing, it must be one of 'direct', 'ecs-task'",
        ),
        (
            migrated(subnets=None, execution_role=None),
            "staging.migration.subnets: missing, the runner ecs-task needs subnets and execution-role",
        ),
        (
            migrated(security_groups="[]"),
            "migration.security-groups: missing, the runner ecs-task needs security-groups",
        ),
        (
            migrated(cpu="256", memory="4096"),
            "migration.memory: found cpu 256 with memory 4096, allowed are 256 with 512 to 2048; 512 with 1024 to 4096; ",
        ),
        (migrated(timeout="0"), "migration.timeout: found 0, allowed is 1 or more"),
        (migrated(subnet='["a"]'), "environments.staging.migration.subnet: unknown key, did you mean subnets?"),
        (
            staging(secrets='{ DATABASE_URL = "hunter2" }'),
            "environments.staging.secrets.DATABASE_URL: found something else, allowed is an ARN: a secret is named by its ARN",
        ),
    ],
)
def test_an_unusable_file_is_one_sentence_with_file_key_value_and_allowed_values(text, message):
    said = refusal(text)
    assert said.startswith("pyproject.toml")
    assert message in said
    assert is_one_sentence(said)


def test_each_environment_chooses_its_migration_runner():
    asked = parse(migrated(public_ip="true", timeout="60")).environment("staging").migration
    assert asked == MigrationRunner(
        runner=RunnerKind.ECS_TASK,
        subnets=("subnet-1",),
        security_groups=("sg-1",),
        execution_role="arn:role",
        public_ip=True,
        timeout=60,
    )
    direct = migrated(runner='"direct"', subnets=None, security_groups=None, execution_role=None)
    assert parse(direct).environment("staging").migration == MigrationRunner(runner=RunnerKind.DIRECT)
    assert parse(staging()).environment("staging").migration is None


def test_a_secret_in_the_file_is_not_repeated_in_the_error():
    assert "hunter2" not in refusal(staging(secrets='{ DATABASE_URL = "postgresql://notes:hunter2@db/notes" }'))


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        (256, 512),
        (256, 1024),
        (512, 1024),
        (1024, 2048),
        (1024, 3072),
        (1024, 4096),
        (2048, 4096),
        (2048, 6144),
        (4096, 8192),
        (4096, 10240),
        (4096, 12288),
    ],
)
def test_app_runners_sizes_are_allowed(cpu, memory):
    environment = parse(staging(cpu=cpu, memory=memory)).environment("staging")
    assert (environment.cpu, environment.memory) == (cpu, memory)


@pytest.mark.parametrize("port", [1, 65535])
def test_the_lowest_and_the_highest_port_are_allowed(port):
    assert parse(service(port=port)).port == port


@pytest.mark.parametrize("name", ["notes", "nn", "my-notes", "team_a.notes-2", "00", "n" * 256])
def test_a_valid_repository_name_is_a_valid_name(name):
    assert parse(service(name=f'"{name}"')).name == name


@pytest.mark.parametrize("name", ["", "Notes", "-notes", "notes-", "a--b", "team/notes", "notes\\n"])
def test_an_invalid_repository_name_is_refused(name):
    assert "[tool.slipway] name: found" in refusal(service(name=f'"{name}"'))


def test_a_service_gets_its_database_as_a_url():
    assert Migrations().database_variables(URL) == {"DATABASE_URL": URL}


def test_variable_and_driver_of_the_database_url_are_settings():
    wish = Migrations(database_variable="SQLALCHEMY_URL", driver="postgresql+asyncpg")
    expected = {"SQLALCHEMY_URL": "postgresql+asyncpg://notes:s%40cret@db.example:6543/orders"}
    assert (
        wish.database_variables(URL) == wish.database_variables(f"{URL}?options=-ca%3Db&connect_timeout=5") == expected
    )


def test_a_service_can_ask_for_the_parts_of_the_url():
    parts = {word.upper(): f"{{{word}}}" for word in ("host", "port", "user", "password", "database", "url")}
    assert Migrations(variables=parts, driver="postgresql+psycopg").database_variables(URL) == {
        "DATABASE_URL": "postgresql+psycopg://notes:s%40cret@db.example:6543/orders",
        "HOST": "db.example",
        "PORT": "6543",
        "USER": "notes",
        "PASSWORD": "s@cret",
        "DATABASE": "orders",
        "URL": "postgresql+psycopg://notes:s%40cret@db.example:6543/orders",
    }


@pytest.mark.parametrize(
    ("variables", "port"),
    [
        ({"HOST": "{host}"}, "6543"),
        ({"HOST": "{host}", "PORT": "{port}"}, None),
        ({"HOST": "{host}", "PGPORT": "1"}, "1"),
    ],
)
def test_a_service_that_asks_for_the_host_and_not_for_the_port_gets_the_variable_that_drivers_read(variables, port):
    assert Migrations(variables=variables).database_variables(URL).get("PGPORT") == port


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("host={host} port={port}", "host=db port=5432"),
        ("{user}:{password}", "me:"),
        ("{database}", "my notes"),
        ("{colour} {} {0} {", "{colour} {} {0} {"),
        ('{"json": true}', '{"json": true}'),
    ],
)
def test_what_is_no_part_of_the_url_stays_as_it_is_written(value, told):
    assert Migrations(variables={"ASKED": value}).database_variables("postgresql://me@db/my%20notes")["ASKED"] == told


@pytest.mark.parametrize(("postgres", "major"), [("17", 17), ("postgres:18@sha256:0123", None)])
def test_postgres_is_a_major_or_an_image(postgres, major):
    assert Migrations(postgres=postgres).major == major


def test_a_service_is_named_after_its_environment():
    assert parse(staging()).service_name("staging") == "notes-staging"


def test_an_environment_can_set_the_services_name():
    assert parse(staging(service='"shop"')).service_name("staging") == "shop"


@pytest.mark.parametrize("name", ["abc", "-shop", "my.shop", "s" * 41])
def test_a_service_name_that_app_runner_does_not_accept_is_refused(name):
    with pytest.raises(SettingsError) as caught:
        parse(staging(service=f'"{name}"')).service_name("staging")
    assert str(caught.value) == (
        f"a service on app-runner cannot be called '{name}': "
        "set service in [tool.slipway.environments.staging] to 4 to 40 letters, digits, - and _"
    )


@pytest.mark.parametrize(
    ("settings", "name", "next_step"),
    [
        (service(), "live", "add [tool.slipway.environments.live]"),
        (staging(), "live", "name one of staging, or add [tool.slipway.environments.live]"),
        (
            staging() + environment("edge"),
            "",
            "name one of edge, staging, or add [tool.slipway.environments.ENVIRONMENT]",
        ),
    ],
)
def test_an_unknown_environment_is_refused_with_the_known_ones(settings, name, next_step):
    with pytest.raises(SettingsError) as caught:
        parse(settings).environment(name)
    assert str(caught.value) == f"there is no environment {name!r}: {next_step}"


def test_a_folder_without_settings_is_refused_with_the_two_files_that_may_hold_them(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"there is neither a pyproject.toml nor a slipway.toml in {tmp_path}: "
        'add the table with at least name = "…" and command = ["…"], or let `slipway init` write it'
    )


def test_slipway_toml_is_read_and_refused_beside_another_table(tmp_path):
    (tmp_path / "slipway.toml").write_text(service())
    for other in ("", "\n[tool.slipway\n", '[tool.x]\na = """\n[tool.slipway]\n"""\n'):
        (tmp_path / "pyproject.toml").write_text(other)
        assert load(tmp_path).name == "notes"
    (tmp_path / "pyproject.toml").write_text("[tool.slipway.migrations]\n")
    with pytest.raises(SettingsError, match=r"slipway\.toml and pyproject\.toml both have \[tool\.slipway\]"):
        load(tmp_path)


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b"[tool]\n\xff\xfe")
    with pytest.raises(SettingsError, match=r"pyproject\.toml is not UTF-8 in line 2: save it as UTF-8") as caught:
        load(tmp_path)
    assert is_one_sentence(str(caught.value))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load_file(tmp_path)
    assert str(caught.value) == f"{tmp_path} cannot be read: Is a directory; pass a file that can be read"


def test_unusable_settings_are_bad_input():
    assert issubclass(SettingsError, BadInputError)
    assert SettingsError.exit_code == 2


def test_this_repositorys_own_settings_are_valid():
    settings = load(ROOT)
    assert settings.name == "notes"
    assert sorted(settings.environments) == ["production", "staging"]
    assert [settings.service_name(name) for name in settings.environments] == ["notes-staging", "notes-production"]


def test_alembic_is_called_with_the_file_the_section_and_the_arguments_of_the_settings():
    assert Migrations().alembic == ("--config=alembic.ini",)
    called = Migrations(config="db/a.ini", section="billing", x_arguments=("tenant=some", "b")).alembic
    assert called == ("--config=db/a.ini", "--name=billing", "-xtenant=some", "-xb")
