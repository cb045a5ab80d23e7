"""The attributes that advanced-alchemy's commands add to alembic's configuration and that its env.py reads."""

import importlib
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from sqlalchemy.engine import URL

from slipway.errors import BadInputError

# The attributes are those of advanced_alchemy.alembic.commands.AlembicCommandConfig, the values the defaults of its
# AlembicAsyncConfig.
_DEFAULTS: Final = {
    "version_table_name": "alembic_versions",
    "version_table_schema": None,
    "render_as_batch": True,
    "user_module_prefix": "sa.",
    "compare_type": False,
}
CONFIG_MISSING: Final = 'name its SQLAlchemyAsyncConfig as app = "package.module:alchemy" in [tool.slipway.migrations]'


def is_used_by(env_py: Path) -> bool:
    return env_py.is_file() and "advanced_alchemy" in env_py.read_text(encoding="utf-8", errors="replace")


def extend(config: Config, url: URL, app: str | None) -> None:
    """Add the attributes to a configuration, with the values of the service's config object if `app` names one.

    Raise BadInputError when it cannot be imported.
    The object's module imports the models, with which env.py compares. env.py makes its own engine for `url`.
    """
    own = _config_object(app) if app else None
    options = getattr(own, "alembic_config", None)
    added: dict[str, Any] = {name: getattr(options, name, default) for name, default in _DEFAULTS.items()}
    added |= {
        "bind_key": getattr(own, "bind_key", None),
        "version_table_pk": True,
        "engine": None,
        "db_url": url.render_as_string(hide_password=False),
    }
    for name, value in added.items():
        setattr(config, name, value)


def _config_object(app: str) -> Any:
    module, _, name = app.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        message = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
        raise BadInputError(
            f"the object {app} of advanced-alchemy cannot be loaded: {message}", CONFIG_MISSING
        ) from error
    return next(iter(found)) if isinstance(found, (list, tuple)) else found
