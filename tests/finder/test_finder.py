"""The finder reads the shapes of public services; each is rebuilt here with the few files that matter."""

import base64

import pytest

from slipway.errors import BadInputError
from slipway.finder.database import created_by_migrations
from slipway.finder.requirements import requirements_of_parts
from slipway.finder.survey import find
from slipway.finder.tree import Tree, tree_at
from slipway.records.survey import Subject

SECRET = "this-is-no-secret-only-a-stand-in-slipway-0="
ENV = "from alembic import context\n"
ALEMBIC = {"alembic.ini": "[alembic]\nscript_location = migrations\n", "migrations/env.py": ENV}
ANY_NAME = {
    "names.py": "settings = Dynaconf()\n"
}  # code that joins names from parts, so that every example may be read
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
POETRY = """
[tool.poetry]
name = "shop"
[tool.poetry.dependencies]
python = "^3.11"
alembic = "^1.13"
asyncpg = "^0.29"
"""

SHAPES = {
    "Flask-Migrate with a factory that another module makes, and a release script": (
        {
            "migrations/alembic.ini": "[alembic]\n",
            "migrations/env.py": f"{ENV}from flask import current_app\n",
            "requirements.txt": "-r requirements/prod.txt\n",
            "Procfile": "web: gunicorn patched:init_app\\(\\)\nrelease: ./bin/up.sh\n",
            "bin/up.sh": "if [ $X ]; then\n  python manage.py db upgrade\nfi\n",
            "scripts/force.sh": "flask db upgrade\n",
            "Dockerfile": 'FROM python:3.14\nCMD ["gunicorn", "-c", "g.py", "patched:init_app(\'x\')"]\nEXPOSE 5000\n',
            ".python-version": "3.12\n",
            "patched.py": "from shop.app import init_app\n",
            "shop/app.py": "def init_app():\n    app = Flask('a')\n    app.register_blueprint(public.api.blueprint)\n",
            "shop/public/api.py": "blueprint = Blueprint('api', __name__, url_prefix='/api')\n@blueprint.route('/ping')\ndef ping(): ...\n",
        },
        {
            Subject.PYTHON: "3.12",
            Subject.COMMAND: "gunicorn -c g.py 'patched:init_app('\"'\"'x'\"'\"')' --bind 0.0.0.0:5000",
            Subject.HEALTH_PATH: "/api/ping",
            Subject.MIGRATES: ("python manage.py db upgrade",),
            Subject.FLASK_APP: "patched:init_app",
        },
    ),
    "FastAPI in a folder of a monorepo, with extras and a health check in its Dockerfile": (
        {
            "src/shop/alembic.ini": "[alembic]\nscript_location = migrations\n",
            "src/shop/migrations/env.py": ENV,
            "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["alembic==1.18.4"]\n[project.optional-dependencies]\napi = ["fastapi"]\npg = ["asyncpg"]\nqa = ["ruff"]\n',
            "api.Dockerfile": "FROM python:3.13\nRUN pip install --no-cache-dir /app[api,pg]\nHEALTHCHECK --interval=30s \\\n    CMD curl -f http://localhost:8090/v2/ || exit 1\n",
            "tasks.Dockerfile": "FROM python:3.13\n",
            "maint-scripts/keys.py": "os.environ['GITHUB_REPO']\n",
            "src/shop/constants.py": "MOTTO = getenv('MOTTO', mandatory=True)\nOTHER = getenv('OTHER', default='x')\n",
            "../dev/compose.yml": "db:\n  image: postgres:17.3\n",
            "../.github/workflows/ci.yml": "image: postgres:16\nrun: psql -c 'CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\";'\n",
        },
        {
            Subject.EXTRA: ("api", "pg"),
            Subject.HEALTH_PATH: "/v2/",
            Subject.PORT: "8090",
            Subject.DRIVER: "postgresql+asyncpg",
            Subject.VARIABLE: ("MOTTO=slipway",),
            Subject.EXTENSION: ("uuid-ossp",),
        },
    ),
    "Flask-Migrate with pinned requirements": (
        {
            "migrations/alembic.ini": "[alembic]\n[loggers]\nkeys = root\n",
            "migrations/env.py": f"{ENV}from flask import current_app\n",
            "requirements.txt": "Flask-Migrate==4.0.5\nalembic==1.12.1\npsycopg2-binary==2.9.9\n",
            "Procfile": "web: flask db upgrade; gunicorn shop:app\n",
            "Dockerfile": "FROM python:slim\nEXPOSE 5000\n",
            "shop.py": "from core import create_app\napp = create_app()\n",
        },
        {
            Subject.CONFIG: "migrations/alembic.ini",
            Subject.SCRIPTS: "migrations",
            Subject.FRAMEWORK: "Flask-Migrate",
            Subject.LOCK: "requirements.txt",
            Subject.APPLICATION: "shop:app",
            Subject.COMMAND: "gunicorn shop:app --bind 0.0.0.0:5000",
            Subject.DRIVER: "postgresql",
        },
    ),
    "Litestar with advanced-alchemy under src/py": (
        {
            "pyproject.toml": '[project]\nname = "app"\nrequires-python = ">=3.11"\ndependencies = ["advanced-alchemy", "psycopg[binary]"]\n',
            "uv.lock": "",
            "src/py/app/__init__.py": "",
            "src/py/app/db/migrations/alembic.ini": "[alembic]\nscript_location = migrations\n",
            "src/py/app/db/migrations/env.py": f"{ENV}from advanced_alchemy.base import metadata_registry\n",
            "src/py/app/asgi.py": "def create_app():\n    from litestar import Litestar\n    return Litestar()\n",
            "src/py/app/config.py": "from advanced_alchemy.config import SQLAlchemyAsyncConfig\nalchemy = settings.get_config()\n",
            "src/py/app/system.py": '@get(path="/health")\ndef health(): ...\n',
            "docker/Dockerfile": 'ARG PYTHON_VERSION=3.13\nFROM python:${PYTHON_VERSION}-slim\nCMD ["litestar", "run", "--host", "0.0.0.0", "--port", "9000"]\n',
        },
        {
            Subject.CONFIG: "src/py/app/db/migrations/alembic.ini",
            Subject.FRAMEWORK: "advanced-alchemy",
            Subject.ALCHEMY: "app.config:alchemy",
            Subject.PYTHON: "3.13",
            Subject.APPLICATION: "app.asgi:create_app",
            Subject.COMMAND: "litestar --app app.asgi:create_app run --host 0.0.0.0 --port 9000",
            Subject.PORT: "9000",
            Subject.HEALTH_PATH: "/health",
            Subject.SOURCES: "",  # src/py, which the package installs
            Subject.DRIVER: "postgresql+psycopg",
        },
    ),
    "poetry, with its lock and a CI service": (
        {
            **ALEMBIC,
            "pyproject.toml": POETRY,
            "poetry.lock": "",
            "app/main.py": FASTAPI + '@app.get("/healthz")\ndef healthz(): ...\n',
            "Dockerfile": "FROM python:3.12.1-slim AS build\nFROM python:3.12.1-slim\nCMD poetry run alembic upgrade head && \\\n    poetry run uvicorn --host=0.0.0.0 app.main:app\n",
            ".github/workflows/tests.yml": "services:\n  postgres:\n    image: postgres:16.2-alpine\n",
        },
        {
            Subject.LOCK: "poetry.lock",
            Subject.PYTHON: "3.12",
            Subject.SERVER: "uvicorn",
            Subject.APPLICATION: "app.main:app",
            Subject.HEALTH_PATH: "/healthz",
            Subject.POSTGRES: "16",
            Subject.DRIVER: "postgresql+asyncpg",
        },
    ),
    "pdm, with alembic called from src": (
        {
            "pyproject.toml": '[project]\nname = "shop"\nrequires-python = ">=3.11"\ndependencies = ["alembic", "asyncpg"]\n',
            "pdm.lock": "",
            "src/alembic.ini": "[alembic]\nscript_location = migrations\n",
            "src/migrations/env.py": ENV,
            "src/app/config.py": "class Settings(BaseSettings):\n    POSTGRES_DSN: PostgresDsn\n    SECRET_KEY: str\n    TRIES: int\n    MOTTO: str = 'x'\n",
        },
        {
            Subject.CONFIG: "src/alembic.ini",
            Subject.DIRECTORY: "src",
            Subject.LOCK: "pdm.lock",
            Subject.PYTHON: "3.11",
            Subject.SOURCES: "src",
            Subject.DATABASE_VARIABLE: "POSTGRES_DSN",
            Subject.VARIABLE: ("POSTGRES_DSN={url}", f"SECRET_KEY={SECRET}", "TRIES=1"),
        },
    ),
    "Pyramid with requirements of pip-tools, one file for each use": (
        {
            "conf/alembic.ini": "[alembic]\nscript_location = h/migrations\n",
            "h/migrations/env.py": ENV,
            "h/app.py": "def create_app(_global, **settings):\n    return config.make_wsgi_app()\n",
            "h/routes.py": 'config.add_route("status", "/_status")\n',
            "requirements/prod.txt": "alembic==1.16.2\npsycopg2==2.9.10\n",
            "requirements/tests.txt": "alembic==1.16.2\n",
            "conf/production.ini": "[server:main]\nlisten = 0.0.0.0:6543\n",
            ".python-version": "3.11.11\n",
        },
        {
            Subject.CONFIG: "conf/alembic.ini",
            Subject.LOCK: "requirements/prod.txt",
            Subject.PYTHON: "3.11",
            Subject.APPLICATION: "h.app:create_app",
            Subject.PORT: "6543",
            Subject.HEALTH_PATH: "/_status",
        },
    ),
    "SQLModel in a member of a uv workspace": (
        {
            **ALEMBIC,
            "../pyproject.toml": '[tool.uv.workspace]\nmembers = ["backend"]\n',
            "../uv.lock": "",
            "../.python-version": "3.14\n",
            "../compose.yml": 'db:\n  image: postgres:18\nbackend:\n  healthcheck:\n    test: ["CMD", "curl", "-f", "http://localhost:8070/api/v1/health-check/"]\n',
            "pyproject.toml": '[project]\nname = "app"\ndependencies = ["sqlmodel", "alembic", "psycopg[binary]"]\n',
            "app/main.py": FASTAPI,
            "app/migrations/env.py": "not alembic's\n",
        },
        {
            Subject.WORKSPACE: "..",
            Subject.LOCK: "../uv.lock",
            Subject.PYTHON: "3.14",
            Subject.POSTGRES: "18",
            Subject.PORT: "8070",
            Subject.HEALTH_PATH: "/api/v1/health-check/",
        },
    ),
    "a folder that the uv workspace above it leaves out": (
        {
            **ALEMBIC,
            "../pyproject.toml": '[tool.uv.workspace]\nmembers = ["*"]\nexclude = ["back*"]\n',
            "../uv.lock": "",
            "requirements.txt": "alembic==1.16.2\n",
        },
        {Subject.WORKSPACE: "", Subject.LOCK: "requirements.txt"},
    ),
    "uv with the web's dependencies in a group": (
        {
            **ALEMBIC,
            "pyproject.toml": '[project]\nname = "coins"\ndependencies = ["click"]\n[dependency-groups]\ntest = ["alembic", "asyncpg"]\nbase = ["asyncpg"]\nweb = ["alembic>=1.16", "client", {include-group = "base"}]\notel = ["opentelemetry-sdk"]\ndaemon = ["aiohttp"]\ndev = ["typing-extensions"]\n',
            "uv.lock": '[[package]]\nname = "client"\ndependencies = [{ name = "aiohttp" }]\n',
            "migrations/env.py": f"{ENV}from coins import plugins\n",
            "coins/__init__.py": "",
            # The syntax of a newer Python than slipway's may be among the modules.
            "coins/plugins.py": "from .log import get_logger\nimport aiohttp\n\nclass Plugin[:\n    from daemon import x\n",
            "coins/log.py": "import os\nfrom opentelemetry.sdk import trace\n",
            "gunicorn.conf.py": 'bind = "0.0.0.0:8010"\n',
            "main.py": "app = configure_production_app()\n",
        },
        {
            Subject.GROUP: ("web", "otel"),
            Subject.PORT: "8010",
            Subject.APPLICATION: "main:app",
            Subject.DRIVER: "postgresql+asyncpg",
        },
    ),
    "alembic's settings in pyproject.toml": (
        {
            "pyproject.toml": '[tool.alembic]\nscript_location = "%(here)s/db"\n',
            "db/env.py": ENV,
            "Dockerfile": "FROM python:3.12\nEXPOSE 80\n",
        },
        {Subject.CONFIG: "pyproject.toml", Subject.SCRIPTS: "db", Subject.PORT: "80", Subject.PYTHON: "3.12"},
    ),
    "alembic's settings named in code": (
        {
            "db.ini": "[alembic]\nscript_location = db\n",
            "db/env.py": ENV,
            "manage.py": 'config = Config("db.ini")\n',
        },
        {Subject.CONFIG: "db.ini", Subject.SCRIPTS: "db"},
    ),
}


