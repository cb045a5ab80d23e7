"""What bootstrap is told: GitHub's repository, a private network, scaling."""

import pytest

from slipway.settings import Github, Network, Scaling, Subjects, parse
from slipway.structure import MismatchError

NETWORK = {"vpc": "vpc-1", "subnets": ("subnet-1",), "database_security_group": "sg-1"}


def test_tables_of_an_environment_and_of_github_are_read():
    found = parse("""
        [tool.slipway]
        name = "notes"
        command = ["notes"]
        [tool.slipway.github]
        repository = "octo@7/notes@8"
        subjects = "numbers"
        [tool.slipway.environments.staging]
        target = "app-runner"
        region = "eu-west-1"
        account = "123456789012"
        access-role = "arn:aws:iam::123456789012:role/a"
        network = { vpc = "vpc-1", subnets = ["subnet-1"], database-security-group = "sg-1", database-port = 5433 }
        scaling = { concurrency = 50, least = 2, most = 4 }
    """)
    assert found.github == Github("octo@7/notes@8", Subjects.NUMBERS)
    assert found.environment("staging").network == Network("vpc-1", ("subnet-1",), "sg-1", 5433)
    assert found.environment("staging").scaling == Scaling(50, 2, 4)


@pytest.mark.parametrize(
    "repository", ["notes", "octo/", "octo/no tes", "octo@7/notes", "octo/notes@8", "o/n/m", "o@x/n@8"]
)
def test_a_repository_is_an_owner_and_a_name_both_with_numbers_or_both_without(repository):
    with pytest.raises(MismatchError, match="OWNER@OWNER_ID/NAME@NAME_ID"):
        Github(repository)


def test_numbers_alone_can_be_trusted_only_where_there_are_some():
    with pytest.raises(MismatchError, match="repository has none"):
        Github("octo/notes", Subjects.NUMBERS)


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"vpc": "1"}, "vpc"),
        ({"subnets": ()}, "subnets"),
        ({"subnets": ("subnet-1", "eu-west-1a")}, "subnets[1]"),
        ({"database_security_group": "default"}, "database-security-group"),
        ({"database_port": 0}, "database-port"),
    ],
)
def test_a_network_is_named_by_ids(changed, at):
    with pytest.raises(MismatchError) as refused:
        Network(**{**NETWORK, **changed})
    assert refused.value.at == at


@pytest.mark.parametrize("numbers", [(0, 1, 1), (201, 1, 1), (1, 0, 1), (1, 2, 1), (1, 1, 26)])
def test_scaling_stays_within_what_app_runner_takes(numbers):
    with pytest.raises(MismatchError):
        Scaling(*numbers)
