"""The variables that the service reads, with stand-ins. Values of secrets and .env files are never read."""

import ast
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from slipway.database_url import LOGIN
from slipway.finder.compose import of_own_services
from slipway.finder.dockerfile import instructions
from slipway.finder.imports import loaded, origin_of
from slipway.finder.start import starts
from slipway.finder.tree import COMPOSE, Tree, called, is_of_script, module_of, parsed, text_in
from slipway.records.survey import Fact, Subject

_EXAMPLES: Final = r"(?:\.\./)*(?:(?:conf|config|settings|envs?|docker|deploy)/)?(?:[\w-]*\.)?(?:[\w.-]*env[\w.-]*[._-](?:example|sample|template|dist|tpl|default)s?|(?:example|sample)\.env)"
SHELL_DEFAULT: Final = re.compile(r"\$\{\w+:?-([^}]*)\}")  # a shell's default for an unset variable
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*")
# A path exists in the container only; the others begin an alias, an anchor, a tag, a block or a collection of YAML.
_NO_VALUE: Final = frozenset("/*&!|>[{")
_OF_COMPOSE: Final = re.compile(r"""\s*(?:-\s*)?["']?([A-Z][A-Z0-9_]*)["']?\s*[:=]\s*["']?([^"'#]*?)["']?\s*(?:#.*)?""")
_SECRET: Final = re.compile(r"SECRET|PASSW|PASS$|PWD|TOKEN|KEY|CREDENTIAL|PRIVATE|SALT|AUTH$|CERT")
_AMOUNT: Final = re.compile(
    r"(^|_)(\w*MINUTES?|\w*SECONDS?|SECS?|HOURS?|DAYS?|WEEKS?|MS|TTL|AGE|EXPIRES?|EXPIRY|LIFETIME|LEEWAY|LENGTH|SIZE|COUNT|LIMIT|ROUNDS)$"
)
# Endings of variables about a secret that contain none: JWT_ALGORITHM, AUTH_ISSUER_URL, RESET_PASSWORD_PATH.
_ABOUT_A_SECRET: Final = re.compile(
    rf"{_AMOUNT.pattern}|(^|_)(ALGORITHMS?|ALG|METHODS?|TYPE|MODE|ENABLED|PREFIX|PATH|URL|URI|ENDPOINT|HEADER|ISSUER|AUDIENCE|REALM|DOMAIN|HOST|PORT|MOUNT|NAME|SECRET_(?:ID|ARN))$"
)
_LOOKS_SECRET: Final = re.compile(
    rf"(?!/)[A-Za-z0-9+/=_-]{{24,}}|[a-z][a-z0-9+]*(?:{LOGIN}.*|://[^/\s]+/\S*?[A-Za-z0-9]{{20}}.*)"
)
_PLACEHOLDER: Final = re.compile(r"^<[^<>]*>$|^[^/]*(?:\.\.\.|…)$")  # a text that asks for a value
_FLAG: Final = re.compile(r"true|false|yes|no|on|off", re.IGNORECASE)
_STAND_INS: Final = {
    "int": "1", "float": "1", "bool": "false", "PositiveInt": "1", "EmailStr": "someone@example.com", "HttpUrl": "http://localhost",
    "AnyUrl": "http://localhost", "AnyHttpUrl": "http://localhost", "RedisDsn": "redis://localhost:6379/0", "PostgresDsn": "{url}",
    "AmqpDsn": "amqp://localhost", "list": "[]", "List": "[]", "set": "[]", "dict": "{}", "Dict": "{}", "Path": ".", "UUID": "00000000-0000-4000-8000-000000000000",
}  # fmt: skip
_TEXTS: Final = {"str", "SecretStr", "bytes", "SecretBytes"}
_PLAIN: Final = {*_STAND_INS, "str", "SecretStr", "Any", "None", "Optional", "Union", "Annotated", "Field"}
_READER: Final = re.compile(r"config|env|_?(?:get|require)_(?:required_)?(?:config|env|setting)(?:_var|_variable)?")
_READING: Final = re.compile(
    rf"Settings\)|environ\[|(?:mandatory|required)=True|\b(?:{_READER.pattern})\(|\benv\.(?:str|int|bool|list|url|float)\("
)
_TYPE_IN_NAME: Final = re.compile(r"(?:^|_|to)(bool|int|float)(?:ean|eger)?(?![a-z])")
_LOOKS: Final = re.compile(
    r"""(?:getenv|environ\.get)\(\s*["'](?:[A-Z0-9_]*(?:POSTGRES|PG|DB|DATABASE|SQLALCHEMY)|\w+["'],\s*["']postgres)"""
)
# the code checks the variable before it reads it
_CHECKED: Final = re.compile(r"""["'](\w+)["'] (?:not )?in (?:os\.)?environ\b""")
# without this import, `environ` is the name of a WSGI parameter
_IMPORTED: Final = re.compile(r"^from os import .*\benviron\b", re.MULTILINE)
_SETTINGS: Final = {"BaseSettings", "CustomBaseSettings", "BaseAppSettings"}
_FLAGS: Final = {"mandatory", "required"}
_ENVIRONMENT: Final = re.compile(r"environ\b|getenv\b")
# libraries' options and functions that join a variable's name from its parts: any, or those with a prefix
_JOINS: Final = re.compile(r"envvar_prefix|prefixed|Dynaconf")
_PREFIX: Final = re.compile(r"env_prefix\W{1,5}(\w+)")
STAND_IN: Final = "slipway"
# a valid Fernet key, and long enough for other keys
_LONG_STAND_IN: Final = "this-is-no-secret-only-a-stand-in-slipway-0="
_OF_THE_MACHINE: Final = {
    *(
        "HOME",
        "PATH",
        "USER",
        "USERNAME",
        "LOGNAME",
        "SHELL",
        "LANG",
        "PWD",
        "TMPDIR",
        "TEMP",
        "TMP",
        "HOSTNAME",
        "DISPLAY",
    ),
    *("APPDATA", "LOCALAPPDATA", "PROGRAMFILES", "PROGRAMDATA", "USERPROFILE", "VIRTUAL_ENV", "PYTHONPATH"),
}


