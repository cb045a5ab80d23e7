"""Findings per revision on existing histories: `python benchmarks/noise.py --newest 25 --draw 60 SERVICE=VENV …`.

Each SERVICE is a folder with the service's pyproject.toml, VENV its virtual environment. The newest revisions of each are judged, as those of a pull
request would be; the table counts their findings, and the draw names some by a seed, to be read by hand.
"""

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import anyio

from slipway.errors import SlipwayError
from slipway.local.gate import revisions
from slipway.local.prove import GateOptions

Finding = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    drawn: list[tuple[str, Finding]] = []
    judged = 0
    print("| history | revisions judged | findings | errors | warnings | per revision | rules |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for service in arguments.services:
        folder, _, venv = service.partition("=")
        name = Path(folder).name
        proof = _prove(Path(folder), Path(venv), arguments.newest, arguments.database_url)
        if isinstance(proof, str):
            print(f"| {name} | 0 | not proven: {proof} | | | | |", flush=True)
            continue
        findings = [each for each in proof["findings"] if each["suppressed"] is None]
        new = sum(each["new"] for each in proof["revisions"])
        print(_row(name, new, findings), flush=True)
        judged += new
        drawn += [(name, finding) for finding in findings]
    print(_row("together", judged, [finding for _, finding in drawn]))
    chosen = random.Random(arguments.seed).sample(drawn, min(arguments.draw, len(drawn)))
    for name, finding in chosen:
        print(f"\n{finding['rule']} {finding['level']} {name} {finding['file']}:{finding['line']}")
        print(f"    {finding['message']}\n    {finding['measured']}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("services", nargs="+", metavar="SERVICE=VENV")
    parser.add_argument("--newest", type=int, default=25, help="how many revisions of each history are judged")
    parser.add_argument(
        "--database-url", help="a server with the extensions of the histories (default: the gate's own)"
    )
    parser.add_argument("--draw", type=int, default=0, help="how many findings are printed")
    parser.add_argument("--seed", type=int, default=19)
    return parser.parse_args()


def _prove(folder: Path, venv: Path, newest: int, database_url: str | None) -> dict[str, Any] | str:
    """Run the gate's command; the revision before the newest ones is its --since. Returns the reason when there is no proof."""
    try:
        listing = anyio.run(lambda: revisions(GateOptions(source=folder, python=venv, everything=True)))
    except SlipwayError as error:
        return str(error)
    older = listing.revisions[:-newest]
    since = ["--since", older[-1].id] if older else []
    command = [
        Path(sys.executable).with_name("slipway"),
        "gate",
        "--source",
        folder,
        "--python",
        venv,
        *since,
        *(["--database-url", database_url] if database_url else []),
        "--json",
    ]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if not answer.stdout:
        return answer.stderr.strip().rpartition("\n")[2]
    proof: dict[str, Any] = json.loads(answer.stdout)
    return proof if "findings" in proof else f"{proof['what']}: {proof['next_step']}"


def _row(name: str, judged: int, findings: list[Finding]) -> str:
    levels = Counter(each["level"] for each in findings)
    rules = ", ".join(f"{rule} {count}" for rule, count in Counter(each["rule"] for each in findings).most_common())
    share = len(findings) / judged if judged else 0
    return f"| {name} | {judged} | {len(findings)} | {levels['error']} | {levels['warning']} | {share:.1f} | {rules} |"


if __name__ == "__main__":
    main()
