"""The calls that docs/how-to/dagger.md and other pages give a reader to type."""

import dataclasses
import inspect
import re
import textwrap
from pathlib import Path

import pytest

from slipway.local.simulator import Beginning
from slipway.main import Slipway
from slipway.objects.environment import Environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/dagger.md").read_text()
PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
_CALL = re.compile(r"dagger call (?:-m \S+ |--interactive )?(?:slipway )?((?:[^`\n#|>&;\\]|\\\n)+)")


def arguments(kind):
    """Return the functions of a Dagger object, by the names of the CLI, with the flags of each."""
    return {
        name.replace("_", "-"): {f"--{each.replace('_', '-')}" for each in inspect.signature(member).parameters}
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


OWN = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Slipway)}
FUNCTIONS = arguments(Slipway)
OF_ENVIRONMENT = set().union(*arguments(Environment).values(), {"--from"})
OF_CLI = {"--path", "--ports", "--args", "--output"}  # of Dagger's own functions, such as `export`


def wrong(text):
    """The calls of a text whose function or flags the module does not have."""
    for call in _CALL.findall(text):
        words = re.sub(r'"[^"]*"|<[^>]*>', "X", call).replace("\\\n", " ").split()
        flags = iter(words)
        name = next((word for word in flags if not word.startswith("--") or not next(flags, "")), "…")
        known = OWN | OF_CLI | FUNCTIONS.get(name, set()) | (OF_ENVIRONMENT if name == "environment" else set())
        if name != "…" and (name not in FUNCTIONS or {word for word in words if re.match("--[a-z]", word)} - known):
            yield call


def test_every_call_of_a_page_names_a_function_and_flags_that_it_has():
    texts = [page.read_text() for page in PAGES]
    assert sum(len(_CALL.findall(text)) for text in texts) > 60
    assert [call for text in texts for call in wrong(text)] == []


@pytest.mark.parametrize(
    "call",
    ["gat verdict", "gate --sinc v1", "environment --name staging deploy --imge X", "--pth x image", "--path x imag"],
)
def test_a_call_that_the_module_does_not_have_is_found(call):
    assert list(wrong(f"`dagger call {call}`"))


def test_the_simulated_account_of_the_page_is_one_that_the_simulator_reads(tmp_path):
    (snippet,) = re.findall(r"\n    # account\.toml\n((?:    .+\n)+)", PAGE)
    account = tmp_path / "account.toml"
    account.write_text(textwrap.dedent(snippet))
    assert Beginning.of(account, None, {}).state.repositories == ("notes",)
    assert "--state account.toml" in PAGE


def test_defaults_in_a_file_are_shown_for_arguments_that_exist():
    functions = {name: member for name, member in vars(Slipway).items() if inspect.isfunction(member)}
    arguments = {
        f"{name}_{argument}"
        for name, function in functions.items()
        for argument in inspect.signature(function).parameters
    }
    named = {name.lower() for name in re.findall(r"^    SLIPWAY_([A-Z_]+)=", PAGE, re.MULTILINE)}
    assert len(named) == 3
    assert named <= {field.name for field in dataclasses.fields(Slipway)} | arguments


def test_no_target_of_make_ends_at_an_object_of_which_the_cli_prints_an_id():
    calls = re.findall(r"^\tdagger call (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert calls
    assert not {call.split()[-1] for call in calls} & {"image", "sbom", "plan", "report", "proof"}
