"""The calls that docs/how-to/dagger.md gives a reader to type."""

import dataclasses
import inspect
import re
import textwrap
from pathlib import Path

from slipway.local.simulator import Beginning
from slipway.main import Slipway

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/dagger.md").read_text()


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
