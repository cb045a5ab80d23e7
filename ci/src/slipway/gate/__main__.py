"""`python -m slipway.gate FILE [QUESTION]`: answer a GateQuestion, and write the Proof, Listing or models to FILE as JSON.

The question is in the file QUESTION, or in the first line of standard input. The variable SLIPWAY_DATABASE contains the
server's URL; with the value `-` the URL is in the next line of standard input.
"""

# ruff: noqa: E402 -- the imports follow the first statement
import gc

gc.disable()  # imports free no memory, and collections would take a tenth of their time

import os
import sys

# alembic's templates would import pygments, if there is one, to highlight pages of errors: a twelfth of all imports
_PYGMENTS = "mako.ext.pygmentplugin"
sys.modules[_PYGMENTS] = None  # type: ignore[assignment]  # makes the import fail

from functools import partial
from pathlib import Path

from slipway.errors import BadInputError
from slipway.gate.databases import refuse_production
from slipway.gate.forks import supervised
from slipway.gate.prove import listing, models_of, prove
from slipway.gate.steps import report_progress
from slipway.migration.database import named_in_environment
from slipway.migration.output import refuse
from slipway.records.form import from_json, text_of
from slipway.records.gate import Ask, GateQuestion

del sys.modules[_PYGMENTS]
gc.freeze()  # imported objects live until the end, so no collection traverses them and no fork copies them
gc.enable()


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when FILE contains the answer, with any verdict. Otherwise FILE contains the reason."""
    parent = os.getppid()  # read at once, because the parent may die at any time
    if len(arguments) not in (1, 2):
        print("usage: python -m slipway.gate FILE [QUESTION]", file=sys.stderr)
        return BadInputError.exit_code
    file, *questions = (Path(argument).absolute() for argument in arguments)
    try:
        text = text_of(questions[0], "the question") if questions else sys.stdin.readline()
        question = from_json(GateQuestion, text, "the question")
        server = named_in_environment()
        os.chdir(question.directory or ".")
        if not question.allow_production_like:
            refuse_production(server)
    except BadInputError as error:
        return refuse(file, error)
    if question.progress:
        report_progress()
    answers = {Ask.LISTING: listing, Ask.MODELS: models_of, Ask.PROOF: prove}
    return supervised(file, server, partial(answers[question.ask], question, server), parent)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # everything is written and dropped; an orderly end of the interpreter would only delay the caller