SERVED = """
from app.store import StoreConfig
class Settings(BaseSettings):
    model_config = {"env_nested_delimiter": "__"}
    writer_db: StoreConfig = StoreConfig(uri="postgresql://a:b@c/d", size=20, token="x")
    queue: Queue = Queue(name="jobs")
    cache: Queue = Field(...)
    index: str = Field("postgresql+asyncpg://a:b@c/d")
class Queue(BaseModel):
    name: str
"""
BY_PARTS = """
import os
HOST, NAME = os.getenv("DB_HOST", "localhost"), os.environ.get("APP_DB_NAME") or "shop"
REDIS, POOL, VECTORS = os.getenv("REDIS_DB", "0"), os.getenv("DB_POOL_SIZE", 5), os.getenv("VECTOR_DB_URL", "http://v")
STORE = config("STORE", default="postgresql://a@b/c")
NAME, KEY = os.getenv("DB_CONNECTION_NAME", "web"), os.getenv("POSTGRES_SSLKEY_PASSWORD")
if "SHOP_DB" in os.environ:
    NAME = os.environ["SHOP_DB"]
TEST = os.getenv("TEST_DB_NAME", "x")
"""
SERVICES = {
    "app/config.py": SERVED,
    "app/store.py": "class StoreConfig(BaseModel):\n    uri: str\n    token: str\n    size: int\n    echo: bool = False\n",
    "app/parts.py": BY_PARTS,
    "migrations/env.py": f"{ENV}URI, SCHEMA = os.getenv('DATABASE_URI', 'x'), os.environ['SCHEMA']\n",
    "requirements.txt": "psycopg2\nasyncpg\n",
}


def test_every_variable_with_the_database_in_the_application_and_in_env_py_gets_it():
    survey = surveyed(ALEMBIC | SERVICES)
    assert survey.value(Subject.DATABASE_VARIABLE) == "DATABASE_URI"
    assert set(survey.values(Subject.VARIABLE)) == {
        *("DATABASE_URI={url}", "SCHEMA=slipway", "DB_HOST={host}", "APP_DB_NAME={database}", "STORE={url}"),
        *("CACHE__NAME=slipway", "WRITER_DB__URI={url}", f"WRITER_DB__TOKEN={SECRET}", "WRITER_DB__SIZE=20"),
        "INDEX=postgresql+asyncpg://{user}:{password}@{host}:{port}/{database}",
    }
    example = {".env.example": "DATABASE_URL=postgresql+asyncpg://a:b@c/d\nSYNC_DB_URL=postgresql+psycopg2://a:b@c/d\n"}
    assert surveyed(ALEMBIC | ANY_NAME | example | {"requirements.txt": "psycopg2\nasyncpg\n"}).values(
        Subject.VARIABLE
    ) == (
        "DATABASE_URL={url}",
        "SYNC_DB_URL=postgresql+psycopg2://{user}:{password}@{host}:{port}/{database}",
    )


def surveyed(files):
    return find(Tree.of(files, path="backend"))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_public_shape_is_read(shape):
    files, expected = SHAPES[shape]
    survey = surveyed(files)
    found = {
        subject: survey.values(subject) if isinstance(value, tuple) else survey.value(subject)
        for subject, value in expected.items()
    }
    assert found == expected
    assert survey.obstacles == ()


@pytest.mark.parametrize("name", ["slipway.toml", "pyproject.toml"])
def test_a_folder_with_settings_is_a_service_whatever_is_below_it(name):
    settings = {name: "[tool.slipway.migrations]\nconfig = 'backend/alembic.ini'\n"}
    one = {f"backend/{file}": text for file, text in (ALEMBIC | {"requirements.txt": ""}).items()}
    other = {f"tasks/{file}": text for file, text in (ALEMBIC | settings).items()}
    assert surveyed(one | other).values(Subject.SERVICE) == ("backend", "tasks")
    assert surveyed(one | settings).values(Subject.SERVICE) == ()
    assert surveyed(one | other | settings).values(Subject.SERVICE) == ()


