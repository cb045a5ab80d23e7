"""Known failures of a release, in the order in which a diagnosis asks for them.

A rule of NEVER_RAN ends the search. Of CAUSES the one whose line comes first wins. Then come ENDS, and SILENCES last: those blame the
port, so every other cause must be excluded before. Without a match the cause is unknown. Each rule has a recorded log in
tests/release/logs; tests/release/labelled.toml measures all of them together.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PlatformWords:
    """The words of a platform about a release that does not start.

    - unpulled, unreadable: patterns with a group, `reason` and `arn`.
    - exited: the text before the exit code of a container.
    - unhealthy: the text about a failed health check. checked: a pattern with the groups `path` and `port` of that check.
    - rolled_back: the text about a rollback that begins; empty where none is written.
    - failed: a pattern with the `reason` that the platform gives for a failure, besides those above.
    - network: what connects the service to a private one.
    - first, last: the platform's own rules: before every cause in the application's log, and after them.
    """

    unpulled: str
    unreadable: str
    exited: str
    unhealthy: str
    rolled_back: str = ""
    checked: str = "(?!)"
    failed: str = "(?!)"
    network: str = "the network"
    first: tuple["FailureRule", ...] = ()
    last: tuple["FailureRule", ...] = ()


NO_PLATFORM = PlatformWords(unpulled="(?!)", unreadable="(?!)", exited="exit code: ", unhealthy="health check failed")


@dataclass(frozen=True)
class FailureRule:
    """A known failure. Groups of the pattern (`name2` counts as `name`) and fields of the spec fill cause and remedy.

    - log: "platform" or "application". words: describe the evidence in the reference.
    - pattern: in that log, line ends included. `{exited}` and the like are replaced by a platform's words, `{health_path}` and `{port}` by
      settings. beside: a text that the platform's log must have too. absent: a pattern that the rule's log must not have.
    - any_level: whether a line counts whatever its level is, and whatever comes after it, such as one of an access log.
    """

    id: str
    log: str
    words: str
    pattern: str
    cause: str
    remedy: str
    beside: str = ""
    absent: str = ""
    any_level: bool = False


_LISTENS = r"(?:[Rr]unning on|[Ll]istening (?:at|on):?) https?://"
_LOOPBACK = r"127\.0\.0\.1|localhost|\[::1\]"
_NAME = r"[A-Z][A-Z0-9_]{2,}"
_EXITED, _UNHEALTHY = "{exited}", "{unhealthy}"
# Of settings, by the frame that made them or by the name of their class: another model, such as that of a server's answer, names no variable.
_OF_SETTINGS = (
    r"(?:pydantic_settings/main\.py\".*\n(?:[ \t].*\n)*.*validation errors? for \w+"
    r"|validation errors? for \w*(?:[Ss]etting|[Cc]onf|[Ee]nv)\w*)\n(?:\S+\n(?:[ \t].*\n)+)*?"
)
# Innermost errors of a chain name no address; clients add it in the exceptions that they raise from it.
_CHAIN = r"(?:(?:[ \t|+].*|(?:Traceback|The above exception) .*|During handling .*|(?:\w+\.)*[A-Z]\w*: .*|)\n)*?"
_UNRESOLVED = r"(?:Name or service not known|Temporary failure in name resolution|nodename nor servname provided)"
_HOST = r"(?:\(the value of \w+\)|[\w.-]+)(?::\d+)?"
_ADDRESSED = rf"(?:HTTPS?Connection(?:Pool)?\(host='[^'\n]*', port=\d+\)|Failed to resolve '[^'\n]*'|Cannot connect to host {_HOST}|Error -?\d+ connecting to {_HOST})"

NEVER_RAN = (
    FailureRule("pull", "platform", "that the image could not be pulled", "{unpulled}",
        "the platform could not pull the image: {reason}",
        "push the image by this digest for {platform}, and let the access role read the repository"),
    FailureRule("secret", "platform", "that a secret could not be read", "{unreadable}",
        "the secret {arn} could not be read",
        "create it, and let the instance role read it"),
)  # fmt: skip
CAUSES = (
    FailureRule("missing-variable", "application", "a KeyError of `os.environ`, or the words of starlette, environs, decouple that a variable is not set",
                rf"""(?:<frozen os>|/os\.py)", line \d+, in __getitem__\n(?:[ \t].*\n)*KeyError: '(?P<name>\w+)'"""
                rf"""|(?:\A|^(?![ \t]).*\n|^\S.*)(?P<error>KeyError: '(?P<name2>{_NAME})')|KeyError: "Config '(?P<name6>{_NAME})'"""
                rf"""|(?:[Mm]issing|[Rr]equired|[Uu]nset|[Ss]et the) environment variable:? ['"`]?(?P<name3>{_NAME})"""
                rf"""|[Ee]nvironment variable:? ['"`]?(?P<name4>{_NAME})['"`]? (?:is |was |must be )?(?:not |un)?(?:set\b|missing|required|defined|found)"""
                rf"""|(?P<name5>{_NAME}) not found\. Declare it as envvar""",
        "the release reads the variable {name}, which it does not get",
        "add {name} to {variables}"),
    FailureRule("missing-setting", "application", "pydantic's `Field required` below a field's name, for a class of settings",
                rf"{_OF_SETTINGS}(?P<error>^(?P<name>\w+)\n\s+Field required \[type=missing)",
        "the release's settings need {name}, which no variable of {environment} gives",
        "add its variable (the field's name in capitals, after the settings' env_prefix) to {variables}"),
    FailureRule("settings", "application", "pydantic's words about a value below a field's name, for a class of settings",
                rf"{_OF_SETTINGS}(?P<error>^(?P<name>\w+)\n\s+(?P<problem>(?:Input|Value|URL|String|Extra|Decimal)\b.*?) \[type=)",
        "the setting {name} of the release has a value that does not fit: {problem}",
        "correct its variable in {variables}"),
    FailureRule("missing-module", "application", "`ModuleNotFoundError`, or `No module named` of `python -m`",
                r"(?:ModuleNotFoundError: |/python[\d.]*: )No module named '?(?P<module>[^'\n]+?)'?$",
        "the release imports {module}, which is not installed",
        "add it to the dependencies and lock again; a module of its own must be in sources of [tool.slipway]"),
    FailureRule("import", "application", "an ImportError, SyntaxError or NameError, uvicorn's `Error loading ASGI app`, gunicorn's `Failed to find attribute`",
                r"(?P<error>^(?:ImportError|SyntaxError|IndentationError|NameError): .*|Error loading ASGI app\b.*|Failed to find attribute '.*)",
        "the application does not import: {error}",
        "start it once on your machine with the command in [tool.slipway]"),
    FailureRule("command", "application", "a shell's, the container runtime's or python's words that there is no such program or file",
                r"(?P<error>(?:^|/)(?:sh|bash|ash): (?:line )?\d+: .*(?:not found|Permission denied)$(?!\n[\s\S]*\S)"
                r"|executable file not found in \$PATH|^exec \S+: no such file or directory|can't open file .*)",
        "the command does not start: {error}",
        "correct command in [tool.slipway], or CMD of the service's own Dockerfile; what it names must be in the image, and be executable"),
    FailureRule("architecture", "application", "`exec format error`", r"(?i:exec format error)",
        "the program was built for another architecture",
        "build the image for {platform}; the platform runs nothing else"),
    FailureRule("address-in-use", "application", "`Address already in use`, or gunicorn's `Connection in use`",
                r"(?:[Aa]ddress already in use|Connection in use: |EADDRINUSE)",
        "the release listens on a port that is taken",
        "let it listen on the port in [tool.slipway], or on PORT, and on no other, and only once"),
    FailureRule("address-not-allowed", "application", "a port below 1024 that was refused",
                r"bind on address \('[^']*', (?P<place>\d+)\): permission denied|connection to \('[^']*', (?P<place2>\d+)\) failed: \[Errno 13\]",
        "the release may not listen on the port {place}, as it is no superuser",
        "let it listen on a port from 1024 on, and name that in port of [tool.slipway]"),
    FailureRule("database-url", "application", "SQLAlchemy's words about a URL or a driver",
                r"(?P<error>Can't load plugin: sqlalchemy\.dialects:\S+|Could not parse SQLAlchemy URL.*|asyncio extension requires an async driver.*)",
        "the database's URL does not fit: {error}",
        "begin it with postgresql:// or postgresql+DRIVER://, in the secret"),
    FailureRule("unknown-host", "application", "a name that cannot be resolved",
                rf"{_UNRESOLVED}.*\n{_CHAIN}.*?(?P<error2>{_ADDRESSED})|(?P<error3>{_ADDRESSED})(?=.*{_UNRESOLVED})"
                rf"|(?P<error>(?:could not translate host name|failed to resolve host|{_UNRESOLVED}).*)",
        "the address of a server that the release needs is not known: {error}",
        "correct it in the secret; a private name needs {network}"),
    FailureRule("database-login", "application", "`password authentication failed`, or a role that does not exist",
                r"(?P<error>password authentication failed.*|role \"[^\"\n]*\" does not exist|no password supplied|fe_sendauth: no password.*)",
        "the database does not let the release in: {error}",
        "correct user and password in the secret; a deployed service reads a changed secret only when it is deployed again"),
    FailureRule("database-absent", "application", "a database that does not exist",
                r"(?P<error>database \"[^\"\n]*\" does not exist)",
        "the server has no such database: {error}",
        "create it, or correct its name in the secret"),
    FailureRule("database-ssl", "application", "words of Postgres or its drivers about encryption",
                r"(?P<error>no pg_hba\.conf entry for .*no encryption|server does not support SSL.*|rejected SSL upgrade"
                r"|root certificate file .* does not exist|certificate verify failed.*|SSL error: .*)",
        "the database and the release do not agree on encryption: {error}",
        "set sslmode=require (psycopg) or ssl=require (asyncpg) in its URL; verify-full needs the server's certificate authority in the image"),
    FailureRule("database-full", "application", "`too many connections`, `too many clients already`, `remaining connection slots`",
                r"(?P<error>too many (?:connections\b|clients already).*|remaining connection slots are reserved.*)",
        "the database takes no more connections: {error}",
        "make the release's pool smaller: its size times the instances, twice during a deployment, must fit"),
    FailureRule("database-privileges", "application", "`permission denied for` a table, schema, sequence …",
                r"(?P<error>permission denied for (?:table|schema|sequence|database|function|view|relation) .*)",
        "the release's role lacks a privilege in the database: {error}",
        "grant it in a migration, to the role in the secret"),
    FailureRule("unreachable", "application", "a connection that was refused, or ran out of time",
                rf"ConnectionRefusedError: \[Errno \d+\] Connection refused\n{_CHAIN}.*?(?P<error3>{_ADDRESSED})|"
                r"(?P<error>connection to server at .* failed: (?:Connection refused|Connection timed out|timeout expired|server closed|No route|Network is).*"
                r"|could not connect to server.*|connect E(?:TIMEDOUT|CONNREFUSED|HOSTUNREACH) .*|connection timeout expired.*|Connect call failed \(.*|ConnectionRefusedError: \[Errno \d+\] Connection refused|Error \d+ connecting to .*"
                r")|asyncpg/connection\.py\", line \d+, in connect\n(?:[ \t].*\n)*(?P<error2>TimeoutError)",
        "a server that the release needs does not answer: {error}",
        "check its address and port, {network}, and that the security group of the server lets the service in"),
    FailureRule("schema", "application", "Undefined Table or Column of a driver, or Postgres' words",
                r"(?P<error>Undefined(?:Table|Column)(?:Error)?\b.*|(?:relation|column) \S+ does not exist)",
        "the release needs a schema that the database does not have: {error}",
        "run the release's migrations before its deployment"),
    FailureRule("revision", "application", "alembic's `Can't locate revision`, or `Multiple head revisions`",
                r"(?P<error>Can't locate revision identified by .*|Multiple head revisions are present.*)",
        "alembic cannot tell the way through the release's revisions: {error}",
        "deploy an image that has the database's revision, with one head; run no migrations as the service starts"),
    FailureRule("not-writable", "application", "a PermissionError at a file, a read-only file system, SQLite that cannot open its file",
                r"(?P<error>PermissionError: \[Errno 13\] Permission denied: .*|Read-only file system: .*|unable to open database file)",
        "the release may not write, or read, a file: {error}",
        "write only to /tmp, or give the folder to the image's user"),
    FailureRule("missing-file", "application", "a FileNotFoundError",
                r"FileNotFoundError: \[Errno 2\] No such file or directory: (?P<file>.*)",
        "the release needs the file {file}, which is not in the image",
        "add it to sources in [tool.slipway]"),
    FailureRule("worker-timeout", "application", "gunicorn's `WORKER TIMEOUT`", r"WORKER TIMEOUT",
        "a worker of gunicorn did not answer in its time and was stopped",
        "look at what it waits for as it starts or answers {health_path}; --timeout of gunicorn is 30 seconds by default"),
    FailureRule("memory", "application", "a MemoryError, or gunicorn's `Perhaps out of memory?`",
                r"^MemoryError\b|Perhaps out of memory\?|std::bad_alloc",
        "the release needs more memory than the {memory} MB that it has",
        "start fewer workers, or raise memory in {table}"),
)  # fmt: skip
ENDS = (
    FailureRule("error", "application", "a traceback, also a framed one of rich, or an error without one, when the container ended by itself",
                r"Traceback \(most recent call last\)(?::| ─+╮?)\n(?:[ \t|+│╭╰].*\n|\n)+(?P<error>\S.*)"
                r"|^(?P<error2>(?:\w+\.)*[A-Z]\w*(?:Error|Exception): .+)$",
        "the release ends with an error: {error}",
        "start it once on your machine with the command in [tool.slipway]", _EXITED),
    FailureRule("allowed-hosts", "application", "Django's `Invalid HTTP_HOST header`, and a health check that failed",
                r"Invalid HTTP_HOST header: (?P<host>'[^'\n]*')",
        "Django rejects requests for the host {host}, which the platform's health check sends",
        "answer {health_path} in a middleware before CommonMiddleware, or allow that host in ALLOWED_HOSTS", _UNHEALTHY, any_level=True),
    FailureRule("health-path", "application", "a line of the access log in which the health check was answered with 3xx, 4xx or 5xx",
                r'"GET (?P<path>{health_path})(?=[ ?"])[^"\n]*" (?P<code>[345]\d\d)|(?<!")GET (?P<path2>{health_path})(?=[ ?]).* (?P<code2>[345]\d\d)\b',
        "the health check {health_path} answers {code}",
        "make it answer 200, or correct health-path in [tool.slipway]", _UNHEALTHY, any_level=True),
    FailureRule("killed", "platform", "the exit code 137", r"{exited}137\b",
        "the container was killed (exit code 137), most likely as it needs more than its {memory} MB of memory",
        "start fewer workers, or raise memory in {table}"),
    FailureRule("stopped", "platform", "the exit code 143", r"{exited}143\b",
        "the container was terminated (SIGTERM, exit code 143)",
        "look for what ends the server: a supervisor, a script, a health check of its own"),
    FailureRule("exit", "platform", "any other exit code", r"{exited}(?P<code>\d+)",
        "the container ended by itself with the exit code {code}; its last line was: {last}",
        "start it once on your machine with the command in [tool.slipway]"),
)  # fmt: skip
SILENCES = (
    FailureRule("slow-start", "application", "uvicorn's `Waiting for application startup.` without its `complete`",
                r"Waiting for application startup\.(?![\s\S]*Application startup complete)",
        "the release was not ready in time: its startup began and did not end",
        "do less before it answers, such as loading or connecting in the lifespan, or raise unhealthy-threshold in health-check of {table}", _UNHEALTHY, any_level=True),
    FailureRule("loopback", "application", "a server's words that it listens on 127.0.0.1, and no other address",
                rf"{_LISTENS}(?P<loopback>{_LOOPBACK})",
        "the release listens on {loopback}, where only it can reach itself",
        "let it listen on 0.0.0.0: --host 0.0.0.0 for uvicorn and flask, --bind 0.0.0.0:{port} for gunicorn and hypercorn", _UNHEALTHY,
        rf"{_LISTENS}(?!{_LOOPBACK})|all addresses", any_level=True),
    FailureRule("other-port", "application", "a server's words that it listens on other ports than the one that is checked",
                rf"{_LISTENS}[^\s/]*:(?!{{port}}\b)(?P<other>\d+)",
        "the release listens on the port {other}, and is asked on {port}",
        "correct port or command in [tool.slipway]", _UNHEALTHY, rf"{_LISTENS}[^\s/]*:{{port}}\b", any_level=True),
    FailureRule("platform", "platform", "the platform's own reason, besides a failed health check", "{failed}",
        "the platform gives this reason: {reason}",
        "look it up in the platform's documentation; `slipway logs` has the lines around it"),
)  # fmt: skip
