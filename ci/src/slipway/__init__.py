"""Take a Python service with alembic migrations from a commit to production on AWS.

The image is built once and named by digest, migrations are proven by execution, and a deployment reports what really happened.
"""

__version__ = "0.1.0"