def test_of_several_dockerfiles_the_nearest_one_that_names_an_image_or_installs_libraries_counts():
    web = "FROM python:3.11 AS build\nRUN apt-get install gcc libpq-dev\nFROM python:3.12\nRUN apt-get install libpq-dev\n"
    worker = "FROM python:3.13\nRUN apt-get install libxml2\n"
    survey = surveyed(ALEMBIC | {"Dockerfile": web, "docker/worker.Dockerfile": worker})
    assert survey.values(Subject.PYTHON) == ("3.12", "3.11")
    assert [(each.value, each.place) for each in survey.facts_about(Subject.PACKAGE)] == [
        ("libpq-dev", "Dockerfile line 2")
    ]


def test_every_value_names_its_place_and_whether_it_was_guessed():
    survey = surveyed(SHAPES["pdm, with alembic called from src"][0])
    python, variable = survey.fact(Subject.PYTHON), survey.fact(Subject.VARIABLE)
    assert (python.place, python.guessed) == ("pyproject.toml line 3", "the oldest that >=3.11 allows")
    assert variable.place == "src/app/config.py line 2"
    assert survey.fact(Subject.CONFIG).place == "src/alembic.ini line 1"


def test_what_no_file_says_literally_is_a_guess():
    one = surveyed(SHAPES["Flask-Migrate with a factory that another module makes, and a release script"][0]).fact
    other = surveyed(
        SHAPES["FastAPI in a folder of a monorepo, with extras and a health check in its Dockerfile"][0]
    ).fact
    doubts = {fact(subject).guessed for fact, subject in ((one, Subject.PYTHON), (one, Subject.COMMAND))}
    doubts |= {other(subject).guessed for subject in (Subject.POSTGRES, Subject.DOCKERFILE)}
    assert doubts == {
        "Dockerfile line 1 has 3.14",
        """the line is gunicorn -c g.py 'patched:init_app('"'"'x'"'"')'""",
        "other files have 16",
        "there is also tasks.Dockerfile",
    }


MOUNTED = "from {} import router as health\n{}"


@pytest.mark.parametrize(
    ("main", "path", "guessed"),
    [
        ("v2 = APIRouter(prefix='/v2')\nv2.include_router(router=health)\napp.include_router(v2, prefix='/api')\n", "/api/v2/health", ""),
        ("app.include_router(health, prefix=settings.PREFIX)\nPREFIX = '/v1'\n", "/v1/health", "the prefix is PREFIX, which may be set"),
        ("app.include_router(health, prefix=f'/api{PREFIX}')\n", "/api/health", "a router's prefix is computed"),
        ("PREFIX = '/v1'\napp.include_router(health, prefix=PREFIX)\n", "/v1/health", ""),
        ("from api.v1 import outer\nouter.include_router(health)\napp.include_router(outer)\n", "/v1/health", ""),
        ("v2 = APIRouter()\nv2.include_router(health)\nhealth.include_router(v2)\n", "/health", "routers are mounted in a circle"),
        ("pass", "/health", "a router may be mounted under a prefix"),
    ],
)  # fmt: skip
def test_the_health_path_begins_with_the_prefixes_of_its_routers(main, path, guessed):
    router = {
        "api/__init__.py": "from .routes.logic import router\n",
        "api/v1.py": "outer = APIRouter(prefix='/v1')\n",
        "api/routes/logic.py": "router = APIRouter(prefix='/health')\n@router.get('')\ndef get(): ...\n",
    }
    fact = surveyed(ALEMBIC | router | {"main.py": MOUNTED.format("api", main)}).fact(Subject.HEALTH_PATH)
    assert (fact.value, fact.guessed) == (path, guessed)


MANIFEST = """kind: Deployment
spec:
  template:
    spec:
      initContainers:
      - name: migrate
        command: ["alembic", "upgrade", "head"]
      containers:
        - name: cache
          image: redis:7
          ports:
            - containerPort: 6379
        - command:
            - uvicorn
          args: ["app.main:app", "--proxy-headers"]
          env:
            - name: MODE
              value: "live"
            - name: TOKEN
              valueFrom:
                secretKeyRef: { name: x }
          livenessProbe:
            httpGet:
              path: /alive
              port: http
          readinessProbe:
            httpGet: # also by the balancer
              port: 9000
              path: "/up" # soon
          ports:
            - name: http
              containerPort: 8080
---
kind: Service
"""


def test_a_manifest_of_kubernetes_has_command_port_and_health_path_and_its_variables_are_productions():
    files = {"k8s/api.yaml": MANIFEST, "app/main.py": FASTAPI, "a.py": "os.environ['MODE']\nos.environ['TOKEN']\n"}
    page = "kind: Deployment\n  containers:\n    - image: shop/page\n      ports:\n        - containerPort: 3000\n"
    files["../k8s/backends.yaml"] = MANIFEST.replace("8080", "7777")  # of another service
    files["k8s/a-page.yaml"] = f"{page}      livenessProbe:\n        httpGet:\n          path: /page\n"
    survey = surveyed(ALEMBIC | files)
    assert survey.value(Subject.COMMAND) == "uvicorn app.main:app --proxy-headers --host 0.0.0.0 --port 8080"
    assert [fact.value for fact in survey.facts_about(Subject.HEALTH_PATH)][:2] == ["/up", "/alive"]
    assert survey.values(Subject.PORT) == ("8080", "9000")
    above = surveyed(ALEMBIC | {"../k8s/backend.yaml": MANIFEST})
    assert above.values(Subject.PORT) == ("8080", "9000")
    assert survey.value(Subject.MIGRATES) == "alembic upgrade head"
    assert set(survey.values(Subject.VARIABLE)) == {"MODE=slipway", f"TOKEN={SECRET}"}


def test_the_values_of_a_chart_have_probes_and_a_port_unless_a_template_fills_them():
    values = "readinessProbe:\n  httpGet:\n    path: /ready\n    port: http\ncontainerPort: 7000\n"
    template = MANIFEST.replace('"/up" # soon', "{{ .Values.path }}").replace("8080", "{{ .Values.port }}")
    files = {
        "charts/shop/values.yaml": f"image: {{repository: shop}}\n{values}",
        "charts/a/values.yaml": f"{values.replace('/ready', '/another/program')}args: [uvicorn]\n",
        "charts/shop/templates/deployment.yaml": template.replace('"--proxy', '"{{ .Values.more }}", "--proxy'),
    }
    survey = surveyed(ALEMBIC | files)
    assert (survey.value(Subject.HEALTH_PATH), survey.value(Subject.PORT)) == ("/ready", "7000")
    assert "{{" not in survey.value(Subject.COMMAND)
    assert (
        surveyed(ALEMBIC | {"values.yaml": "a: 1\n", "k8s/x.yaml": "kind: Service\n"}).fact(Subject.HEALTH_PATH) is None
    )


def test_a_health_path_of_a_module_that_the_application_does_not_import_is_a_guess_and_the_last_choice():
    files = {
        "Dockerfile": "FROM python:3\nCMD uvicorn app.main:app\n",
        "app/main.py": "'worker.main: text of a person'\ndef create():\n    from app import routes\n",
        "app/routes.py": "@app.get('/status')\ndef status(): ...\n",
        "worker/main.py": "@app.get('/healthz')\ndef healthz(): ...\n",
    }
    paths = {fact.value: fact.guessed for fact in surveyed(ALEMBIC | files).facts_about(Subject.HEALTH_PATH)}
    assert [*paths.items()] == [("/status", ""), ("/healthz", "app.main:app does not import this module")]
    found = surveyed(ALEMBIC | files | {"app/main.py": "for each in iter_modules(): ...\n"}).fact(Subject.HEALTH_PATH)
    assert (found.value, found.guessed) == ("/healthz", "")


