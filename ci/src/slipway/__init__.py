"""Take a Python service with alembic migrations from a commit to production on AWS.

The image is built once and named by digest, migrations are proven by execution, and a deployment reports what really happened.

Start with gate: it executes every revision on an ephemeral Postgres, new ones up, down and up again, measures the locks of each statement,
and fails with the code to write instead. The service describes itself in [tool.slipway] of its pyproject.toml; name and command are enough.
"""

__version__ = "0.1.0"
