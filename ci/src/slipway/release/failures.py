"""Known failures of a release, in the order in which a diagnosis tries them.

A match in NEVER_RAN ends the search. Of the matches in CAUSES, the one with the earliest line is chosen. ENDS are tried
next, and SILENCES last: they blame the port, so all other causes must be excluded first. Without a match the cause is
unknown. Each rule has a recorded log in tests/release/logs; tests/release/labelled.toml tests all rules together.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PlatformWords:
    """The words of a platform about a release that does not start.

    - unpulled, unreadable: patterns with a group, `reason` and `arn`.
    - exited: the text before a container's exit code.
    - unhealthy: the text about a failed health check.
    - checked: a pattern with the groups `path` and `port` of that check.
    - rolled_back: the text at the start of a rollback; empty when the platform writes none.
    - failed: a pattern with the `reason` of any other failure.
    - network: what connects the service to a private network.
    - first, last: rules for this platform only, which are tried before and after all causes in the application's log.
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


@dataclass(frozen=True, kw_only=True)
class FailureRule:
    """A known failure.

    Groups of the pattern (`name2` counts as `name`) and fields of the spec fill cause and remedy.
    - log: "platform" or "application".
    - words: describe the evidence on the reference page.
    - pattern: searched in that log, across lines. `{exited}` and the like are replaced by a platform's words,
      `{health_path}` and `{port}` by settings.
    - beside: a text that the platform's log must have, too.
    - absent: a pattern that the rule's log must not have.
    - any_level: whether a line counts at every level and whatever follows it, such as the line of an access log.
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
# Identify errors of settings by the frame that made them or the name of their class. Errors of other models, such as a
# server's answer, name no variable.
_OF_SETTINGS = (
    r"(?:pydantic_settings/main\.py\".*\n(?:[ \t].*\n)*.*validation errors? for \w+"
    r"|validation errors? for \w*(?:[Ss]etting|[Cc]onf|[Ee]nv)\w*)\n(?:\S+\n(?:[ \t].*\n)+)*?"
)
# The innermost errors of a chain contain no address. Clients add it in the exceptions that they raise from these
# errors.
_CHAIN = r"(?:(?:[ \t|+].*|(?:Traceback|The above exception) .*|During handling .*|(?:\w+\.)*[A-Z]\w*: .*|)\n)*?"
_UNRESOLVED = r"(?:Name or service not known|Temporary failure in name resolution|nodename nor servname provided)"
_HOST = r"(?:\(the value of \w+\)|[\w.-]+)(?::\d+)?"
_ADDRESSED = rf"(?:HTTPS?Connection(?:Pool)?\(host='[^'\n]*', port=\d+\)|Failed to resolve '[^'\n]*'|Cannot connect to host {_HOST}|Error -?\d+ connecting to {_HOST})"

NEVER_RAN = (
    FailureRule(id="pull", log="platform", words="that the image could not be pulled", pattern="{unpulled}",
        cause="the platform could not pull the image: {reason}",
        remedy="push the image by this digest for {platform}, and let the access role read the repository"),
    FailureRule(id="secret", log="platform", words="that a secret could not be read", pattern="{unreadable}",
        cause="the secret {arn} could not be read",
        remedy="create it, and let the instance role read it"),
)  # fmt: skip
CAUSES = (
    FailureRule(id="missing-variable", log="application", words="a KeyError of `os.environ`, or the words of starlette, environs, decouple that a variable is not set",
                pattern=rf"""(?:<frozen os>|/os\.py)", line \d+, in __getitem__\n(?:[ \t].*\n)*KeyError: '(?P<name>\w+)'"""
                rf"""|(?:\A|^(?![ \t]).*\n|^\S.*)(?P<error>KeyError: '(?P<name2>{_NAME})')|KeyError: "Config '(?P<name6>{_NAME})'"""
                rf"""|(?:[Mm]issing|[Rr]equired|[Uu]nset|[Ss]et the) environment variable:? ['"`]?(?P<name3>{_NAME})"""
                rf"""|[Ee]nvironment variable:? ['"`]?(?P<name4>{_NAME})['"`]? (?:is |was |must be )?(?:not |un)?(?:set\b|missing|required|defined|found)"""
                rf"""|(?P<name5>{_NAME}) not found\. Declare it as envvar""",
        cause="the release reads the variable {name}, which it does not get",
        remedy="add {name} to {variables}"),
    FailureRule(id="missing-setting", log="application", words="pydantic's `Field required` below a field's name, for a class of settings",
                pattern=rf"{_OF_SETTINGS}(?P<error>^(?P<name>\w+)\n\s+Field required \[type=missing)",
        cause="the release's settings need {name}, which no variable of {environment} gives",
        remedy="add its variable (the field's name in capitals, after the settings' env_prefix) to {variables}"),
    FailureRule(id="settings", log="application", words="pydantic's words about a value below a field's name, for a class of settings",
                pattern=rf"{_OF_SETTINGS}(?P<error>^(?P<name>\w+)\n\s+(?P<problem>(?:Input|Value|URL|String|Extra|Decimal)\b.*?) \[type=)",
        cause="the setting {name} of the release has a value that does not fit: {problem}",
        remedy="correct its variable in {variables}"),
    FailureRule(id="missing-module", log="application", words="`ModuleNotFoundError`, or `No module named` of `python -m`",
                pattern=r"(?:ModuleNotFoundError: |/python[\d.]*: )No module named '?(?P<module>[^'\n]+?)'?$",
        cause="the release imports {module}, which is not installed",
        remedy="add it to the dependencies and lock again; a module of its own must be in sources of [tool.slipway]"),
    FailureRule(id="import", log="application", words="an ImportError, SyntaxError or NameError, uvicorn's `Error loading ASGI app`, gunicorn's `Failed to find attribute`",
                pattern=r"(?P<error>^(?:ImportError|SyntaxError|IndentationError|NameError): .*|Error loading ASGI app\b.*|Failed to find attribute '.*)",
        cause="the application does not import: {error}",
        remedy="start it once on your machine with the command in [tool.slipway]"),
    FailureRule(id="command", log="application", words="a shell's, the container runtime's or python's words that there is no such program or file",
                pattern=r"(?P<error>(?:^|/)(?:sh|bash|ash): (?:line )?\d+: .*(?:not found|Permission denied)$(?!\n[\s\S]*\S)"
                r"|executable file not found in \$PATH|^exec \S+: no such file or directory|can't open file .*)",
        cause="the command does not start: {error}",
        remedy="correct command in [tool.slipway], or CMD of the service's own Dockerfile; what it names must be in the image, and be executable"),
    FailureRule(id="architecture", log="application", words="`exec format error`", pattern=r"(?i:exec format error)",
        cause="the program was built for another architecture",
        remedy="build the image for {platform}; the platform runs nothing else"),
    FailureRule(id="address-in-use", log="application", words="`Address already in use`, or gunicorn's `Connection in use`",
                pattern=r"(?:[Aa]ddress already in use|Connection in use: |EADDRINUSE)",
        cause="the release listens on a port that is taken",
        remedy="let it listen on the port in [tool.slipway], or on PORT, and on no other, and only once"),
    FailureRule(id="address-not-allowed", log="application", words="a port below 1024 that was refused",
                pattern=r"bind on address \('[^']*', (?P<place>\d+)\): permission denied|connection to \('[^']*', (?P<place2>\d+)\) failed: \[Errno 13\]",
        cause="the release may not listen on the port {place}, as it is no superuser",
        remedy="let it listen on a port from 1024 on, and name that in port of [tool.slipway]"),
    FailureRule(id="database-url", log="application", words="SQLAlchemy's words about a URL or a driver",
                pattern=r"(?P<error>Can't load plugin: sqlalchemy\.dialects:\S+|Could not parse SQLAlchemy URL.*|asyncio extension requires an async driver.*)",
        cause="the database's URL does not fit: {error}",
        remedy="begin it with postgresql:// or postgresql+DRIVER://, in the secret"),
    FailureRule(id="unknown-host", log="application", words="a name that cannot be resolved",
                pattern=rf"{_UNRESOLVED}.*\n{_CHAIN}.*?(?P<error2>{_ADDRESSED})|(?P<error3>{_ADDRESSED})(?=.*{_UNRESOLVED})"
                rf"|(?P<error>(?:could not translate host name|failed to resolve host|{_UNRESOLVED}).*)",
        cause="the address of a server that the release needs is not known: {error}",
        remedy="correct it in the secret; a private name needs {network}"),
    FailureRule(id="database-login", log="application", words="`password authentication failed`, or a role that does not exist",
                pattern=r"(?P<error>password authentication failed.*|role \"[^\"\n]*\" does not exist|no password supplied|fe_sendauth: no password.*)",
        cause="the database does not let the release in: {error}",
        remedy="correct user and password in the secret; a deployed service reads a changed secret only when it is deployed again"),
    FailureRule(id="database-absent", log="application", words="a database that does not exist",
                pattern=r"(?P<error>database \"[^\"\n]*\" does not exist)",
        cause="the server has no such database: {error}",
        remedy="create it, or correct its name in the secret"),
    FailureRule(id="database-ssl", log="application", words="words of Postgres or its drivers about encryption",
                pattern=r"(?P<error>no pg_hba\.conf entry for .*no encryption|server does not support SSL.*|rejected SSL upgrade"
                r"|root certificate file .* does not exist|certificate verify failed.*|SSL error: .*)",
        cause="the database and the release do not agree on encryption: {error}",
        remedy="set sslmode=require (psycopg) or ssl=require (asyncpg) in its URL; verify-full needs the server's certificate authority in the image"),
    FailureRule(id="database-full", log="application", words="`too many connections`, `too many clients already`, `remaining connection slots`",
                pattern=r"(?P<error>too many (?:connections\b|clients already).*|remaining connection slots are reserved.*)",
        cause="the database takes no more connections: {error}",
        remedy="make the release's pool smaller: its size times the instances, twice during a deployment, must fit"),
    FailureRule(id="schema-privileges", log="application", words="`permission denied for schema`",
                pattern=r"(?P<error>permission denied for schema .*)",
        cause="the release's role may not create anything in the database, or not use a schema: {error}",
        remedy="create its tables in a migration, as another role runs these, and not as the release starts; what it only uses, grant in a migration. With a superuser on your machine it works"),
    FailureRule(id="database-privileges", log="application", words="`permission denied for` a table, sequence …",
                pattern=r"(?P<error>permission denied for (?:table|sequence|database|function|view|relation) .*)",
        cause="the release's role lacks a privilege in the database: {error}",
        remedy="grant it in a migration, to the role in the secret"),
    FailureRule(id="unreachable", log="application", words="a connection that was refused, or ran out of time",
                pattern=rf"ConnectionRefusedError: \[Errno \d+\] Connection refused\n{_CHAIN}.*?(?P<error3>{_ADDRESSED})|"
                r"(?P<error>connection to server at .* failed: (?:Connection refused|Connection timed out|timeout expired|server closed|No route|Network is).*"
                r"|could not connect to server.*|connect E(?:TIMEDOUT|CONNREFUSED|HOSTUNREACH) .*|connection timeout expired.*|Connect call failed \(.*|ConnectionRefusedError: \[Errno \d+\] Connection refused|Error \d+ connecting to .*"
                r")|asyncpg/connection\.py\", line \d+, in connect\n(?:[ \t].*\n)*(?P<error2>TimeoutError)",
        cause="a server that the release needs does not answer: {error}",
        remedy="check its address and port, {network}, and that the security group of the server lets the service in"),
    FailureRule(id="schema", log="application", words="Undefined Table or Column of a driver, or Postgres' words",
                pattern=r"(?P<error>Undefined(?:Table|Column)(?:Error)?\b.*|(?:relation|column) \S+ does not exist)",
        cause="the release needs a schema that the database does not have: {error}",
        remedy="run the release's migrations before its deployment"),
    FailureRule(id="revision", log="application", words="alembic's `Can't locate revision`, or `Multiple head revisions`",
                pattern=r"(?P<error>Can't locate revision identified by .*|Multiple head revisions are present.*)",
        cause="alembic cannot tell the way through the release's revisions: {error}",
        remedy="deploy an image that has the database's revision, with one head; run no migrations as the service starts"),
    FailureRule(id="not-writable", log="application", words="a PermissionError at a file, a read-only file system, SQLite that cannot open its file",
                pattern=r"(?P<error>PermissionError: \[Errno 13\] Permission denied: .*|Read-only file system: .*|unable to open database file)",
        cause="the release may not write, or read, a file: {error}",
        remedy="write only to /tmp, or give the folder to the image's user"),
    FailureRule(id="missing-program", log="application", words="a FileNotFoundError of `subprocess`, or an `Executable 'NAME' not found`",
                pattern=r"""in _execute_child\n(?:[ \t].*\n)*(?P<error>FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<program>[^'\n]+)')"""
                r"""|(?P<error2>[Ee]xecutable ['"](?P<program2>[^'"\n]+)['"] (?:was )?not found)""",
        cause="the release starts the program {program}, which is not installed",
        remedy="install it in the image, by packages in [tool.slipway.images] or the service's own Dockerfile; without an image, on this machine"),
    FailureRule(id="missing-file", log="application", words="a FileNotFoundError",
                pattern=r"FileNotFoundError: \[Errno 2\] No such file or directory: (?P<file>.*)",
        cause="the release needs the file {file}, which is not in the image",
        remedy="add it to sources in [tool.slipway]"),
    FailureRule(id="worker-timeout", log="application", words="gunicorn's `WORKER TIMEOUT`", pattern=r"WORKER TIMEOUT",
        cause="a worker of gunicorn did not answer in its time and was stopped",
        remedy="look at what it waits for as it starts or answers {health_path}; --timeout of gunicorn is 30 seconds by default"),
    FailureRule(id="memory", log="application", words="a MemoryError, or gunicorn's `Perhaps out of memory?`",
                pattern=r"^MemoryError\b|Perhaps out of memory\?|std::bad_alloc",
        cause="the release needs more memory than the {memory} MB that it has",
        remedy="start fewer workers, or raise memory in {table}"),
)  # fmt: skip
ENDS = (
    FailureRule(id="error", log="application", words="a traceback, also a framed one of rich, or an error without one, when the container ended by itself",
                pattern=r"(?<!Group )(?<!\| )Traceback \(most recent call last\)(?::| ─+╮?)\n(?:[ \t|+│╭╰].*\n|\n)+(?P<error>\S.*)"
                r"|^ +\| Traceback \(most recent call last\):\n(?: +\|(?:  .*)?\n)+ +\| (?P<error3>\S.*)"
                r"|^(?P<error2>(?:\w+\.)*[A-Z]\w*(?:Error|Exception): .+)$",
        cause="the release ends with an error: {error}",
        remedy="start it once on your machine with the command in [tool.slipway]", beside=_EXITED),
    FailureRule(id="allowed-hosts", log="application", words="Django's `Invalid HTTP_HOST header`, and a health check that failed",
                pattern=r"Invalid HTTP_HOST header: (?P<host>'[^'\n]*')",
        cause="Django rejects requests for the host {host}, which the platform's health check sends",
        remedy="answer {health_path} in a middleware before CommonMiddleware, or allow that host in ALLOWED_HOSTS", beside=_UNHEALTHY, any_level=True),
    FailureRule(id="health-error", log="application", words="a traceback, and a later line in which the health check was answered with 5xx",
                pattern=r'Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)+(?P<error>\S.*)(?=[\s\S]*GET {health_path}[ ?"][^\n]* (?P<code>5\d\d)\b)',
        cause="the health check {health_path} answers {code}, and the log has the error {error}",
        remedy="correct that error, or health-path in [tool.slipway]", beside=_UNHEALTHY),
    FailureRule(id="health-path", log="application", words="a line of the access log in which the health check was answered with 3xx, 4xx or 5xx",
                pattern=r'"GET (?P<path>{health_path})(?=[ ?"])[^"\n]*" (?P<code>[345]\d\d)|(?<!")GET (?P<path2>{health_path})(?=[ ?]).* (?P<code2>[345]\d\d)\b',
        cause="the health check {health_path} answers {code}",
        remedy="make it answer 200, or correct health-path in [tool.slipway]", beside=_UNHEALTHY, any_level=True),
    FailureRule(id="killed", log="platform", words="the exit code 137", pattern=r"{exited}137\b",
        cause="the container was killed (exit code 137), most likely as it needs more than its {memory} MB of memory",
        remedy="start fewer workers, or raise memory in {table}"),
    FailureRule(id="stopped", log="platform", words="the exit code 143", pattern=r"{exited}143\b",
        cause="the container was terminated (SIGTERM, exit code 143)",
        remedy="look for what ends the server: a supervisor, a script, a health check of its own"),
    FailureRule(id="exit", log="platform", words="any other exit code", pattern=r"{exited}(?P<code>\d+)",
        cause="the container ended by itself with the exit code {code}; its last line was: {last}",
        remedy="start it once on your machine with the command in [tool.slipway]"),
)  # fmt: skip
SILENCES = (
    FailureRule(id="slow-start", log="application", words="uvicorn's `Waiting for application startup.` without its `complete`",
                pattern=r"Waiting for application startup\.(?![\s\S]*Application startup complete)",
        cause="the release was not ready in time: its startup began and did not end",
        remedy="do less before it answers, such as loading or connecting in the lifespan, or raise unhealthy-threshold in health-check of {table}", beside=_UNHEALTHY, any_level=True),
    FailureRule(id="loopback", log="application", words="a server's words that it listens on 127.0.0.1, and no other address",
                pattern=rf"{_LISTENS}(?P<loopback>{_LOOPBACK})",
        cause="the release listens on {loopback}, where only it can reach itself",
        remedy="let it listen on 0.0.0.0: --host 0.0.0.0 for uvicorn and flask, --bind 0.0.0.0:{port} for gunicorn and hypercorn", beside=_UNHEALTHY,
        absent=rf"{_LISTENS}(?!{_LOOPBACK})|all addresses", any_level=True),
    FailureRule(id="other-port", log="application", words="a server's words that it listens on other ports than the one that is checked",
                pattern=rf"{_LISTENS}[^\s/]*:(?!{{port}}\b)(?P<other>\d+)",
        cause="the release listens on the port {other}, and is asked on {port}",
        remedy="correct port or command in [tool.slipway]", beside=_UNHEALTHY, absent=rf"{_LISTENS}[^\s/]*:{{port}}\b", any_level=True),
    FailureRule(id="platform", log="platform", words="the platform's own reason, besides a failed health check", pattern="{failed}",
        cause="the platform gives this reason: {reason}",
        remedy="look it up in the platform's documentation; `slipway logs` has the lines around it"),
)  # fmt: skip