def test_values_of_secrets_are_not_read_from_an_example():
    example = "API_TOKEN=t0ken\nBROKER=amqp://me:pa/ss@host\nDEBUG=1\nSALT=abc\n"
    values = surveyed(ALEMBIC | ANY_NAME | {".env.example": example}).values(Subject.VARIABLE)
    assert values == (f"API_TOKEN={SECRET}", f"BROKER={SECRET}", "DEBUG=1", f"SALT={SECRET}")
    hook = "AUTH_URL=https://hooks.example/T0/abcdefghijklmnop1234\nS3_SECRET_KEY=123\n"
    assert surveyed(ALEMBIC | ANY_NAME | {".env.example": hook}).values(Subject.VARIABLE) == (
        f"AUTH_URL={SECRET}",
        "S3_SECRET_KEY=111",
    )
    placeholders = 'KEYS=\'["a", "b"]\' # two\nPHONE=+91...\nID=<the id>\nPOSTGRES=\'{"user": "me", "port": 5432}\'\nA_TOKEN=<it>\n'
    assert surveyed(ALEMBIC | ANY_NAME | {".env.example": placeholders}).values(Subject.VARIABLE) == (
        f'KEYS=["{SECRET}", "{SECRET}"]',
        'POSTGRES={"user": "{user}", "port": 5432}',
        f"A_TOKEN={SECRET}",
    )
    assert len(base64.urlsafe_b64decode(SECRET)) == 32  # what Fernet requires of a key


NESTED = "class D(BaseModel):\n    url: str\nclass M(StrEnum):\n    LIVE = 'live'\n"
COMPOSE = """services:
  a:
    {}
    healthcheck:
      test: ["CMD", "wget", "http://127.0.0.1:8200/v1/sys/health"]
  b:
    {}
    healthcheck:
      test: curl http://localhost:8000/health
"""
DOCKERFILE = "FROM python:3.12\nCMD {}\n"


