"""Auto scaling configurations as their account shows them: revisions under one name."""

from slipway.conformance.account import MISSHAPEN, TAG, Account, Answer, SilentError, masked
from slipway.conformance.findings import Findings

_NOUN, _ARN = "AutoScalingConfiguration", "AutoScalingConfigurationArn"
_SUBJECTS = ("auto scaling by one name", "auto scaling without a revision", "auto scaling that is deleted")


async def look(account: Account, name: str, run: str, findings: Findings) -> str | None:
    """Make two revisions and delete the second; the ARN of the first, of one instance, is for a service. None when the account would not."""
    try:
        first, second = [(await _made(account, name, run))[_NOUN] for _ in range(2)]
        numbers = [made[f"{_NOUN}Revision"] for made in (first, second)]
        findings.saw(_SUBJECTS[0], masked(f"revisions {numbers[0]} and {numbers[1]}"))
        without = first[_ARN].rpartition("/1/")[0]
        last = await account.ask("apprunner", f"Describe{_NOUN}", **{_ARN: without})
        findings.saw(_SUBJECTS[1], masked(last.error or f"revision {last[_NOUN][f'{_NOUN}Revision']}"))
        await account.ask("apprunner", f"Delete{_NOUN}", **{_ARN: second[_ARN]})
        deleted = await account.ask("apprunner", f"Describe{_NOUN}", **{_ARN: second[_ARN]})
        findings.saw(_SUBJECTS[2], masked(deleted.error or deleted[_NOUN]["Status"].upper()))
    except (SilentError, *MISSHAPEN) as error:
        for subject in _SUBJECTS:
            findings.missed(subject, masked(str(error)))
        return None
    arn: str = first[_ARN]
    return arn


async def _made(account: Account, name: str, run: str) -> Answer:
    tags = [{"Key": TAG, "Value": run}]
    return await account.ask(
        "apprunner", f"Create{_NOUN}", AutoScalingConfigurationName=name, MinSize=1, MaxSize=1, Tags=tags
    )
