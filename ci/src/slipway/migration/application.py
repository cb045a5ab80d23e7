"""The Flask application in whose context Flask-Migrate's env.py runs, found in the same way as by the command `flask`."""

import importlib
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from slipway.errors import BadInputError, SlipwayError
from slipway.migration.reasons import first_line, generated

APP_MISSING: Final = 'name the application as app = "package.module:create_app" in [tool.slipway.migrations]'
_NOT_FOUND: Final = ("Could not import", "Failed to find", "Could not locate")


def application_of(app: str) -> Any:
    """Load an application by a name like FLASK_APP's; with an empty name, from `wsgi.py` or `app.py`.

    Raise BadInputError when this fails.
    """
    try:
        cli = importlib.import_module("flask.cli")
    except ImportError as error:
        what = f"app in [tool.slipway.migrations] needs Flask, which cannot be imported ({error})"
        raise BadInputError(what, "add it to the service's dependencies, or remove app") from error
    try:
        return cli.ScriptInfo(app_import_path=app or None).load_app()
    except SlipwayError:  # raised by a connection that the application opens, with a next step of its own
        raise
    except (Exception, SystemExit) as error:
        # Flask ends with the error that it caught; SQLAlchemy ends with the statement and an address of its documentation.
        lines = [first_line(error)] if isinstance(error, DBAPIError) else str(error).strip().splitlines()
        message = ": ".join([type(error).__name__, *lines[-1:]])
        not_found = any(text in str(error) for text in _NOT_FOUND)
        what = f"the Flask application {app} cannot be loaded" if app else "Flask finds no application"
        step = generated(message) or f"correct that, {APP_MISSING}, or add a variable that it needs to variables there"
        raise BadInputError(what, APP_MISSING if not_found or not app else f"{message}; {step}") from error
