"""Take a Python service with alembic migrations from a commit to production on AWS.

Migrations are tested by execution, and a deployment exits with 0 only when the requested image is live and healthy.

Start with gate. It executes every revision on an ephemeral Postgres; new ones go up, down and up again. It measures the locks
that the statements of new revisions take, and shows how to write a dangerous statement safely. It needs no settings. Commands that
deploy need the table [tool.slipway] in the service's pyproject.toml, with the keys name and command; init writes it.
"""

__version__ = "0.1.0"