@pytest.mark.parametrize(
    ("files", "subject", "value"),
    [
        ({".python-version": "# ours\n3.12.4\n3.11\n"}, Subject.PYTHON, "3.12"),
        ({".python-version": "cpython-3.13.1-linux-x86_64-gnu\n"}, Subject.PYTHON, "3.13"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\npython = '~3.10'\n"}, Subject.PYTHON, "3.10"),
        ({"pyproject.toml": "[project]\nrequires-python = '==3.11.*'\n"}, Subject.PYTHON, "3.11"),
        ({"a.py": "environ['DEV_DATABASE_URL']\nenviron['PROD_DATABASE_URL']\n"}, Subject.DATABASE_VARIABLE, "PROD_DATABASE_URL"),
        ({"migrations/env.py": f"{ENV}from flask import current_app\n", "manage.py": "app = create_app()\n", "utils.py": "def create_app():\n    return Flask('a')\n", "Procfile": "web: gunicorn manage:app\n"}, Subject.FLASK_APP, "manage:app"),
        ({"Dockerfile": "FROM ghcr.io/astral-sh/uv:python3.12-bookworm-slim\n"}, Subject.PYTHON, "3.12"),
        ({"setup.cfg": "[options]\ninstall_requires =\n  alembic\n[options.extras_require]\npostgre =\n  psycopg2\nall =\n  %(postgre)s\n"}, Subject.EXTRA, "postgre"),
        ({"setup.py": "setup(\n  extras_require={\n    'pg': [\n      'asyncpg>=0.29',\n  ]},\n)\n"}, Subject.EXTRA, "pg"),
        ({"Dockerfile": DOCKERFILE.format('["sh", "-c", "alembic upgrade head && uvicorn a:app --port 81"]')}, Subject.PORT, "81"),
        ({"migrations/env.py": f"{ENV}from flask import current_app\n", "a/core.py": "app = Flask('a')\n", "a/app.py": "from a.core import app\nMigrate(app)\n", "Procfile": "web: gunicorn a.app:app\n"}, Subject.FLASK_APP, "a.app:app"),
        ({"Dockerfile": DOCKERFILE.format('["python", "-m", "uvicorn", "a.b:app"]')}, Subject.APPLICATION, "a.b:app"),
        ({"compose.yaml": "web:\n  command: >\n    uvicorn a.b:app\n    --port 8081\n  image: x\n"}, Subject.PORT, "8081"),
        ({"compose.yaml": 'web:\n  command: bash -c "\n    uvicorn a.b:app\n    --port 8082\n    "\n  image: x\n'}, Subject.PORT, "8082"),
        ({"compose.yaml": "web:\n  command:\n  - uvicorn\n  - 'a.b:app'\n  - --port=8083\n  image: x\n"}, Subject.PORT, "8083"),
        ({"compose.yaml": 'web:\n  command:\n    ["uvicorn",\n      "a.b:app", "--port", "8084"]\n'}, Subject.PORT, "8084"),
        ({"compose.yaml": "image: postgres:${PG_VERSION:-15}-alpine\n"}, Subject.POSTGRES, "15"),
        ({"compose.yaml": 'image: "postgis/postgis:${TAG:-14-3.3}"\n'}, Subject.EXTENSION, "postgis"),
        ({"compose.yaml": "image: pgvector/pgvector:pg16\n"}, Subject.POSTGRES, "16"),
        ({"compose.yaml": "image: timescale/timescaledb:latest-pg14\n"}, Subject.POSTGRES, "14"),
        ({".gitlab-ci.yml": "services:\n  - postgres:16-alpine\n"}, Subject.POSTGRES, "16"),
        ({".gitlab-ci.yml": "services:\n  - name: postgres:13\n"}, Subject.POSTGRES, "13"),
        ({"a.py": "class A(BaseSettings):\n    a: Annotated[str, Field('x')]\n    testing_database_url: str = ''\n    b: int\n"}, Subject.VARIABLE, "B=1"),
        ({".env.example": "A_SECRET_ID=projects/1\n"}, Subject.VARIABLE, "A_SECRET_ID=projects/1"),
        ({"a.py": "class A(BaseSettings):\n    _kept: int\n    b: int = Field(validation_alias=AliasChoices('shopB', 'SHOP_B'))\n"}, Subject.VARIABLE, "SHOP_B=1"),
        ({"a.py": "class A(BaseSettings):\n    a: str = 'x'\nclass B(A):\n    b: int\n"}, Subject.VARIABLE, "B=1"),
        ({"a.py": "class OneSettings(BaseModel):\n    db_url: str = ''\nclass Two(OneSettings): ...\nclass A(Two, BaseSettings): ...\n"}, Subject.VARIABLE, "DB_URL={url}"),
        ({"a.py": "class D(BaseModel):\n    host: str = 'x'\nclass S(BaseSettings):\n    model_config = dict(env_nested_delimiter='__')\n    database: D = D()\n"}, Subject.VARIABLE, "DATABASE__HOST={host}"),
        ({"compose.test.yml": "environment:\n  MODE: test\n", "compose.yml": "environment:\n  MODE: live\n", "a.py": "os.environ['MODE']\n"}, Subject.VARIABLE, "MODE=live"),
        ({"a.py": "class A(BaseSettings):\n    model_config = SettingsConfigDict(env_prefix='shop_')\n    b: str\n"}, Subject.VARIABLE, "SHOP_B=slipway"),
        ({".env.example": "SHOPDB_URL=http://a\nSTOCKDB_URL=\n"}, Subject.DATABASE_VARIABLE, "STOCKDB_URL"),
        ({"shop/setup.py": "environ.get('DB_URL', 'sqlite://')\n"}, Subject.DATABASE_VARIABLE, "DB_URL"),
        ({"compose.override.sample.yml": "x:\n  command: gunicorn -c python:a.settings a.b:app\n"}, Subject.APPLICATION, "a.b:app"),
        ({"scripts/docker/Dockerfile": "FROM python:3.12\nEXPOSE 5000\n"}, Subject.PORT, "5000"),
        ({"tests/data/docker/Dockerfile": "FROM python:3.12\nEXPOSE 5000\n"}, Subject.PORT, "8000"),
        ({"a.py": "from os import environ\nif 'CERT' in environ:\n    a = environ['CERT']\nos.environ['HOME']\nb = int(os.environ['WORKERS'])\n"}, Subject.VARIABLE, "WORKERS=1"),
        ({"Dockerfile": "FROM python:3\nENV HOME=/x MIGRATE=false\nENV MODE live\n", ".env.example": "MIGRATE=true\n", "a.py": "os.environ['MIGRATE']\n"}, Subject.VARIABLE, "MIGRATE=false"),
        ({"Dockerfile": "FROM python:3\nENV PLACE=/data\n", "compose.yml": "environment:\n  - MODE=live # or test\n", "a.py": "os.environ['MODE']\nos.environ['PLACE']\n"}, Subject.VARIABLE, "MODE=live"),
        ({"Dockerfile": "FROM python:3\nENV PLACE=/data TOKEN=abc\n", "a.py": "os.environ['PLACE']\n"}, Subject.VARIABLE, "PLACE=slipway"),
        ({"Dockerfile": "FROM python:3\nENV TOKEN=abc\n", "a.py": "os.environ['TOKEN']\n"}, Subject.VARIABLE, f"TOKEN={SECRET}"),
        ({"a.py": "X = parse_bool(os.environ['MIGRATE'])\n"}, Subject.VARIABLE, "MIGRATE=false"),
        ({"a.py": "X = os.environ['MIGRATE'].strip().lower() in ('1', 'true')\n"}, Subject.VARIABLE, "MIGRATE=false"),
        ({"a.py": "def must_int(name):\n    if name not in os.environ:\n        raise KeyError\n    return int(os.environ[name])\nX = must_int('TRIES')\n"}, Subject.VARIABLE, "TRIES=1"),
        ({"a.py": "if __name__ == '__main__':\n    os.environ['MODE']\n"}, Subject.VARIABLE, ""),
        ({"a.py": "if __name__ == '__main__':\n    os.environ['MODE']\n", "Procfile": "web: gunicorn a.py\n"}, Subject.VARIABLE, "MODE=slipway"),
        ({"gunicorn.conf.py": "environ['CERT']\n", "a.py": "from os import environ\nenviron['REDIS_DB']"}, Subject.VARIABLE, "REDIS_DB=slipway"),
        ({"settings/.env.template": "WORKERS=4\n"}, Subject.VARIABLE, "WORKERS=4"),
        ({".env.example": "AUTH__ISSUER_URL=http://id.local/realms/a\n"}, Subject.VARIABLE, "AUTH__ISSUER_URL=http://id.local/realms/a"),
        ({".env.example": "AUTH_TYPES=basic,oidc\n"}, Subject.VARIABLE, "AUTH_TYPES=basic,oidc"),
        ({".env.example": "CLONE=/var/lib/repositories/of/the/service\n"}, Subject.VARIABLE, "CLONE=/var/lib/repositories/of/the/service"),
        ({"a.py": "A = config('X')\nB = os.environ['DATABASE_CREDENTIALS']\n"}, Subject.VARIABLE, "DATABASE_CREDENTIALS={user}:{password}"),
        ({".env.example": "BASIC_AUTH=me:you\n"}, Subject.VARIABLE, f"BASIC_AUTH={SECRET}"),
        ({"a.py": "app = Litestar([])\n", "Dockerfile": DOCKERFILE.format('["litestar", "run"]')}, Subject.COMMAND, "litestar --app a:app run --port 8000"),
        ({"web.conf": "", "conf/supervisord.conf": "command=newrelic gunicorn --paste p.ini -c g.py\n"}, Subject.COMMAND, "gunicorn --paste p.ini -c g.py --bind 0.0.0.0:8000"),
        ({".env.example": "JWT_TOKEN_ALGORITHM=HS256\n"}, Subject.VARIABLE, "JWT_TOKEN_ALGORITHM=HS256"),
        ({".env.example": "ACCESS_TOKEN_EXPIRE_MINUTES=\n"}, Subject.VARIABLE, "ACCESS_TOKEN_EXPIRE_MINUTES=60"),
        ({"a.py": f"{NESTED}class S(BaseSettings):\n    model_config = SettingsConfigDict(env_nested_delimiter='__')\n    database: D\n"}, Subject.VARIABLE, "DATABASE__URL={url}"),
        ({"a.py": f"{NESTED}class S(BaseSettings):\n    database: D = Field(default_factory=D)\n    mode: M\n"}, Subject.VARIABLE, "MODE=live"),
        ({"compose.yaml": COMPOSE.format("image: vault", "build: .")}, Subject.HEALTH_PATH, "/health"),
        ({"compose.yaml": COMPOSE.format("build: ./vault", "build:\n      context: .")}, Subject.HEALTH_PATH, "/health"),
        ({"compose.yaml": COMPOSE.format("build: .", "image: mail")}, Subject.HEALTH_PATH, "/v1/sys/health"),
        ({"a.py": "class Server(BaseModel): ...\nclass ServerSettings(Server): ...\nclass Deploy(ServerSettings):\n    mode: str\n"}, Subject.VARIABLE, ""),
        ({"requirements.txt": "fastapi\n", "a/main.py": "app = start_application()\n", "run.sh": "gunicorn a.main:app --worker-class $KIND\n"}, Subject.COMMAND, "gunicorn --worker-class uvicorn.workers.UvicornWorker a.main:app --bind 0.0.0.0:8000"),
        ({"requirements.txt": "uvicorn\n", "charm/main.py": "os.environ['PROXY']\n", "a/main.py": FASTAPI, "example/run.sh": "gunicorn a.main:app --workers 9\n"}, Subject.COMMAND, "uvicorn a.main:app --host 0.0.0.0 --port 8000"),
        ({"docker-compose.prod.yml": COMPOSE.format("image: mail", "build: .\n    ports:\n      - '127.0.0.1:${PORT:-80}:8070/tcp'")}, Subject.PORT, "8070"),
        ({"compose.yml": COMPOSE.format("image: mail\n    ports:\n      - 25:25", "image: web")}, Subject.PORT, "8000"),
        ({"compose.yml": COMPOSE.format("image: mail\n    ports:\n      - 25:25\n  # the port\n    - 26:26", "build: .\n    command:\n      - db:5432\n    ports:\n      - 80:8071")}, Subject.PORT, "8071"),
        ({"compose.yml": COMPOSE.format("image: mail\n    environment:\n      MODE: mail\n      KIND: x", "build: .\n    environment:\n      MODE: *mode\n      KIND: api"), "a.py": "os.environ['KIND']\nos.environ['MODE']\n"}, Subject.VARIABLE, "KIND=api"),
        ({"tools/railway.app.json": '\t\t"healthcheckPath": "/up",\n', "a.py": FASTAPI}, Subject.HEALTH_PATH, "/up"),
        ({"compose.yml": "  command: [uvicorn, a:app, --port, '9000'] # by hand\n"}, Subject.PORT, "9000"),
        ({"compose.yml": "  command:\n    - sh\n    - -c\n    - |\n      alembic upgrade head\n      exec uvicorn a:app\n"}, Subject.LEFT_OUT, "alembic upgrade head"),
        ({"compose.yml": "  command: alembic -x uri=postgresql://me:pass@pg/a upgrade head\n"}, Subject.MIGRATES, "alembic -x uri=postgresql://pg/a upgrade head"),
        ({"run.sh": "which gunicorn\ngunicorn a:app\n"}, Subject.COMMAND, "gunicorn a:app --bind 0.0.0.0:8000"),
        ({"a.py": "class S(BaseSettings):\n    signing_key: str = 'x'\n    def check(self):\n        if self.signing_key == 'x':\n            raise ValueError\n"}, Subject.VARIABLE, f"SIGNING_KEY={SECRET}"),
        ({"render.yaml": "  healthCheckPath: /up # web\n"}, Subject.HEALTH_PATH, "/up"),
        ({".env.example": "WORKERS=${WORKERS:-4}\n"}, Subject.VARIABLE, "WORKERS=4"),
        ({".env.example": "SMTP_USER= # leave it empty\n"}, Subject.VARIABLE, "SMTP_USER="),
        ({".env.example": "SMTP_USER=\n", "a.py": "os.environ['SMTP_USER']"}, Subject.VARIABLE, "SMTP_USER=slipway"),
        ({"compose.yaml": "image: quay.io/sclorg/postgresql-15-c9s\n"}, Subject.POSTGRES, "15"),
        ({"Dockerfile_app": "FROM python:3.12\nEXPOSE 5000\n"}, Subject.PORT, "5000"),
        ({"a.py": FASTAPI}, Subject.HEALTH_PATH, "/docs"),
        ({"a.py": "app = FastAPI(openapi_url=f'{PREFIX}/openapi.json')\n"}, Subject.HEALTH_PATH, "/docs"),
        ({"a.py": "app = FastAPI(docs_url=None)\n"}, Subject.HEALTH_PATH, ""),
        ({"a.py": "app = FastAPI(openapi_url=URL if DEBUG else None)\n"}, Subject.HEALTH_PATH, ""),
        ({"a.py": FASTAPI, "b.py": FASTAPI}, Subject.HEALTH_PATH, ""),
        ({"bin/docker-entrypoint": "server() {\n  exec /usr/bin/gunicorn -b 0.0.0.0:81 a.b:app\n}\n"}, Subject.PORT, "81"),
        ({"Procfile": "web: gunicorn -k uvicorn.workers.UvicornWorker a:app\n"}, Subject.COMMAND, "gunicorn -k uvicorn.workers.UvicornWorker a:app --bind 0.0.0.0:8000"),
        ({"a.py": "app = Flask(__name__)\n", "Procfile": "web: granian --interface wsgi --workers 4 --port $PORT a:app\n"}, Subject.COMMAND, "granian --interface wsgi --workers 4 a:app --host 0.0.0.0 --port 8000"),
        ({"Procfile": "web: uvicorn a:app --workers 4 --proxy-headers --host=:: --limit-concurrency ${LIMIT} >log 2>&1\n"}, Subject.COMMAND, "uvicorn a:app --workers 4 --proxy-headers --host 0.0.0.0 --port 8000"),
        ({"Procfile": "web: gunicorn -c conf/g.py -b :81 --pid /run/g.pid --timeout=90 $APP\n", "a.py": "app = Flask(__name__)\n"}, Subject.COMMAND, "gunicorn -c conf/g.py --timeout=90 a:app --bind 0.0.0.0:81"),
        ({"Procfile": "web: gunicorn --access-logformat '%(h)s; %(l)s' a:app\n"}, Subject.COMMAND, "gunicorn --access-logformat '%(h)s; %(l)s' a:app --bind 0.0.0.0:8000"),
        ({"Dockerfile": 'FROM a\nCMD ["/app/start.sh"]\n', "start.sh": "alembic upgrade head\ngranian a:app --port 81 \\\n  --respawn-failed-workers \\\n  --access-log $@\n", "compose.yaml": "  command: granian a:app --reload\n"}, Subject.COMMAND, "granian a:app --respawn-failed-workers --access-log --host 0.0.0.0 --port 81"),
        ({"a.py": FASTAPI, "compose.yaml": "  command: uvicorn a:app --reload --workers 2\n"}, Subject.COMMAND, "uvicorn a:app --host 0.0.0.0 --port 8000"),
        ({"a.py": "app = Flask(__name__)\n", "requirements.txt": "granian\n"}, Subject.COMMAND, "granian --interface wsgi a:app --host 0.0.0.0 --port 8000"),
        ({"a.py": FASTAPI, "run.sh": "gunicorn a:app \\\n  --worker-class=$CLASS\n"}, Subject.COMMAND, "gunicorn --worker-class uvicorn.workers.UvicornWorker a:app --bind 0.0.0.0:8000"),
        ({"Dockerfile": DOCKERFILE.format('["fastapi", "run", "--workers", "4", "a.py"]')}, Subject.COMMAND, "fastapi run --workers 4 a.py --port 8000"),
        ({"a.py": "app = start()\n", "requirements.txt": "fastapi\n", "Procfile": "web: gunicorn a:app\n"}, Subject.COMMAND, "gunicorn --worker-class uvicorn.workers.UvicornWorker a:app --bind 0.0.0.0:8000"),
        ({"heroku.yml": "run:\n  web: gunicorn --paste etc/live.ini --bind :$PORT\n"}, Subject.COMMAND, "gunicorn --paste etc/live.ini --bind 0.0.0.0:8000"),
        ({"render.yaml": 'startCommand: "uvicorn a:app"\n'}, Subject.APPLICATION, "a:app"),
        ({"a.py": "def get_app():\n    return FastAPI()\n", "Procfile": "web: gunicorn -k uvicorn.workers.UvicornWorker a:get_app\n"}, Subject.COMMAND, "gunicorn -k uvicorn.workers.UvicornWorker a:get_app --bind 0.0.0.0:8000"),
        ({"a.py": "bp = Blueprint('a', __name__, url_prefix='/ops')\n@bp.route('healthz')\ndef a(): ...\n"}, Subject.HEALTH_PATH, "/ops/healthz"),
        ({"a.py": "def must(key):\n    if not (value := os.getenv(key)):\n        raise ValueError(key)\n", "b.py": "X = UUID(must('SHOP'))\n"}, Subject.VARIABLE, "SHOP=00000000-0000-4000-8000-000000000000"),
        ({"uv.lock": '[[package]]\nname = "aiopg"\ndependencies = [{ name = "psycopg2-binary" }]\n', "pyproject.toml": "[project]\ndependencies = ['alembic', 'asyncpg', 'aiopg']\n"}, Subject.DRIVER, "postgresql"),
        ({"compose.yml": "    SIMPLIFIED_DATABASE: 'postgresql://a:b@pg/c'\n"}, Subject.DATABASE_VARIABLE, "SIMPLIFIED_DATABASE"),
        ({"a.py": "X = _get_config('DATABASE_USERNAME')\nY = _get_config('Z', default='')\n"}, Subject.VARIABLE, "DATABASE_USERNAME={user}"),
        ({"Procfile": "web: ddtrace-run sh -c 'gunicorn a:app'\n"}, Subject.COMMAND, "ddtrace-run gunicorn a:app --bind 0.0.0.0:8000"),
        ({"Procfile": "web: opentelemetry-instrument --traces_exporter $EXPORTER --x=1 gunicorn a:app\n"}, Subject.COMMAND, "opentelemetry-instrument --x=1 gunicorn a:app --bind 0.0.0.0:8000"),
        ({"Procfile": "web: poetry run opentelemetry-instrument --logs_exporter otlp gunicorn a:app\n"}, Subject.COMMAND, "opentelemetry-instrument --logs_exporter otlp gunicorn a:app --bind 0.0.0.0:8000"),
        ({"Procfile": "web: newrelic-admin run-program python -m gunicorn a:app\n"}, Subject.COMMAND, "newrelic-admin run-program gunicorn a:app --bind 0.0.0.0:8000"),
        ({"Dockerfile": 'FROM a\nENTRYPOINT ["ddtrace-run"]\nCMD ["gunicorn", "a:app"]\n'}, Subject.COMMAND, "ddtrace-run gunicorn a:app --bind 0.0.0.0:8000"),
        ({"Procfile": "web: gunicorn --worker-class=x.Y -w 2 a:app\n"}, Subject.COMMAND, "gunicorn --worker-class=x.Y -w 2 a:app --bind 0.0.0.0:8000"),
        ({"run.sh": "exec gunicorn\n"}, Subject.COMMAND, "gunicorn"),
        ({"run.bash": "poetry run gunicorn -c ${HOME}/deploy/wsgi/gunicorn.conf.py\n", "deploy/wsgi/gunicorn.conf.py": "wsgi_app = 'a.b:app'\nbind = '0.0.0.0:81'\n", "gunicorn.py": "wsgi_app = 'c:app'\n"}, Subject.COMMAND, "gunicorn -c deploy/wsgi/gunicorn.conf.py a.b:app --bind 0.0.0.0:81"),
        ({"a.py": "A = 1\n\nSHOP_DATABASE_URI: str = address()\n"}, Subject.DATABASE_VARIABLE, ""),
        ({"a.py": "class S:\n    FEEDBACK_URL: str = address()\n    UPGRADE_URI: str = address()\n"}, Subject.DATABASE_VARIABLE, ""),
        ({"a/wsgi.py": "application = create()\n"}, Subject.COMMAND, "gunicorn a.wsgi:application --bind 0.0.0.0:8000"),
        ({"a/b.py": "app = create_app()\n", "requirements.txt": "gunicorn\n"}, Subject.COMMAND, "gunicorn a.b:app --bind 0.0.0.0:8000"),
        ({"migrations/env.py": f"{ENV}from flask import current_app\n", "run.sh": "FLASK_APP=./src/manage.py:app flask run\n"}, Subject.FLASK_APP, "src.manage:app"),
        ({"Dockerfile": "FROM registry.example/ubi9/python-312-minimal:9.8@sha256:0 AS base\n"}, Subject.PYTHON, "3.12"),
        ({"a.py": "def app(environ, start):\n    environ['PATH_INFO']\n"}, Subject.VARIABLE, ""),
        ({"migrations/alembic.ini": "[alembic]\nscript_location = .\n", "alembic.ini": ""}, Subject.SCRIPTS, "migrations"),
        ({"a.py": "f'CREATE EXTENSION IF NOT EXISTS \"{name}\"'\n"}, Subject.EXTENSION, ""),
        ({"pyproject.toml": "tool = 3\nproject = []\n"}, Subject.CONFIG, "alembic.ini"),
        ({"pyproject.toml": "[tool.poetry]\nname = 'a b'\ndependencies = []\n[dependency-groups]\nx = 3\n"}, Subject.NAME, "a-b"),
        ({"a.py": "def (", "b.py": "a" + "+a" * 3000}, Subject.CONFIG, "alembic.ini"),
    ],
)  # fmt: skip
def test_another_spelling_is_read_and_nonsense_does_no_harm(files, subject, value):
    assert surveyed(ALEMBIC | ANY_NAME | files).value(subject) == value


def test_of_an_example_only_variables_that_the_code_may_need_are_proposed():
    names = ("NEEDED", "HAS_DEFAULT", "NONE", "GIVEN", "READ", "FOR_DOCKER_ONLY", "DB_HOST", "LOOKED_UP", "FLAG")
    code = {
        "a.py": "class A(BaseSettings):\n    needed: int\n    has_default: int = 3\n    none: str | None = None\n    db_host: str = 'x'\n",
        "b.py": "A, B = os.getenv('GIVEN', 'x'), os.getenv('LOOKED_UP')\nC, READ = get_env('FLAG', True), 1\n",
    }
    example = {".env.example": "".join(f"{name}=1\n" for name in names)}
    assert surveyed(ALEMBIC | code | example).values(Subject.VARIABLE) == (
        *("NEEDED=1", "READ=1", "DB_HOST={host}", "LOOKED_UP=1"),
    )
    code = "class A(BaseSettings, env_prefix='shop_', env_nested_delimiter='__'): ...\n"
    joined = {"a.py": code, ".env.example": "SHOP_MODE=1\nMAIL__HOST=1\nOTHER=1\n", "../.env.example": "SHOP_NAME=1\n"}
    assert surveyed(ALEMBIC | joined).values(Subject.VARIABLE) == ("SHOP_MODE=1", "MAIL__HOST=1")


def test_of_several_servers_that_a_factory_makes_flask_runs_the_factory_and_says_that_it_is_a_guess():
    factory = "def create_app():\n    return Flask(__name__)\n"
    files = {
        "migrations/alembic.ini": "[alembic]\n",
        "migrations/env.py": f"{ENV}from flask import current_app\n",
        "setup.cfg": "[metadata]\nname = Zoo\n[options]\ninstall_requires =\n    gunicorn==1\n",
        "zoo/__init__.py": factory,
        "zoo/debug.py": "app = create_app()\n",
        "zoo/events.py": "app = create_app()\n",
    }
    survey = surveyed(files)
    app = survey.fact(Subject.FLASK_APP)
    assert (app.value, app.guessed) == ("zoo:create_app", "there is also zoo.debug:app, zoo.events:app")
    assert survey.value(Subject.NAME) == "zoo"
    assert survey.value(Subject.COMMAND) == "gunicorn zoo.debug:app --bind 0.0.0.0:8000"


STAGES = "FROM python:3.12 AS base\nCOPY . .\nUSER app\nFROM base AS {}\nFROM base AS {}\n"


@pytest.mark.parametrize(
    ("files", "image", "is_root"),
    [
        ({"Dockerfile": STAGES.format("production", "debug")}, ("Dockerfile", "production"), False),
        ({"Dockerfile": STAGES.format("debug", "web")}, ("Dockerfile", ""), False),
        ({"Dockerfile": "FROM python\nCOPY app alembic.ini req*.txt ./\nCOPY --from=x /a /b\n", "app/a.py": ""}, ("Dockerfile", ""), True),
        ({"Dockerfile": "FROM python:3\n", "Dockerfile.prod": "FROM python:3\nUSER 1\n"}, ("Dockerfile.prod", ""), False),
        ({"Dockerfile": 'FROM python:3\nCOPY ["backend/app", "/app"]\n'}, ("", ""), False),  # the repository is its context
        ({"../Dockerfile": "FROM python:3\n"}, ("", ""), False),
        ({"Dockerfile": "FROM node\nUSER node\n"}, ("", ""), False),
        ({"Dockerfile": "COPY . .\nFROM"}, ("", ""), False),
    ],
)  # fmt: skip
def test_the_services_own_dockerfile_is_proposed_when_the_folder_is_its_context(files, image, is_root):
    survey = surveyed(ALEMBIC | files)
    assert (survey.value(Subject.DOCKERFILE), survey.value(Subject.TARGET)) == image
    assert survey.value(Subject.USER) == ("root" if is_root else "")
    assert not any(fact.guessed for fact in survey.facts_about(Subject.DOCKERFILE))


ROOT = "revision = 'a'\ndown_revision = None\ndef upgrade():\n    {}\n"
NEXT = "revision: str = 'b'\ndown_revision: str = 'a'\ndef upgrade():\n    op.add_column('users', x)\n"


@pytest.mark.parametrize(
    ("first", "place"),
    [
        ("op.alter_column('users', 'name')", "migrations/versions/a.py line 4"),
        ("pass", "migrations/versions/b.py line 4"),
        ("op.execute('CREATE EXTENSION citext')", "migrations/versions/b.py line 4"),
        ("op.create_table('users')", None),
        ("op.create_table('users', sa.ForeignKeyConstraint(['a'], ['shop.users.id']))", None),
        (
            "op.create_table('users', sa.ForeignKeyConstraint(['a'], ['shop.events.id']))",
            "migrations/versions/a.py line 4",
        ),
        (
            "op.create_table('users', sa.Column('a', sa.Integer, sa.ForeignKey('events.id')))",
            "migrations/versions/a.py line 4",
        ),
        ("op.execute('CREATE TABLE users (id int)')", None),
        ("run(Path('schema.sql'))", None),
    ],
)
def test_a_history_whose_first_revision_changes_a_table_may_need_a_baseline(first, place):
    files = {"migrations/versions/a.py": ROOT.format(first), "migrations/versions/b.py": NEXT}
    fact = surveyed(ALEMBIC | files).fact(Subject.BASELINE)
    assert (fact and fact.place) == place
    assert fact is None or (fact.value, bool(fact.guessed)) == ("migrations/baseline.sql", True)
    named = {"pyproject.toml": "[tool.slipway.migrations]\nbaseline = 'b.sql'\n"}
    fact = surveyed(ALEMBIC | files | named).fact(Subject.BASELINE)
    assert (fact.value, fact.place, fact.guessed) == ("b.sql", "pyproject.toml", "")


def test_extras_and_groups_are_those_that_the_settings_name_and_a_compiled_lock_gets_the_missing_ones():
    extras = (
        '[project.optional-dependencies]\npg = ["psycopg2>=2.9"]\nx = ["idna"]\n[dependency-groups]\ndb = ["asyncpg"]\n'
    )
    project = {"pyproject.toml": f"[project]\ndependencies = ['alembic']\n{extras}"}
    tree = Tree.of(ALEMBIC | project | {"requirements.txt": "alembic==1.16.2\n"})
    assert requirements_of_parts(tree) == ["asyncpg"]
    assert requirements_of_parts(Tree.of(ALEMBIC | project | {"requirements.txt": "alembic==1\npsycopg==3\n"})) == []
    own = {"slipway.toml": '[tool.slipway.migrations]\nextras = ["x", "computed"]\n'}
    survey = surveyed(ALEMBIC | project | own)
    assert (survey.values(Subject.EXTRA), survey.values(Subject.GROUP)) == (("x", "computed"), ())


def test_a_command_for_development_is_a_guess():
    server = surveyed(ALEMBIC | {"Makefile": "run:\n\tuvicorn app.main:app --port 9000\n"}).fact(Subject.SERVER)
    assert (server.value, bool(server.guessed)) == ("uvicorn", True)


SERVE = "gunicorn app:app --bind 0.0.0.0:8000"


@pytest.mark.parametrize(
    ("name", "text", "left_out"),
    [
        ("Procfile", "web: flask db upgrade; flask compile; gunicorn app:app", ("flask db upgrade", "flask compile")),
        ("Procfile", "web: flask db upgrade;gunicorn app:app", ("flask db upgrade",)),
        ("Dockerfile", "FROM a\nCMD alembic upgrade head && exec gunicorn app:app\n", ("alembic upgrade head",)),
        ("Dockerfile", 'FROM a\nCMD ["sh", "-c", "set -e; cd x && gunicorn app:app"]\n', ("cd x",)),
        (
            "compose.yml",
            "  command: |\n    alembic upgrade head\n    gunicorn \\\n      app:app\n",
            ("alembic upgrade head",),
        ),
        (
            "boot.sh",
            "#!/bin/sh\n# flask db upgrade\necho alembic upgrade\npython -m pip install --upgrade pip\ngunicorn app:app\n",
            (),
        ),
        (
            "boot.sh",
            "#!/bin/sh\nflask db upgrade\nflask db upgrade\nexec gunicorn app:app\n",
            ("flask db upgrade",),
        ),
    ],
)
def test_the_other_commands_of_a_start_are_named_at_their_lines(name, text, left_out):
    survey = surveyed(ALEMBIC | {name: text})
    places = [fact.place.rpartition(" ")[2] for fact in survey.facts if fact.subject is Subject.LEFT_OUT]
    assert name != "boot.sh" or all("flask db upgrade" in text.splitlines()[int(line) - 1] for line in places)
    assert (survey.value(Subject.COMMAND), survey.values(Subject.LEFT_OUT)) == (SERVE, left_out)


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"app.py": ""}, "found no alembic history"),
        ({"alembic.ini": "[alembic]\n"}, "alembic.ini has no script_location"),
        ({"alembic.ini": "[alembic]\nscript_location = db\n"}, "names the folder db, which does not exist"),
        (
            ALEMBIC | {"requirements.txt": "alembic==1\naiomysql==0.2\n"},
            "uses MySQL (aiomysql is among its dependencies)",
        ),
    ],
    ids=["no history", "no script_location", "a folder that does not exist", "MySQL only"],
)
def test_an_obstacle_is_named_with_the_next_step(files, what):
    (obstacle,) = surveyed(files).obstacles
    assert what in obstacle.what
    assert obstacle.next_step


