"""The rules of diagnosis.py, in the order in which they are asked.

What never ran ends the search. Of the causes the one whose line comes first wins. Then how it ended, and at last what is missing in silence:
those that would name the port, which is why no other may be left by then. Each has a recorded log in tests/release/logs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`pattern` is looked for in one of the logs, line ends included; `platform` must be there beside it, in the platform's.

    Groups of the pattern (`name2` stands in for `name`) and fields of the spec fill cause and remedy. `sees` tells a person what it needs.
    """

    id: str
    log: str
    sees: str
    pattern: str
    cause: str
    remedy: str
    platform: str = ""


_NAME = r"[A-Z][A-Z0-9_]{2,}"
_EXITED = r"Container exit code: "
_UNHEALTHY = r"Health check failed on protocol"

NEVER_RAN = (
    Rule(
        id="pull",
        log="platform",
        sees="`Failed to pull your application image`",
        pattern=r"Failed to pull your application image\. Reason: (?P<reason>.+)",
        cause="the platform could not pull the image: {reason}",
        remedy="push the image by this digest, and let the access role read the repository",
    ),
    Rule(
        id="secret",
        log="platform",
        sees="`Failed to retrieve the secret`",
        pattern=r"Failed to retrieve the secret (?P<arn>\S+?)\.?$",
        cause="the secret {arn} could not be read",
        remedy="create it, and let the instance role read it",
    ),
)
CAUSES = (
    Rule(
        id="missing-variable",
        log="application",
        sees="a KeyError of `os.environ`, or the words of starlette, environs, decouple that a variable is not set",
        pattern=rf"""(?:<frozen os>|/os\.py)", line \d+, in __getitem__\n(?:[ \t].*\n)*KeyError: '(?P<name>\w+)'"""
        rf"""|KeyError: ["'](?:Config ')?(?P<name2>{_NAME})'"""
        rf"""|(?:[Mm]issing|[Rr]equired|[Uu]nset|[Ss]et the) environment variable:? ['"`]?(?P<name3>{_NAME})"""
        rf"""|[Ee]nvironment variable:? ['"`]?(?P<name4>{_NAME})['"`]? (?:is |was |must be )?(?:not |un)?(?:set\b|missing|required|defined|found)"""
        rf"""|(?P<name5>{_NAME}) not found\. Declare it as envvar""",
        cause="the release reads the variable {name}, which {environment} does not set",
        remedy="add {name} to variables or secrets of [tool.slipway.environments.{environment}]",
    ),
    Rule(
        id="missing-setting",
        log="application",
        sees="pydantic's `Field required` below a field's name",
        pattern=r"^(?P<error>(?P<name>\w+)\n\s+Field required \[type=missing)",
        cause="the release's settings need {name}, which no variable of {environment} gives",
        remedy="add its variable (the field's name in capitals, after the settings' env_prefix) to variables or secrets of [tool.slipway.environments.{environment}]",
    ),
    Rule(
        id="settings",
        log="application",
        sees="pydantic's words about a value below a field's name",
        pattern=r"^(?P<error>(?P<name>\w+)\n\s+(?P<problem>(?:Input|Value|URL|String|Extra|Decimal)\b.*?) \[type=)",
        cause="the setting {name} of the release has a value that does not fit: {problem}",
        remedy="correct its variable in variables or secrets of [tool.slipway.environments.{environment}]",
    ),
    Rule(
        id="missing-module",
        log="application",
        sees="`ModuleNotFoundError`, or `No module named` of `python -m`",
        pattern=r"(?:ModuleNotFoundError: |/python[\d.]*: )No module named '?(?P<module>[^'\n]+?)'?$",
        cause="the release imports {module}, which is not installed",
        remedy="add it to the dependencies and lock again; a module of its own must be in sources of [tool.slipway]",
    ),
    Rule(
        id="import",
        log="application",
        sees="an ImportError, SyntaxError or NameError, uvicorn's `Error loading ASGI app`, gunicorn's `Failed to find attribute`",
        pattern=r"(?P<error>^(?:ImportError|SyntaxError|IndentationError|NameError): .*|Error loading ASGI app\b.*|Failed to find attribute '.*)",
        cause="the application does not import: {error}",
        remedy="start it once on your machine with the command in [tool.slipway]",
    ),
    Rule(
        id="command",
        log="application",
        sees="a shell's, the container runtime's or python's words that there is no such program or file",
        pattern=r"(?P<error>(?:^|/)(?:sh|bash|ash): (?:line )?\d+: .*(?:not found|Permission denied)$"
        r"|executable file not found in \$PATH|^exec \S+: no such file or directory|can't open file .*)",
        cause="the command does not start: {error}",
        remedy="correct command in [tool.slipway]; what it names must be in the image, and be executable",
    ),
    Rule(
        id="architecture",
        log="application",
        sees="`exec format error`",
        pattern=r"(?i:exec format error)",
        cause="the program was built for another architecture",
        remedy="build the image for linux/amd64; App Runner runs nothing else",
    ),
    Rule(
        id="address-in-use",
        log="application",
        sees="`Address already in use`, or gunicorn's `Connection in use`",
        pattern=r"(?:[Aa]ddress already in use|Connection in use: |EADDRINUSE)",
        cause="the release listens on a port that is taken",
        remedy="let it listen on the port in [tool.slipway], or on PORT, and on no other, and only once",
    ),
    Rule(
        id="address-not-allowed",
        log="application",
        sees="a port below 1024 that was refused",
        pattern=r"bind on address \('[^']*', (?P<place>\d+)\): permission denied|connection to \('[^']*', (?P<place2>\d+)\) failed: \[Errno 13\]",
        cause="the release may not listen on the port {place}, as it is no superuser",
        remedy="let it listen on a port from 1024 on, and name that in port of [tool.slipway]",
    ),
    Rule(
        id="database-url",
        log="application",
        sees="SQLAlchemy's words about a URL or a driver",
        pattern=r"(?P<error>Can't load plugin: sqlalchemy\.dialects:\S+|Could not parse SQLAlchemy URL.*|asyncio extension requires an async driver.*)",
        cause="the database's URL does not fit: {error}",
        remedy="begin it with postgresql:// or postgresql+DRIVER://, in the secret",
    ),
    Rule(
        id="unknown-host",
        log="application",
        sees="a name that cannot be resolved",
        pattern=r"(?P<error>could not translate host name.*|failed to resolve host.*|(?:Name or service not known|Temporary failure in name resolution|nodename nor servname provided).*)",
        cause="the address of a server that the release needs is not known: {error}",
        remedy="correct it in the secret; a private name needs the VPC connector",
    ),
    Rule(
        id="database-login",
        log="application",
        sees="`password authentication failed`, or a role that does not exist",
        pattern=r"(?P<error>password authentication failed.*|role \"[^\"\n]*\" does not exist|no password supplied|fe_sendauth: no password.*)",
        cause="the database does not let the release in: {error}",
        remedy="correct user and password in the secret; a deployed service reads a changed secret only when it is deployed again",
    ),
    Rule(
        id="database-absent",
        log="application",
        sees="a database that does not exist",
        pattern=r"(?P<error>database \"[^\"\n]*\" does not exist)",
        cause="the server has no such database: {error}",
        remedy="create it, or correct its name in the secret",
    ),
    Rule(
        id="database-ssl",
        log="application",
        sees="words of Postgres or its drivers about encryption",
        pattern=r"(?P<error>no pg_hba\.conf entry for .*no encryption|server does not support SSL.*|rejected SSL upgrade"
        r"|root certificate file .* does not exist|certificate verify failed.*|SSL error: .*)",
        cause="the database and the release do not agree on encryption: {error}",
        remedy="set sslmode=require (psycopg) or ssl=require (asyncpg) in its URL; verify-full needs the server's certificate authority in the image",
    ),
    Rule(
        id="database-full",
        log="application",
        sees="`too many connections`, `remaining connection slots`",
        pattern=r"(?P<error>too many (?:connections for|clients already).*|remaining connection slots are reserved.*)",
        cause="the database takes no more connections: {error}",
        remedy="make the release's pool smaller: its size times the instances, twice while a deployment goes on, must fit",
    ),
    Rule(
        id="database-rights",
        log="application",
        sees="`permission denied for` a table, schema, sequence …",
        pattern=r"(?P<error>permission denied for (?:table|schema|sequence|database|function|view|relation) .*)",
        cause="the release's role lacks a right in the database: {error}",
        remedy="grant it in a migration, to the role in the secret",
    ),
    Rule(
        id="unreachable",
        log="application",
        sees="a connection that was refused, or ran out of time",
        pattern=r"(?P<error>connection to server at .* failed: (?:Connection refused|Connection timed out|timeout expired|server closed|No route|Network is).*"
        r"|could not connect to server.*|connection timeout expired.*|Connect call failed \(.*|Error \d+ connecting to .*"
        r")|asyncpg/connection\.py\", line \d+, in connect\n(?:[ \t].*\n)*(?P<error2>TimeoutError)",
        cause="a server that the release needs does not answer: {error}",
        remedy="check its address and port, the VPC connector, and that the security group of the server lets the connector's in",
    ),
    Rule(
        id="schema",
        log="application",
        sees="Undefined Table or Column of a driver, or Postgres' words",
        pattern=r"(?P<error>Undefined(?:Table|Column)(?:Error)?\b.*|(?:relation|column) \S+ does not exist)",
        cause="the release needs a schema that the database does not have: {error}",
        remedy="run the release's migrations before its deployment",
    ),
    Rule(
        id="revision",
        log="application",
        sees="alembic's `Can't locate revision`, or `Multiple head revisions`",
        pattern=r"(?P<error>Can't locate revision identified by .*|Multiple head revisions are present.*)",
        cause="alembic cannot tell the way through the release's revisions: {error}",
        remedy="deploy an image that has the database's revision, with one head; run no migrations as the service starts",
    ),
    Rule(
        id="not-writable",
        log="application",
        sees="a PermissionError at a file, a read-only file system, SQLite that cannot open its file",
        pattern=r"(?P<error>PermissionError: \[Errno 13\] Permission denied: .*|Read-only file system: .*|unable to open database file)",
        cause="the release may not write, or read, a file: {error}",
        remedy="write only to /tmp, or give the folder to the image's user",
    ),
    Rule(
        id="missing-file",
        log="application",
        sees="a FileNotFoundError",
        pattern=r"FileNotFoundError: \[Errno 2\] No such file or directory: (?P<file>.*)",
        cause="the release needs the file {file}, which is not in the image",
        remedy="add it to sources in [tool.slipway]",
    ),
    Rule(
        id="worker-timeout",
        log="application",
        sees="gunicorn's `WORKER TIMEOUT`",
        pattern=r"WORKER TIMEOUT",
        cause="a worker of gunicorn did not answer in its time and was stopped",
        remedy="look at what it waits for as it starts or answers {health_path}; --timeout of gunicorn is 30 seconds by default",
    ),
    Rule(
        id="memory",
        log="application",
        sees="a MemoryError, or gunicorn's `Perhaps out of memory?`",
        pattern=r"^MemoryError\b|Perhaps out of memory\?|std::bad_alloc",
        cause="the release needs more memory than the {memory} MB that it has",
        remedy="start fewer workers, or raise memory in [tool.slipway.environments.{environment}]",
    ),
)
ENDS = (
    Rule(
        id="error",
        log="application",
        sees="a traceback, when the container ended by itself",
        pattern=r"Traceback \(most recent call last\):\n(?:[ \t|+].*\n|\n)+(?P<error>\S.*)",
        cause="the release ends with an error: {error}",
        remedy="start it once on your machine with the command in [tool.slipway]",
        platform=_EXITED,
    ),
    Rule(
        id="allowed-hosts",
        log="application",
        sees="Django's `Invalid HTTP_HOST header`, and a health check that failed",
        pattern=r"Invalid HTTP_HOST header: (?P<host>'[^'\n]*')",
        cause="Django answers nobody who asks for {host}, as App Runner's health check does",
        remedy="answer {health_path} in a middleware before CommonMiddleware, or allow that host in ALLOWED_HOSTS",
        platform=_UNHEALTHY,
    ),
    Rule(
        id="health-path",
        log="application",
        sees="a line of the access log in which the health check was answered with 3xx, 4xx or 5xx",
        pattern=r'"GET (?P<path>{health_path})(?=[ ?"])[^"\n]*" (?P<code>[345]\d\d)|(?<!")GET (?P<path2>{health_path})(?=[ ?]).* (?P<code2>[345]\d\d)\b',
        cause="the health check {health_path} answers {code}",
        remedy="make it answer 200, or correct health-path in [tool.slipway]",
    ),
    Rule(
        id="killed",
        log="platform",
        sees="the exit code 137",
        pattern=r"Container exit code: 137\b",
        cause="the container was killed (exit code 137), most likely as it needs more than its {memory} MB of memory",
        remedy="start fewer workers, or raise memory in [tool.slipway.environments.{environment}]",
    ),
    Rule(
        id="stopped",
        log="platform",
        sees="the exit code 143",
        pattern=r"Container exit code: 143\b",
        cause="the container was told to end (SIGTERM, exit code 143)",
        remedy="look for what ends the server: a supervisor, a script, a health check of its own",
    ),
    Rule(
        id="exit",
        log="platform",
        sees="any other exit code",
        pattern=r"Container exit code: (?P<code>\d+)",
        cause="the container ended by itself with the exit code {code}",
        remedy="its last line was: {last}",
    ),
)
SILENCES = (
    Rule(
        id="slow-start",
        log="application",
        sees="uvicorn's `Waiting for application startup.` without its `complete`",
        pattern=r"Waiting for application startup\.(?![\s\S]*Application startup complete)",
        cause="the release was not ready in the platform's patience: its startup had begun and did not end",
        remedy="do less before it answers, such as what loads or connects in the lifespan; the platform waits for minutes only",
        platform=_UNHEALTHY,
    ),
    Rule(
        id="loopback",
        log="application",
        sees="a server's words that it listens on 127.0.0.1, and no other address",
        pattern=r"(?<!all addresses \(0\.0\.0\.0\)\n \* )(?:[Rr]unning on|[Ll]istening (?:at|on):?) https?://(?P<host>127\.0\.0\.1|localhost|\[::1\])",
        cause="the release listens on {host}, where only it can reach itself",
        remedy="let it listen on 0.0.0.0: --host 0.0.0.0 for uvicorn and flask, --bind 0.0.0.0:{port} for gunicorn and hypercorn",
        platform=_UNHEALTHY,
    ),
    Rule(
        id="other-port",
        log="application",
        sees="a server's words that it listens on another port than that of the settings",
        pattern=r"(?:[Rr]unning on|[Ll]istening (?:at|on):?) https?://[^\s/]*:(?!{port}\b)(?P<other>\d+)",
        cause="the release listens on the port {other}, and is asked on {port}",
        remedy="correct port or command in [tool.slipway]",
        platform=_UNHEALTHY,
    ),
    Rule(
        id="not-listening",
        log="platform",
        sees="`Health check failed`, and nothing in the application's log that says why",
        pattern=_UNHEALTHY,
        cause="the service runs, but does not answer the health check on port {port}",
        remedy="let it listen on 0.0.0.0 and the port in [tool.slipway], and answer the health check",
    ),
)
RULES = (*NEVER_RAN, *CAUSES, *ENDS, *SILENCES)
