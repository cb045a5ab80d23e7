"""Take a Python service with alembic migrations from a commit to production on AWS.

Migrations are tested by executing them, the image is built once and named by digest, and a deployment exits with 0 only when that image
is live and healthy.

Start with gate. It executes every revision on an ephemeral Postgres, new ones up, down and up again, measures the locks of each
statement, and shows the code to write instead. It needs no settings. The other commands read [tool.slipway] in the service's pyproject.toml,
which needs a name and a command; init writes both.
"""

__version__ = "0.1.0"