@dataclass(frozen=True)
class Variable:
    """A variable, its value in a file, its place, and whether code needs it: False with a default, None when unknown."""

    name: str
    value: str
    place: str
    needed: bool | None = True


# The endings of variables with one part of a database URL, by the placeholder for the part in `variables`.
_PARTS: Final = {
    "host": r"HOST|HOSTNAME|SERVER",
    "port": r"PORT",
    "user": r"USER|USERNAME",
    "password": r"PASSWORD|PASS|PWD",
    "database": r"DB|NAME|DATABASE|DBNAME",
}
_DATABASE: Final = re.compile(r"(^|_)(POSTGRES|POSTGRESQL|PG|DB|DATABASE|SQLALCHEMY)")
_OTHER_STORE: Final = re.compile(
    r"(^|_)(REDIS|MYSQL|MARIADB|MONGO|MONGODB|RABBITMQ|CELERY|SQLITE|NEO4J|ELASTIC|INFLUX|CLICKHOUSE|CASSANDRA|SNOWFLAKE|BIGQUERY|REDSHIFT|ORACLE|MSSQL|VECTOR|AUTH0)"
)
_URL_NAME: Final = re.compile(r"(^|_)(URL|URI|DSN|CONNECTION_STRING)$")
_SURELY: Final = re.compile(
    rf"(?:^|_)(?:(?:POSTGRES|POSTGRESQL|PG|DB|DATABASE)_*(?:{'|'.join(_PARTS.values())})|DATABASE|CREDENTIALS)$|{_URL_NAME.pattern}"
)
_URL: Final = re.compile(r"(postgres(?:ql)?(?:\+\w+)?)://")
_PLACE: Final = "://{user}:{password}@{host}:{port}/{database}"
_URL_OF_ANOTHER: Final = re.compile(r"(?:https?|rediss?|mongodb|amqps?)(?:\+\w+)?://")
_OF_TESTS: Final = re.compile(r"(^|_)TEST(S|ING)?(_|$)")


def word_for(name: str, value: str, driver: str = "") -> str | None:
    """Return the placeholder for a variable with the database URL or a part of it, judged by its value and name.

    A URL whose scheme names another driver than that of {url} keeps its scheme.
    """
    if match := _URL.match(value):
        return match[1] + _PLACE if driver and "+" in match[1] and match[1] != driver else "{url}"
    if _DATABASE.search(name) and not is_of_another_store(name) and not _URL_OF_ANOTHER.match(value):
        if _URL_NAME.search(name):
            return "{url}"
        if name.endswith("CREDENTIALS"):
            return "{user}:{password}"
        return next((f"{{{word}}}" for word, ends in _PARTS.items() if re.search(rf"(^|_)({ends})$", name)), None)
    return None


def is_of_another_store(name: str) -> bool:
    return _OTHER_STORE.search(name) is not None


