from slipway.records.checks import Branch, Check, Preflight, PreflightResult
from slipway.report.checks import of_preflight

FOUND = Preflight(
    environment="staging",
    service="notes",
    image="notes@sha256:1",
    seconds=1.25,
    branches=(
        Branch("image", (Check(subject="digest", verdict=PreflightResult.OK, found="notes has sha256:1"),)),
        Branch(
            "start",
            (
                Check(
                    subject="release",
                    verdict=PreflightResult.REFUSED,
                    found="the health check answers 500",
                    remedy="read the log",
                    lines=("ERROR \x1b[31mx",),
                ),
                Check(subject="address", verdict=PreflightResult.NOT_COVERED, found="two\nlines"),
            ),
        ),
    ),
)


def test_a_preflight_is_a_tree_with_a_count_below_it():
    assert of_preflight(FOUND) == (
        "notes in staging: notes@sha256:1\n"
        "  image\n"
        "    OK digest: notes has sha256:1\n"
        "  start\n"
        "    NO release: the health check answers 500\n"
        "         log: ERROR x\n"
        "         read the log\n"
        "    ?  address: two lines\n"
        "1 OK, 1 refused, 1 not covered, in 1.2 s\n"
    )
