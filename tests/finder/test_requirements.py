"""Dependencies that uv has no lock of become requirements, and another tool's lock constraints."""

import json

import pytest

from slipway.finder.requirements import constraints, requirements, translated, version
from slipway.finder.tree import Tree


@pytest.mark.parametrize(
    ("written", "specifier"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.29", ">=0.29,<0.30"),
        ("^0.0.9", ">=0.0.9,<0.0.10"),
        ("^3", ">=3,<4"),
        ("^2.9.0.post0", ">=2.9.0.post0,<3"),
        ("~1.4.2", ">=1.4.2,<1.5"),
        ("~2", ">=2,<3"),
        ("~=3.1", "~=3.1"),
        ("1.2.*", "==1.2.*"),
        ("2.0.47", "==2.0.47"),
        ("=1.0", "==1.0"),
        (">=2.0, <3", ">=2.0,<3"),
        ("*", ""),
        ("^1 || ^2", ""),
    ],
)
def test_a_version_of_poetry_is_translated(written, specifier):
    assert version(written) == specifier


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"version": "^1.9", "extras": ["email", "dotenv"]}, ["x[email,dotenv]>=1.9,<2"]),
        ({"version": "*", "optional": True}, []),
        ({"version": "^1", "python": "<3.11"}, ['x>=1,<2 ; python_full_version < "3.11"']),
        ({"git": "https://example.com/x", "rev": "abc"}, ["x @ git+https://example.com/x@abc"]),
        ({"path": "../x", "develop": True}, ["./../x"]),
        ([{"version": "1.0", "markers": "a"}, {"version": "2.0"}], ["x==1.0 ; a", "x==2.0"]),
    ],
)
def test_a_dependency_of_poetry_is_translated(spec, expected):
    assert list(translated("x", spec)) == expected


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("FROM python\nRUN poetry install --extras server,fast\n", ["alembic>=1.13,<2", "psycopg2==2.9", "orjson"]),
        ("FROM python\nRUN pip install '.[fast]'\n", ["alembic>=1.13,<2", "psycopg2==2.9", "orjson"]),
        ("FROM python\nRUN poetry install\n", ["alembic>=1.13,<2", "psycopg2==2.9"]),
    ],
)
def test_the_optional_dependencies_of_an_extra_of_poetry_are_requirements_when_it_is_needed(dockerfile, expected):
    pyproject = """
        [tool.poetry.dependencies]
        alembic = { version = "^1.13", optional = true }
        psycopg2 = { version = "2.9", optional = true }
        orjson = { version = "*", optional = true }
        redis = { version = "*", optional = true }
        [tool.poetry.extras]
        server = ["alembic", "psycopg2"]
        fast = ["orjson"]
        queue = ["redis"]
    """
    assert requirements(Tree.of({"pyproject.toml": pyproject, "Dockerfile": dockerfile})) == expected


def test_the_group_with_the_driver_is_among_the_requirements_and_no_other():
    pyproject = """
        [tool.poetry.dependencies]
        python = "^3.11"
        alembic = "^1.13"
        [tool.poetry.group.dev.dependencies]
        ruff = "*"
        [tool.poetry.group.db.dependencies]
        asyncpg = "0.29.0"
    """
    assert requirements(Tree.of({"pyproject.toml": pyproject})) == ["alembic>=1.13,<2", "asyncpg==0.29.0"]


def test_a_lock_becomes_constraints_but_not_where_it_has_several_versions():
    lock = """
        [[package]]
        name = "Alembic"
        version = "1.13.1"
        [[package]]
        name = "numpy"
        version = "1.0"
        [[package]]
        name = "numpy"
        version = "2.0"
        [[package]]
        name = "forked"
        version = "1.0"
        [package.source]
        type = "git"
        url = "https://example.com/forked"
        resolved_reference = "abc"
    """
    expected = ["alembic==1.13.1", "forked @ git+https://example.com/forked@abc"]
    assert constraints(Tree.of({"poetry.lock": lock}), "poetry.lock") == expected
    pipenv = json.dumps({"default": {"Flask": {"version": "==3.0.0"}, "local": {"path": "."}}})
    assert constraints(Tree.of({"Pipfile.lock": pipenv}), "Pipfile.lock") == ["flask==3.0.0"]
