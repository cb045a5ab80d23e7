"""The page about a Dagger engine names what the Dagger object has."""

import inspect
import re
from pathlib import Path

from slipway.main import Environment

PAGE = (Path(__file__).parents[2] / "docs/engine.md").read_text()


def test_the_page_has_every_function_of_an_environment_with_its_arguments():
    told = {
        name: set(re.findall(r"`--([a-z-]+)`", arguments))
        for names, arguments in re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \|([^|]*)\|[^|]*\|$", PAGE, re.MULTILINE)
        for name in re.findall(r"`([a-z]+)`", names)
    }
    functions = {name: each for name, each in vars(Environment).items() if inspect.isfunction(each) and name[0] != "_"}
    assert told == {
        name: {parameter.replace("_", "-") for parameter in inspect.signature(each).parameters} - {"self"}
        for name, each in functions.items()
    }