def examples(tree: Tree) -> Iterator[Variable]:
    """Yield the variables in the nearest example file, of several in one folder in that with the shortest name.

    Leave out those whose value is a placeholder.
    """
    files = (name for name in tree.matching(_EXAMPLES) if re.search(r"[A-Z]\w*\s*=", tree.read(name)))
    name = min(files, key=lambda name: (name.startswith("../"), name.count("/"), len(name)), default="")
    for place, line in tree.lines(name):
        if match := _LINE.fullmatch(line):
            value = SHELL_DEFAULT.sub(r"\1", f" {match[2]}".partition(" #")[0]).strip().strip("'\"")
            if not _PLACEHOLDER.search(value):
                yield Variable(match[1], value, place)
            elif _is_secret(match[1]):
                yield Variable(match[1], "", place)


def variables(tree: Tree, driver: str) -> Iterator[Fact]:
    """Yield the variables that the service may need, each once: first those in the example file, then those that its code needs.

    Leave out those of the example file that the code does not name, or for which it has a default. Each variable with
    the database's URL gets it, even when application and env.py use different names. `driver` is the URL's scheme.
    """
    listed = {variable.name: variable for variable in reversed([*examples(tree)])}
    code = [*_in_code(tree, listed)]
    needed = {variable.name: variable for variable in reversed(code) if variable.needed}
    with_default = {each.name for each in code if each.needed is False}
    unneeded = (with_default | {*_unnamed(tree, listed)}) - needed.keys()
    listed = {name: variable for name, variable in listed.items() if name not in unneeded}
    of_images, of_compose = _of_images(tree), _of_compose(tree)
    for name in dict.fromkeys((*reversed(listed), *reversed(needed))):
        stated = (of_images.get(name), listed.get(name), of_compose.get(name)) if name in needed else ()
        chosen = next((each for each in stated if each and each.value), listed.get(name))
        value, guessed = _value(name, chosen, needed.get(name), driver)
        place = (chosen or needed[name]).place
        yield Fact(subject=Subject.VARIABLE, value=f"{name}={value}", place=place, guessed=guessed)


def stand_ins(tree: Tree) -> dict[str, str]:
    """Return every variable that the code reads in a way that the finder knows, also those with a default, with a stand-in."""
    found = {variable.name: variable for variable in reversed([*_in_code(tree, None)])}
    return {name: _value(name, None, variable, "")[0] for name, variable in found.items()}


def _unnamed(tree: Tree, names: Collection[str]) -> Iterator[str]:
    """Yield the variables that no module names, and whose names it does not seem to join from parts."""
    texts = [tree.read(name) for name in {*tree.sources, *loaded(tree).modules}]
    parts = {match.upper() for text in texts for match in _PREFIX.findall(text)} or {"\n"}
    if any("env_nested_delimiter" in text for text in texts):
        parts.add("__")
    if not any(map(_JOINS.search, texts)):
        named = (name for name in names if any(name in text or name.lower() in text for text in texts))
        yield from {*names} - {*named, *(name for name in names if any(part in name for part in parts))}


def _of_images(tree: Tree) -> dict[str, Variable]:
    """Return the variables that Dockerfiles set, the nearest file first.

    Leave out paths, which exist in the image only.
    """
    found: dict[str, Variable] = {}
    for each in instructions(tree):
        for name, value in each.values.items() if each.word == "ENV" else ():
            if value[:1] != "/" and "$" not in value:
                found.setdefault(name, Variable(name, value, each.place))
    return found


def _of_compose(tree: Tree) -> dict[str, Variable]:
    """Return the variables that compose files set. Leave out paths, which exist in the container only."""
    found: dict[str, Variable] = {}
    files = sorted(tree.matching(COMPOSE), key=len)  # that of no special use first
    for place, line in (line for name in files for line in of_own_services(tree, name)):
        match = _OF_COMPOSE.fullmatch(SHELL_DEFAULT.sub(r"\1", line))
        if match and match[2][:1] not in _NO_VALUE and "$" not in match[2]:
            found.setdefault(match[1], Variable(match[1], match[2], place))
    return found


