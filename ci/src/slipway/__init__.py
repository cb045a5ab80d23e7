"""slipway takes a Python service with alembic migrations from a commit to production on AWS.

The image is built once and named by digest; the migrations are proven by execution; a deploy says the truth.
"""

__version__ = "0.1.0"