CONFIG = """
import os, tomllib
NAME = os.path.join(os.path.dirname(__file__), "settings.toml")
def load():
    path = os.getenv("SETTINGS") or NAME
    with open(path, "rb") as file:
        return tomllib.load(file)
config = load()
"""
SETTINGS = ALEMBIC | {
    "migrations/env.py": f"{ENV}from app.models import Base\n",
    "app/models.py": "from app import config\n",
    "app/config.py": CONFIG,
    "app/settings_example.toml": "",
}


@pytest.mark.parametrize(
    "changed",
    [
        {"app/settings.toml": ""},
        {"app/config.py": CONFIG.replace("config = load()", "")},
        {"app/config.py": CONFIG.replace("config = load()", "if __name__ == '__main__':\n    load()")},
        {
            "app/config.py": CONFIG.replace(
                "config = load()", "try:\n    config = load()\nexcept OSError:\n    config = {}"
            )
        },
        {"app/config.py": CONFIG.replace("config = load()", "config = load() if os.path.exists(NAME) else {}")},
        {"app/config.py": CONFIG.replace('"rb"', '"wb"')},
        {"migrations/env.py": ENV},
        {"slipway.toml": '[tool.slipway.migrations.variables]\nSETTINGS = "app/settings_example.toml"\n'},
    ],
    ids=[
        "is there",
        "not on import",
        "a program",
        "caught",
        "looked for",
        "written",
        "not by env.py",
        "named by a variable",
    ],
)
def test_a_settings_file_that_exists_only_as_an_example_is_an_obstacle_if_env_py_needs_it(changed):
    (obstacle,) = surveyed(SETTINGS).obstacles
    assert obstacle.what == (
        "app/config.py line 6 opens app/settings.toml, which the repository has only as app/settings_example.toml"
    )
    assert obstacle.next_step.startswith("copy app/settings_example.toml to app/settings.toml")
    assert surveyed(SETTINGS | changed).obstacles == ()