def _value(name: str, listed: Variable | None, needed: Variable | None, driver: str) -> tuple[str, str]:
    """Return a value for a variable, and why it is a guess.

    The value is the example's unless that looks secret, or a stand-in of the right type.
    """
    example, default = listed.value if listed else "", needed.value if needed else ""
    if word := _like_json(name, example, driver) or word_for(name, example or default, driver):
        return word, "it may hold the address" if name in {"DB", "DATABASE"} and not example else ""
    secret = _LOOKS_SECRET.fullmatch(example or default) or (_is_secret(name) and not _FLAG.fullmatch(example))
    of_type = default in {STAND_IN, *_STAND_INS.values()}
    if secret and example.isdecimal():  # the code may expect a number
        return "1" * len(example), "a stand-in"
    if _AMOUNT.search(name) and not example:
        return "60" if of_type or not needed else default, "a stand-in"
    if not secret and (example or not needed) and "${" not in example:  # developers use empty values of an example, too
        return example, ""
    if secret and (default == STAND_IN or not of_type):
        return _LONG_STAND_IN, "a stand-in"
    return default or STAND_IN, "a stand-in"


def _like_json(name: str, example: str, driver: str) -> str:
    """Return a JSON list or object like that of an example, with placeholders and stand-ins for its texts; empty for another value."""
    try:
        document = json.loads(example) if example[:1] in {"[", "{"} and "{{" not in example else None
    except ValueError:
        return ""

    def replaced(value: object, key: str) -> object:
        if isinstance(value, dict):
            return {each: replaced(inner, f"{key}_{each}".upper()) for each, inner in value.items()}
        if isinstance(value, list):
            return [replaced(inner, key) for inner in value]
        return _value(key, Variable(key, value, ""), None, driver)[0] if isinstance(value, str) else value

    return json.dumps(replaced(document, name)) if document else ""


def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(name)) and not _ABOUT_A_SECRET.search(name)


def _in_code(tree: Tree, listed: Collection[str] | None) -> Iterator[Variable]:
    """Yield the variables that the service's modules read.

    Those without which no module fails are complete only if `listed`; with None all of them are.
    """
    own = _own_readers(tree)
    started = {word for each in starts(tree) for word in each.arguments}
    modules = (each for each in tree.sources if "." not in each.rpartition("/")[2].removesuffix(".py"))
    for name in (*modules, loaded(tree).modules[0]):
        text = tree.read(name)
        looked_up = _ENVIRONMENT.search(text) and (listed is None or any(each in text for each in listed))
        if looked_up or _READING.search(text) or _LOOKS.search(text) or any(f"{reader}(" in text for reader in own):
            known = _OF_THE_MACHINE.union(_CHECKED.findall(text))
            environ = {"os.environ", "environ"} if _IMPORTED.search(text) else {"os.environ"}
            is_started = not started.isdisjoint((name, module_of(name, tree)))
            nodes = [
                node for each in parsed(text).body if is_started or not is_of_script(each) for node in ast.walk(each)
            ]
            here = {each.name: each for each in nodes if isinstance(each, ast.ClassDef)}
            settings = _settings_in(here)
            classes = _imported(tree, name, nodes) | here if settings else here
            for node in nodes:
                if isinstance(node, ast.ClassDef) and node.name in settings:
                    yield from _of_class(node, name, classes)
                else:
                    found = _of_expression(node, name, environ, own)
                    yield from (each for each in found if each.name not in known or _names_the_database(each.name))


def _imported(tree: Tree, name: str, nodes: Sequence[ast.AST]) -> dict[str, ast.ClassDef]:
    """Return the classes that a module imports from the service's other modules, by name."""
    found: dict[str, ast.ClassDef] = {}
    module = module_of(name, tree)
    for node in (each for each in nodes if isinstance(each, ast.ImportFrom)):
        file = tree.modules.get(origin_of(node, module, is_package=name.endswith("__init__.py")), "")
        names = {alias.name for alias in node.names}
        body = parsed(tree.read(file)).body if file else []
        found |= {each.name: each for each in body if isinstance(each, ast.ClassDef) and each.name in names}
    return found


def _own_readers(tree: Tree) -> set[str]:
    """Return the service's own functions that read the variable named by their first argument, and raise an error without it."""
    found = set[str]()
    for text in (text for text in map(tree.read, tree.sources) if "raise" in text and _ENVIRONMENT.search(text)):
        for node in (each for each in ast.walk(parsed(text)) if isinstance(each, ast.FunctionDef)):
            names = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
            body = ast.unparse(node) if names and not _FLAGS & {*names} else ""
            if "raise " in body and re.search(rf"(?:getenv|environ\.get)\({names[0]}\b|environ\[{names[0]}\]", body):
                found.add(node.name)
    return found


