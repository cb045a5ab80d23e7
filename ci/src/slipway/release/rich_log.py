"""Lines of a log as the application wrote them, without the columns, boxes' source code and line ends that rich adds.

Rich's handler prints a message beside its level, in a column that it wraps: at 80 characters where there is no terminal.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

# Rich pads a level to eight characters; before it may be a time, after the message the place of its call.
_LEVEL = re.compile(r"(?:\[[^\]]*\] | +|)(?P<level>(?=[A-Z]+ +\S).{8}) (?=\S)")
_PLACE = re.compile(r"[\w.-]+\.py:\d+")
_MINOR = ("DEBUG", "INFO", "WARNING")
# Source code in a traceback's box, which the application did not print.
_QUOTED = re.compile(r"\s*│ (?:(?:❱ +| +)\d+ | {4,}[^\s│])")
_BOX_ENDS = re.compile(r"\s*╰─+╯\s*$")
_BEGINS = re.compile(r"(?:Traceback|During handling of|The above exception) |(?:\w+\.)*[A-Z]\w*(?::|$)")


def unwrapped(lines: Sequence[str]) -> list[str]:
    """Return the lines of a log. Those that rich did not print are unchanged."""
    messages = [text for text in _messages(lines) if not _QUOTED.match(text)]
    ends = [at for at, text in enumerate(messages) if _BOX_ENDS.match(text)]
    for at in reversed(ends):
        after = at + 1
        until = next((n for n in range(after, len(messages)) if not messages[n].strip()), len(messages))
        messages[after:until] = _joined(messages[after:until], len(messages[at].rstrip()))
    return messages


def _messages(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines without the columns beside a message. A message of a minor level keeps its level."""
    after = 0
    for at, line in enumerate(lines):
        if at < after:
            continue
        row, after = _LEVEL.match(line), at + 1
        if row is None:
            yield line
            continue
        column = row.end()
        text = line[column:].rstrip()
        before, _, last = text.rpartition(" ")
        is_placed = before != "" and _PLACE.fullmatch(last) is not None
        cells = [before.rstrip() if is_placed else text, *_below(lines, after, column)]
        if len(cells) == 1 and not (is_placed and before.endswith(" ")):  # it may be another logger's line
            yield line
            continue
        after = at + len(cells)
        width = len(before) if is_placed else max(map(len, cells))
        first, *others = _joined(cells, width)
        if (level := row["level"].strip()) in _MINOR:
            first = f"{level}\n{first}" if first.startswith("Traceback") else f"{level} {first}"
        yield from (*first.split("\n"), *others)


def _below(lines: Sequence[str], after: int, column: int) -> Iterator[str]:
    """Yield the further lines of a message, which are in its column."""
    following = (lines[at] for at in range(after, len(lines)))
    return (line[column:] for line in takewhile(lambda line: not line[:column].strip(), following))


def _joined(lines: Sequence[str], width: int) -> list[str]:
    """Join lines that were broken because the next word did not fit into the width."""
    whole, last = list[str](), ""
    for line in lines:
        text = line.rstrip()
        word = text.split(" ", 1)[0]
        broken = last and word and len(last) + 1 + len(word) > width and not {*word, *last} & {*"│╭╰"}
        if broken and not (_BEGINS.match(text) and whole[-1].startswith(" ")):
            whole[-1] += text if len(last) == width and " " not in last.strip() else f" {text}"
        else:
            whole.append(text)
        last = text
    return whole
