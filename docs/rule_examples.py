"""The examples in `rules/`: for each rule a file with what was there before, a bad revision, and the same done well.

The tests execute them on Postgres, and the page of the rule shows them. `before`, `bad` and `good` are bodies of upgrade(); `bad_down` and `good_down`
those of downgrade(); `bad_2`, `good_2` … are the revisions after it. What is no function is a constant of the file:
`MODELS` are lines of env.py that fill `metadata`, `OPTIONS` more arguments of context.configure (`BAD_OPTIONS` for the bad one), `BAD_ENV` what the
bad one's env.py says before that,
`PREVIOUS` are the models of the release that is live (`GOOD_PREVIOUS` for the good one), `RECORDED` statements that its tests said,
`BAD_START` its start command;
`BAD_GRAPH` and `GOOD_GRAPH` the parents of each revision where nothing but these matters, `BAD_DEPENDS` what they depend on, `RELEASED` those of them
that were released, `AHEAD` those that others have added meanwhile.
"""

import ast
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "rules"


@dataclass(frozen=True)
class Example:
    """One rule's example: `bodies` of functions and `constants`, by name."""

    rule: str
    bodies: Mapping[str, str]
    constants: Mapping[str, Any]

    def revisions(self, side: str) -> list[tuple[str, str | None]]:
        """The bodies of upgrade() and of downgrade() of one side, in their order; None for a downgrade that is beside the point."""
        names = sorted(name for name in self.bodies if re.fullmatch(rf"{side}(_\d+)?", name))
        return [(self.bodies[name], self.bodies.get(f"{name}_down")) for name in names]


def examples() -> dict[str, Example]:
    """Every example by the rule's id."""
    return {path.stem: read(path) for path in sorted(FOLDER.glob("*.py"))}


def read(path: Path) -> Example:
    """An example from its file."""
    source = path.read_text(encoding="utf-8")
    bodies, constants = {}, {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef):
            bodies[statement.name] = _body(source, statement)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            constants[statement.targets[0].id] = ast.literal_eval(statement.value)
    return Example(path.stem, bodies, constants)


def _body(source: str, function: ast.FunctionDef) -> str:
    """The lines of a function below its first, comments among them."""
    lines = source.splitlines()[function.lineno : function.end_lineno]
    return textwrap.dedent("\n".join(lines))