def _settings_in(here: Mapping[str, ast.ClassDef]) -> set[str]:
    """Return the names of a module's classes that read variables, and of those from which they inherit.

    They inherit from a known base, or from one of another module whose name ends with `Settings`.
    """
    bases = {
        name: {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases} for name, node in here.items()
    }
    others = set().union(*bases.values()) - here.keys()
    found = {each for each in others if each in _SETTINGS or each.endswith("Settings")}
    while more := {name for name, own in bases.items() if own & found} - found:
        found |= more
    while more := {each for name in found & here.keys() for each in bases[name] & here.keys()} - found:
        found |= more
    return found


def _of_class(node: ast.ClassDef, name: str, classes: Mapping[str, ast.ClassDef]) -> Iterator[Variable]:
    """Yield the variables of a settings class, also those of nested models. Those of the database are needed even with a default."""
    of_itself = _OfFields(name, classes, _option(node, "env_nested_delimiter"))
    yield from _of_fields(node, of_itself, _option(node, "env_prefix"), {})


@dataclass(frozen=True)
class _OfFields:
    """The module of a settings class, the classes that the module knows, and the text that joins the names of nested fields."""

    name: str
    classes: Mapping[str, ast.ClassDef]
    delimiter: str


def _of_fields(node: ast.ClassDef, at: _OfFields, prefix: str, given: Mapping[str, str]) -> Iterator[Variable]:
    """Yield the variables of a class's fields.

    `given` has the values in the default of an outer field with this class as its type.
    """
    name, classes, delimiter = at.name, at.classes, at.delimiter
    checked = _checked_by(node)
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name) or field.target.id[0] == "_":
            continue
        variable = _alias(field.value) or f"{prefix}{field.target.id}".upper()
        default = given.get(field.target.id, _default(field.value))
        required = _is_required(field.value or _in_annotation(field.annotation))
        kind = ast.unparse(field.annotation)
        types = re.findall(r"\w+", kind)
        nested = next((classes[each] for each in types if each in classes and classes[each] is not node), None)
        if nested and not (members := _members(nested)):
            inner = [*_of_fields(nested, at, f"{variable}{delimiter}", _keywords(field.value))] if delimiter else []
            # a variable replaces such a default as a whole
            whole = required or any(word_for(each.name, each.value) for each in inner if each.needed)
            yield from (each if whole else replace(each, needed=False) for each in inner)
        elif "ClassVar" not in kind:
            value = members[0] if nested else default or _of_kind(kind)
            is_checked = _is_secret(variable) and field.target.id in checked and bool(_TEXTS & {*types})
            needed = required or is_checked or _names_the_database(variable, default, types)
            yield Variable(variable, value, f"{name} line {field.lineno}", needed)


def _checked_by(node: ast.ClassDef) -> set[str]:
    """Return the names in those methods of a class that raise errors, such as the fields whose default they refuse."""
    methods = [[*ast.walk(each)] for each in node.body if isinstance(each, ast.FunctionDef)]
    raising = (each for nodes in methods if any(isinstance(each, ast.Raise) for each in nodes) for each in nodes)
    return {each.attr if isinstance(each, ast.Attribute) else text_in(each) or "" for each in raising}


def _names_the_database(variable: str, default: str = "", types: Collection[str] = ()) -> bool:
    """Return whether a variable that may be missing surely names the database: not that of tests; any other could be production's."""
    is_sure = _URL.match(default) or _SURELY.search(variable)
    return bool(is_sure and word_for(variable, default)) and _PLAIN.issuperset(types) and not _OF_TESTS.search(variable)


def _default(value: ast.expr | None) -> str:
    """Return the default of a field when it is a text, otherwise an empty text."""
    if isinstance(value, ast.Call) and called(value) == "Field":
        value = _keyword(value, "default") or next(iter(value.args), None)
    return text_in(value) or ""


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def _keywords(value: ast.expr | None) -> dict[str, str]:
    """Return the literal keyword arguments of a call, by name."""
    literal = value.keywords if isinstance(value, ast.Call) else ()
    return {each.arg: str(each.value.value) for each in literal if each.arg and isinstance(each.value, ast.Constant)}


def _in_annotation(annotation: ast.expr) -> ast.expr | None:
    """Return the `Field(…)` in `Annotated[…, Field(…)]`."""
    parts = getattr(getattr(annotation, "slice", None), "elts", ())
    return next((each for each in parts if isinstance(each, ast.Call) and called(each) == "Field"), None)


