"""Results about an account, simulated or real."""

from slipway.records.bootstrap import Bootstrap, Permissions
from slipway.records.command import Listening
from slipway.records.conformance import Conformance, Estimate, Left
from slipway.records.destruction import Destruction
from slipway.records.drift import AccountDrift
from slipway.records.image import Image
from slipway.records.words import counted
from slipway.report import account as account_text
from slipway.report import text as plain
from slipway.report.answers.result import CommandResult, fenced_result
from slipway.untrusted import one_line, printable


def of_bootstrap(record: Bootstrap) -> CommandResult:
    return fenced_result(record, account_text.of_bootstrap(record), 0 if record.is_well else 1)


def of_account_drift(record: AccountDrift) -> CommandResult:
    return fenced_result(record, account_text.of_account_drift(record), 0 if record.is_clean else 1)


def of_destruction(record: Destruction) -> CommandResult:
    return fenced_result(record, account_text.of_destruction(record), record.exit_code)


def of_permissions(permissions: Permissions) -> CommandResult:
    """Return the policy as text, ready to be saved as a file."""
    return CommandResult(record=permissions, text=f"{printable(permissions.policy)}\n")


def of_listening(listening: Listening) -> CommandResult:
    """Return the address as one line, because the program that starts the simulator reads one line."""
    text = f"listening on {one_line(listening.url)}\n"
    return CommandResult(record=listening, text=text, outputs={"url": listening.url})


def of_faults(listening: Listening, number: int) -> CommandResult:
    text = f"{counted(number, 'fault')} from now on" if number else "no faults from now on"
    return CommandResult(record=listening, text=f"{text}: {one_line(listening.url)}\n")


def of_pushed(image: Image) -> CommandResult:
    return CommandResult(record=image, text=f"{one_line(image.reference)}\n", outputs={"image": image.reference})


def of_conformance(record: Conformance) -> CommandResult:
    return fenced_result(record, plain.of_conformance(record), record.exit_code, differing=str(len(record.differing)))


def of_estimate(estimate: Estimate) -> CommandResult:
    return CommandResult(record=estimate, text=plain.of_estimate(estimate, "a real account"))


def of_left(left: Left) -> CommandResult:
    """Return the resources that remain, with the reasons; with --quiet nothing else has named them."""
    lines = "".join(f"  {one_line(thing)}\n" for thing in left.things)
    text = f"{counted(len(left.things), 'resource')} could not be deleted:\n{lines}"
    return CommandResult(
        record=left, text=text if left.things else "everything was deleted\n", code=3 if left.things else 0
    )
