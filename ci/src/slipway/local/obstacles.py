"""The other reasons why a service cannot be tested, looked for once there is one: all obstacles are listed in one run."""

import re
from pathlib import Path

from slipway.errors import BadInputError, Obstacles, ObstaclesError, SlipwayError
from slipway.finder.settings_files import named_examples
from slipway.finder.survey import find, refuse
from slipway.finder.tree import tree_at
from slipway.finder.variables import STAND_IN
from slipway.local.guess import is_unset
from slipway.local.prove import server_binaries
from slipway.records.survey import Subject
from slipway.settings import Migrations


def look_further(obstacles: Obstacles, folder: Path, migrations: Migrations, *, needs_server: bool) -> None:
    """Note what the gate would meet later: in the service's files, and the server binaries that are missing."""
    tree = tree_at(folder)
    with obstacles.noted():
        refuse(find(tree))
    if needs_server:
        with obstacles.noted():
            server_binaries(tree, migrations)


def missing_config(folder: Path, migrations: Migrations) -> BadInputError:
    """Return the error for settings that name a file of alembic's which does not exist."""
    near = find(tree_at(folder)).value(Subject.CONFIG)
    step = "name alembic's settings file in [tool.slipway.migrations] config"
    return BadInputError(f"there is no {migrations.config} in {folder}", f"{step}; there is {near}" if near else step)


def with_its_causes(error: SlipwayError, folder: Path, migrations: Migrations) -> SlipwayError:
    """Return an error of the service's code with what may be missing.

    These are all other variables that the settings lack, if it is about one, since the code stops at the first; variables whose stand-in
    it quotes; settings files that exist only as an example.
    """
    tree = tree_at(folder)
    variables = find(tree).facts_about(Subject.VARIABLE)
    names = {fact.value.partition("=")[0]: fact.place for fact in variables if is_unset(fact, migrations)}
    if len(names) > 1 and any(re.search(rf"\b{name}\b", str(error), re.IGNORECASE) for name in names):
        listed = ", ".join(f"{name} ({place})" for name, place in names.items())
        what = f"the settings have no value for the variables that the service names: {listed}"
        return ObstaclesError([error, BadInputError(what, "add one for each to [tool.slipway.migrations] variables")])
    made_up = [name for name, value in migrations.variables.items() if value == STAND_IN]
    if made_up and repr(STAND_IN) in str(error):
        what = f"the code may not know the stand-in {STAND_IN!r}, which the settings have for {', '.join(made_up)}"
        step = "give each a value that it knows in [tool.slipway.migrations] variables"
        return ObstaclesError([error, BadInputError(what, step)])
    if "load" in error.what and (named := next(named_examples(tree), None)):
        module, wanted, example = named
        what = f"{module} reads {wanted}, which the repository has only as {example}"
        return ObstaclesError(
            [error, BadInputError(what, f"if that is the cause, copy {example} to {wanted} and fill it in")]
        )
    return error