def _members(node: ast.ClassDef) -> list[str]:
    """Return the values of an enumeration class; none for other classes."""
    if not any("Enum" in ast.unparse(base) for base in node.bases):
        return []
    return [
        str(each.value.value)
        for each in node.body
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
    ]


def _is_required(call: ast.expr | None) -> bool:
    """Return whether a field has no default: no value, or a `Field(…)` without one."""
    if call is None:
        return True
    if not isinstance(call, ast.Call) or called(call) != "Field":
        return False
    given = {each.arg for each in call.keywords} & {"default", "default_factory"}
    first = call.args[0] if call.args else None
    return not given and (first is None or (isinstance(first, ast.Constant) and first.value is ...))


def _alias(value: ast.expr | None) -> str:
    for each in value.keywords if isinstance(value, ast.Call) else ():
        if each.arg in {"alias", "validation_alias", "env"}:
            several = each.value.args if isinstance(each.value, ast.Call) else [each.value]  # AliasChoices(…)
            if texts := [*filter(None, map(text_in, several))]:
                return next((text for text in texts if text.isupper()), texts[0]).upper()
    return ""


def _option(node: ast.ClassDef, name: str) -> str:
    match = re.search(rf"\b{name}['\"]?\s*[=:]\s*['\"](\w*)['\"]", ast.unparse(node))
    return match[1] if match else ""


def _of_kind(kind: str) -> str:
    names = re.findall(r"\w+", kind)
    return next((_STAND_INS[name] for name in names if name in _STAND_INS), STAND_IN)


def _of_expression(node: ast.AST, name: str, environ: set[str], own: set[str]) -> Iterator[Variable]:
    """Yield the variable in `os.environ["X"]`, also when it is converted, and in `config("X")`.

    With a default, or when it is looked up, it is needed only if it names the database.
    """
    default, given, may_be_missing = "", None, False
    kind, node = _unwrapped(node)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) in environ:
        key = text_in(node.slice)
    elif (
        isinstance(node, ast.Call)
        and node.args
        and ((looks := _looks(node, environ)) or _reads(node) or _demands(node) or called(node) in own)
    ):
        key, given = text_in(node.args[0]), _keyword(node, "default") or next(iter(node.args[1:]), None)
        default, may_be_missing = text_in(given) or "", looks and not _demands(node)
        cast = _keyword(node, "cast")
        kind = ast.unparse(cast) if cast else kind or _named_type(called(node))
    else:
        return
    if key and re.fullmatch(r"[A-Z][A-Z0-9_]+", key):
        needed = not (given or may_be_missing) or _names_the_database(key, default)
        unless = False if given else None
        yield Variable(key, default or _of_kind(kind), f"{name} line {node.lineno}", needed or unless)


def _unwrapped(node: ast.AST) -> tuple[str, ast.AST]:
    """Return the type to which an expression converts a variable, or with which it compares it, and the expression that reads it."""
    if isinstance(node, ast.Compare) and any(_FLAG.fullmatch(text_in(each) or "") for each in ast.walk(node)):
        value = node.left
        while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and not value.args:
            value = value.func.value  # remove calls such as .strip().lower()
        return "bool", value
    if isinstance(node, ast.Call) and len(node.args) == 1 and (kind := _named_type(called(node))):
        inner = node.args[0]
        return (kind, inner) if isinstance(inner, ast.Call | ast.Subscript) else ("", node)
    return "", node


def _named_type(function: str) -> str:
    """Return the type in a function's name: `bool` for parse_bool. Return an empty text for other names."""
    match = _TYPE_IN_NAME.search(function)
    return function if function in _STAND_INS else match[1] if match else ""


def _looks(node: ast.Call, environ: set[str]) -> bool:
    """Return whether a call reads a variable that may be missing: `os.environ.get("X")`."""
    return called(node) == "getenv" or (
        isinstance(node.func, ast.Attribute) and node.func.attr == "get" and ast.unparse(node.func.value) in environ
    )


def _demands(node: ast.Call) -> bool:
    """Return whether a call of a service's function demands that the variable is set: `getenv("X", mandatory=True)`."""
    flags = {each.arg for each in node.keywords if isinstance(each.value, ast.Constant) and each.value.value is True}
    return "env" in called(node).lower() and bool(flags & _FLAGS)


def _reads(node: ast.Call) -> bool:
    function = node.func
    owner = getattr(getattr(function, "value", None), "id", "")
    return bool(_READER.fullmatch(getattr(function, "id", ""))) or (
        owner == "env" and called(node) in {"str", "int", "bool", "list", "url", "float"}
    )