def test_all_obstacles_are_listed_in_one_run():
    files = {"alembic.ini": "[alembic]\n", "requirements.txt": "alembic==1\npymysql==1\n"}
    assert len(surveyed(files).obstacles) == 2


def test_a_folder_is_read_with_the_files_above_it_but_without_its_environments(tmp_path, monkeypatch):
    for name in (".git/HEAD", "compose.yml", ".github/workflows/ci.yml", "other/alembic.ini", "api/alembic.ini"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("[alembic]\n")
    (tmp_path / "api/.venv/lib").mkdir(parents=True)
    (tmp_path / "api/.venv/pyvenv.cfg").write_text("version = 3.12.1\n")
    (tmp_path / "api/.venv/lib/x.py").write_text("")
    tree = tree_at(tmp_path / "api")
    assert set(tree.names) == {"alembic.ini", ".venv/pyvenv.cfg", "../compose.yml", "../.github/workflows/ci.yml"}
    assert find(tree).value(Subject.PYTHON) == "3.12"
    monkeypatch.setattr("slipway.finder.tree._MOST", 1)
    with pytest.raises(BadInputError, match="has more than 1 files: pass the service's folder with --source"):
        tree_at(tmp_path / "api")


def test_extensions_that_revisions_and_the_baseline_create_choose_the_server():
    files = {
        "versions/a.py": "down_revision = None\nop.execute('CREATE EXTENSION IF NOT EXISTS citext')",
        "db/baseline.sql": 'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;',
        "db/other.sql": "CREATE EXTENSION hstore;",
        "app/tests/versions/b.py": "down_revision = None\nop.execute('CREATE EXTENSION postgis')",
    }
    assert set(created_by_migrations(Tree.of(files), "db/baseline.sql")) == {"citext", "uuid-ossp"}
    collation = "down_revision = None\nop.execute('CREATE COLLATION nocase (provider = icu)')"
    assert set(created_by_migrations(Tree.of({"versions/a.py": collation}), "")) == {"icu"}


@pytest.mark.parametrize(
    ("lock", "text"),
    [
        ("requirements.txt", "alembic==1.4.3\nSQLAlchemy[asyncio]==1.3.24\n"),
        ("uv.lock", '[[package]]\nname = "sqlalchemy"\nversion = "1.3.24"\n'),
        ("Pipfile.lock", '{"default": {\n  "sqlalchemy": {\n    "hashes": [],\n    "version": "==1.3.24"\n}}}'),
    ],
)
def test_a_lock_with_a_sqlalchemy_before_1_4_is_an_obstacle_before_anything_is_installed(lock, text):
    (obstacle,) = surveyed(ALEMBIC | {lock: text}).obstacles
    assert str(obstacle.what) == f"{lock} has SQLAlchemy 1.3.24, and slipway needs 1.4 or newer"
    assert surveyed(ALEMBIC | {lock: text.replace("1.3.24", "1.4.1")}).obstacles == ()


def test_a_command_that_is_a_guess_names_what_the_image_runs_instead_of_a_server():
    files = {"admin/app.py": "app = Flask('a')\n", "Dockerfile": DOCKERFILE.format('["python", "-m", "bot"]')}
    assert surveyed(ALEMBIC | files).fact(Subject.COMMAND).guessed == (
        "no file starts a server; Dockerfile line 2 runs python -m bot"
    )
    developers = surveyed(ALEMBIC | files | {"justfile": "flask run\n"}).fact(Subject.COMMAND).guessed
    assert developers == "the command of justfile line 1 is one for development"


@pytest.mark.parametrize("before", ["dumb-init", "tini --", "doppler run --", "newrelic-admin run-program", "uv run"])
def test_a_program_around_the_server_stays_or_is_shown(before):
    fact = surveyed(ALEMBIC | {"Procfile": f"web: {before} gunicorn a:app --bind 0.0.0.0:8000\n"}).fact(Subject.COMMAND)
    stays, of_uv = before.startswith("newrelic"), before == "uv run"
    assert fact.value == f"{before if stays else ''} gunicorn a:app --bind 0.0.0.0:8000".lstrip()
    shown = "" if stays or of_uv else f"the line is {before}"
    assert fact.guessed.startswith(shown)
    assert bool(fact.guessed) == bool(shown)


def test_a_variable_that_may_hold_the_address_or_the_name_is_a_guess():
    fact = surveyed(ALEMBIC | {"a.py": "os.environ['DB']\n"}).fact(Subject.VARIABLE)
    assert (fact.value, fact.guessed) == ("DB={database}", "it may hold the address")


def test_an_address_with_the_name_of_another_place_than_production_is_a_guess():
    found = surveyed(ALEMBIC | {"a.py": "os.environ['TEST_DATABASE_URI']\n"}).fact(Subject.DATABASE_VARIABLE)
    assert (found.value, found.guessed) == ("TEST_DATABASE_URI", "production may have another one")
