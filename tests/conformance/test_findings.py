from slipway.conformance.expectations import Findings, every
from slipway.records.conformance import ConformanceVerdict

SUBJECT = "ListOperations of RUNNING"
ARN = "arn:aws:apprunner:eu-west-1:123456789012:service/notes/0a1b"


def of(findings: Findings):
    return next(found for found in findings.all() if found.subject == SUBJECT)


def test_what_was_expected_is_confirmed():
    findings = Findings(every())
    findings.saw(SUBJECT, "answers")
    assert (of(findings).verdict, of(findings).seen) == (ConformanceVerdict.CONFIRMED, "")


def test_no_account_and_no_arn_is_kept_and_no_second_line():
    findings = Findings(every())
    findings.saw(SUBJECT, f"AccessError: {ARN}, or {ARN}. You are 123456789012\n\x1b[31m")
    assert of(findings).verdict is ConformanceVerdict.DIFFERS
    assert of(findings).seen == "AccessError: ARN, or ARN. You are ACCOUNT"


def test_what_was_seen_is_not_unseen_later():
    findings = Findings(every())
    findings.saw(SUBJECT, "answers")
    findings.missed(SUBJECT, "the run ended")
    assert of(findings).verdict is ConformanceVerdict.CONFIRMED


def test_why_something_was_not_reached_is_kept_without_accounts():
    findings = Findings(every())
    findings.missed(SUBJECT, f"User {ARN} may not")
    assert (of(findings).verdict, of(findings).seen) == (ConformanceVerdict.NOT_REACHED, "User ARN may not")
