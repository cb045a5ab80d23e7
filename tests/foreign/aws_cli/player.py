"""A player of the AWS CLI: a line of JSON in, a call, a line of JSON out.

The CLI runs in this process and starts once, because its imports take a second, and its tables of commands a fifth of one.
"""

import contextlib
import io
import json
import re
import sys

from awscli.botocore import xform_name
from awscli.clidriver import create_clidriver

REFUSED = re.compile(r"An error occurred \((?P<code>\w+)\) when calling the \w+ operation[^:]*: (?P<message>.*)")

CLI = create_clidriver()


def outcome(call, asked):
    service, operation = call.split(".")
    arguments = [service, xform_name(operation, "-"), "--output", "json", "--cli-input-json", json.dumps(asked)]
    printed, complained = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
        code = CLI.main(arguments)
        printed.flush()
    if code == 0:
        return {"answer": json.loads(printed.buffer.getvalue())}
    refused = REFUSED.search(complained.getvalue())
    if refused is None:
        raise SystemExit(f"aws exited with {code}: {complained.getvalue()}")
    return {"error": refused.groupdict() | {"type": refused["code"]}}


for line in sys.stdin:
    print(json.dumps(outcome(**json.loads(line))), flush=True)  # noqa: T201 -- the protocol
