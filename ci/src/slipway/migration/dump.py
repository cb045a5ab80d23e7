"""The text of an SQL file by `pg_dump` or a person, split into statements that any driver can execute one by one.

This module does psql's work: rows of COPY become INSERT statements, and lines about other databases, owners and
transactions are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from slipway.errors import BadInputError

_TOKEN: Final = re.compile(
    r"""
    --[^\n]* | (?P<block>/\*) | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
    | [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
    | (?P<word>[^\W\d][\w$]*) | (?P<command>\\[^\n]*) | (?P<sign>[();])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_SIGN: Final = re.compile(r"/\*|\*/")
_BLANK: Final = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z))*")
# statements whose body may be BEGIN ATOMIC … END
_ROUTINE: Final = re.compile(r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b")
_COPY: Final = re.compile(r"COPY\s+(?P<into>.+?)\s+FROM\s+STDIN\b(?P<options>.*)", re.IGNORECASE | re.DOTALL)
_END_OF_ROWS: Final = re.compile(r"^\\\.$", re.MULTILINE)
_ROWS_AT_ONCE: Final = 100
_ESCAPED: Final = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

# Commands of psql that pg_dump writes, or that change nothing.
_HARMLESS: Final = re.compile(r"\\(?:restrict|unrestrict|encoding|echo|set\s+ON_ERROR_STOP)\b")
_CONNECT: Final = re.compile(r"\\c(?:onnect)?\b(?P<options>.*)")
# Owners are roles of another server; here the revisions' role owns everything. Each statement is its own transaction.
_LEFT_OUT: Final = re.compile(
    r"""SET\s+client_encoding\b | SET\s+(?:SESSION\s+|LOCAL\s+)?(?:SESSION\s+AUTHORIZATION|ROLE)\b | RESET\s+(?:SESSION\s+AUTHORIZATION|ROLE)\b
    | ALTER\b[^;]*\bOWNER\s+TO\s+\S+\Z | REASSIGN\s+OWNED\b
    | (?:CREATE|ALTER|DROP|COMMENT\s+ON)\s+DATABASE\b | (?:GRANT|REVOKE)\b[^;]*\bON\s+DATABASE\b
    | (?:BEGIN|COMMIT|END|START\s+TRANSACTION)\b""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class SqlStatement:
    """A statement, and the line on which it begins."""

    sql: str
    line: int


def statements(text: str, file: str) -> tuple[SqlStatement, ...]:
    """Split the text of a file. Raise BadInputError for parts that only psql can read."""
    return tuple(_Reader(text.replace("\r\n", "\n"), file).statements())


class _Reader:
    """A reader with its position in the text."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._at = self._counted = 0
        self._line = 1
        self._database = ""

    def statements(self) -> Iterator[SqlStatement]:
        while (start := self._skip_blank()) < len(self._text):
            line = self._line_of(start)
            sql = self._statement(line).strip()
            if copy := _COPY.fullmatch(sql):
                yield from self._rows(copy, line)
            elif sql and not _LEFT_OUT.match(sql):
                yield SqlStatement(sql, line)

    def _skip_blank(self) -> int:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._at

    def _line_of(self, position: int) -> int:
        """Return the line of a position.

        Line ends are counted from the last position, so a large dump is counted only once.
        """
        self._line += self._text.count("\n", self._counted, position)
        self._counted = position
        return self._line

    def _statement(self, line: int) -> str:
        """Return the text up to the semicolon that ends the statement, by psql's rules."""
        start, depth, blocks = self._at, 0, 0
        words: list[str] = []
        while token := _TOKEN.search(self._text, self._at):
            self._at = token.end()
            if token["command"]:
                self._obey(token["command"], line)
                return self._text[start : token.start()]
            if token["block"]:
                self._skip_comment()
            elif token["dollar"]:
                end = self._text.find(token["dollar"], self._at)
                self._at = len(self._text) if end < 0 else end + len(token["dollar"])
            elif token["word"]:
                words = [*words, token["word"].upper()] if len(words) < 4 else words
                blocks += _opened(token["word"].upper(), blocks) if _ROUTINE.match(" ".join(words)) else 0
            elif token["sign"] == ";":
                if not depth and not blocks:
                    return self._text[start : token.start()]
            elif token["sign"]:
                depth += 1 if token["sign"] == "(" else -1
        self._at = len(self._text)
        return self._text[start:]

    def _skip_comment(self) -> None:
        """Skip the rest of a comment, which may contain further comments."""
        depth = 1
        while depth and (sign := _COMMENT_SIGN.search(self._text, self._at)):
            depth += 1 if sign[0] == "/*" else -1
            self._at = sign.end()
        self._at = len(self._text) if depth else self._at

    def _obey(self, command: str, line: int) -> None:
        """Check a command of psql. Raise BadInputError for one that changes the result."""
        if connect := _CONNECT.match(command):
            database = connect["options"].split()[-1] if connect["options"].split() else ""
            if self._database not in ("", database):
                raise BadInputError(
                    f"{self._file} line {line} connects to a second database, {database}",
                    "write the file with pg_dump of one database, without --create",
                )
            self._database = database
        elif not _HARMLESS.match(command):
            raise BadInputError(
                f"{self._file} line {line} has the command {command.split(maxsplit=1)[0]} of psql",
                "write SQL instead of it",
            )

    def _rows(self, copy: re.Match[str], line: int) -> Iterator[SqlStatement]:
        """Yield INSERT statements for the lines up to the end mark.

        Raise BadInputError when they do not have pg_dump's form.
        """
        if copy["options"].strip():
            raise BadInputError(
                f"{self._file} line {line} has a COPY with options", "write its rows with `pg_dump --inserts`"
            )
        end = _END_OF_ROWS.search(self._text, self._at)
        if end is None:
            raise BadInputError(f"{self._file} line {line} has a COPY without the end \\.", "write the file again")
        begin = self._text.index("\n", self._at) + 1
        self._at = end.end()
        rows, number = iter(self._text[begin : end.start()].split("\n")[:-1]), self._line_of(begin)
        while block := list(islice(rows, _ROWS_AT_ONCE)):
            values = ",\n".join(f"({', '.join(map(_literal, row.split(chr(9))))})" for row in block)
            yield SqlStatement(f"INSERT INTO {copy['into']} OVERRIDING SYSTEM VALUE VALUES\n{values}", number)
            number += len(block)


def _opened(word: str, blocks: int) -> int:
    """Return how many blocks of a routine a word opens; -1 when it closes one."""
    if word == "BEGIN" or (word == "CASE" and blocks):
        return 1
    return -1 if word == "END" and blocks else 0


def _literal(field: str) -> str:
    """Return a field in COPY's text format as an SQL literal."""
    if field == r"\N":
        return "NULL"
    return "'" + _ESCAPED.sub(_unescaped, field).replace("'", "''") + "'"


def _unescaped(escape: re.Match[str]) -> str:
    hexadecimal, octal, character = escape.groups()
    if character:
        return _ESCAPES.get(character, str(character))
    return chr(int(hexadecimal or octal, 16 if hexadecimal else 8))
