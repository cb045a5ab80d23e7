"""Variables that the service's code asks for one after the other, found by running its env.py again and again."""

import re
from dataclasses import replace
from typing import Final

import anyio.to_thread

from slipway.errors import SlipwayError
from slipway.finder.survey import find
from slipway.finder.variables import STAND_IN, stand_ins
from slipway.local.guess import migrations_in
from slipway.local.obstacles import named_in
from slipway.local.prove import Workplace, read_models

_MOST_RUNS: Final = 10
_KEY: Final = re.compile(r"KeyError: '([A-Z][A-Z0-9_]+)'")


async def missing_with(error: SlipwayError, at: Workplace) -> dict[str, str]:
    """Return the variables that an error of the service's code names and the settings lack, each with a stand-in.

    Code stops at the first one. So env.py is run again with stand-ins, until it does not fail at a further variable.
    """
    known = await anyio.to_thread.run_sync(stand_ins, at.tree)
    found: dict[str, str] = {}
    for _ in range(_MOST_RUNS):
        named = {name: value for name, value in known.items() if named_in(str(error), name)}
        named |= {name: known.get(name, STAND_IN) for name in _KEY.findall(str(error))}
        new = {name: value for name, value in named.items() if name not in {**at.migrations.variables, **found}}
        new.pop(at.migrations.database_variable, None)
        if not new:
            break
        if not found:
            others = migrations_in(await anyio.to_thread.run_sync(find, at.tree)).variables
        found |= new
        variables = {**others, **at.migrations.variables, **found}
        try:
            await read_models(replace(at, migrations=replace(at.migrations, variables=variables)), "")
        except SlipwayError as next_error:
            error = next_error
        else:
            break
    return found
