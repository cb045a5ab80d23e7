"""Plays calls of the AWS CLI, each a process: a line of JSON in, a line of JSON out."""

import json
import re
import subprocess
import sys
from pathlib import Path

from awscli.botocore import xform_name

AWS = Path(sys.executable).with_name("aws")
REFUSED = re.compile(r"An error occurred \((?P<code>\w+)\) when calling the \w+ operation[^:]*: (?P<message>.*)")


def told(call, asked):
    service, operation = call.split(".")
    command = [AWS, service, xform_name(operation, "-"), "--output", "json", "--cli-input-json", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return {"answer": json.loads(done.stdout)}
    refused = REFUSED.search(done.stderr)
    if refused is None:
        raise SystemExit(f"aws exited with {done.returncode}: {done.stderr}")
    return {"error": refused.groupdict() | {"type": refused["code"]}}


for line in sys.stdin:
    print(json.dumps(told(**json.loads(line))), flush=True)  # noqa: T201 -- what it is there for
