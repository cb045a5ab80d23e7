import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from slipway.records.proof import Finding, Level, Verdict
from slipway.report.proof.page import page as html
from tests.report.conftest import READERS, statement

VOID = {"meta", "path", "rect", "circle"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</code></pre></style><h1>passed</h1>",
    '" onmouseover="alert(1)" href="javascript:alert(1)',
    "' onload='alert(1)' style='background:url(https://evil.example)",
    "javascript:alert(1)",
    "https://evil.example/x.png",
    "}} @import 'https://evil.example'; {{ proof }}",
    "\x1b[2J\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "passed\rfailed \u202egpj.exe\u2066",
]


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text by tag."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.said = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.said.append((self.open[-1], " ".join(data.split())))

    def texts(self, tag):
        return [text for within, text in self.said if within == tag]

    def all(self, tag):
        return [attributes for found, attributes in self.tags if found == tag]


def hostile_everywhere(proof, text):
    """The proof with the text beside every name, so that names still differ and still agree."""

    def told(finding):
        names = {
            "rule": text,
            "message": text,
            "measured": text,
            "remedy": text,
            "revision": f"{text}{finding.revision}",
        }
        return replace(finding, **names, file=text, suppressed=finding.suppressed and text)

    def run(statement):
        return replace(
            statement,
            sql=f"{text}{statement.sql}",
            locks={f"{text}{table}": text for table in statement.locks},
            blocks={f"{text}{table}": blocked for table, blocked in statement.blocks.items()},
            **{
                work: tuple(text + table for table in getattr(statement, work))
                for work in ("rewrites", "builds", "scans")
            },
        )

    revisions = tuple(
        replace(
            revision,
            id=f"{text}{revision.id}",
            down=tuple(text + name for name in revision.down),
            file=text,
            statements=tuple(map(run, revision.statements)),
            rows={text: 3} if revision.rows else {},
        )
        for revision in proof.revisions
    )
    versions = replace(proof.gate, gate=text, python=text, sqlalchemy=text, alembic=text, driver=text)
    return replace(
        proof,
        gate=versions,
        postgres=text,
        history=text,
        heads=(text, text),
        revisions=revisions,
        findings=tuple(map(told, proof.findings)),
        coverage=replace(proof.coverage, gaps=(text,)),
        seconds={text: 1.0},
    )


def long_history(branched, count):
    """Old revisions with ten findings each that do not count, and the new ones of `branched`."""
    last = branched.revisions[89]
    line = [
        replace(
            last,
            id=f"past{number}",
            down=(f"past{number - 1}",) if number else (),
            file=f"versions/{number}_of_the_past.py",
        )
        for number in range(count)
    ]
    silent = tuple(
        Finding(
            rule=f"L{number:02}",
            level=Level.ERROR,
            message="Building an index stops writes.",
            revision=each.id,
            file=each.file,
            line=9,
            measured="a fact",
            remedy="code",
            suppressed="old",
        )
        for each in line
        for number in range(10)
    )
    return replace(branched, revisions=(*line, *branched.revisions), findings=branched.findings + silent)


def test_the_verdict_is_on_top_with_its_basis(branched):
    page = Page(html(branched))
    assert page.texts("title") == ["Migrations refused: 2 errors, 4 warnings"]
    assert page.texts("h1") == ["Migrations refused: 2 errors, 4 warnings"]
    assert page.texts("p")[0] == (
        "99 revisions up, 4 of them down and up again on PostgreSQL 18.1; the locks of 7 statements were recorded. "
        "The history has 4 new revisions. 2 of 3 tables held rows."
    )


def test_what_passed_says_so_and_what_was_not_covered(proof):
    page = Page(html(replace(proof, findings=(), verdict=Verdict.PASS)))
    assert page.texts("h1") == ["Migrations passed: no findings"]
    assert "No findings." in page.texts("p")
    assert page.texts("li")[:2] == ["the cluster's roles", "no revision ran on rows"]


def test_a_proof_without_gaps_says_that_it_names_none(branched):
    page = Page(html(replace(branched, coverage=replace(branched.coverage, gaps=()))))
    assert "The gate reports no gaps." in page.texts("p")


def test_a_finding_is_a_sentence_a_place_a_fact_and_the_safe_code(proof):
    page = Page(html(proof))
    assert page.texts("h3")[:2] == ["Building an index blocks every write to notes.", "The models differ."]
    assert [attributes["class"] for attributes in page.all("article")] == ["error", "warning"]
    assert ("code", "migrations/f10c_index.py:10") in page.said
    assert ("p", "Measured: SHARE on notes; an INSERT had to wait") in page.said
    assert page.texts("pre")[0] == 'with op.get_context().autocommit_block(): op.create_index("ix", "notes", ["title"])'


def test_equal_messages_are_grouped_at_the_place_of_the_worst(branched):
    page = Page(html(branched))
    assert [text for text in page.texts("h3") if text.endswith(".")] == [
        "There are several heads.",
        "Changing the type rewrites the table while nobody can read or write it.",
        "Its downgrade does nothing.",
    ]
    assert ("span", "In 4 places.") in page.said
    assert ("summary", "1 more place") in page.said
    remedies = [text for tag, text in page.said if tag == "p"]
    assert "alembic merge heads" in remedies
    assert "Add a column of the new type, write both, copy in batches." in remedies


def test_a_remedy_that_differs_by_place_is_shown_at_each_place(proof):
    finding = proof.findings[0]
    both = tuple(replace(finding, line=line, remedy=f"remedy {line}") for line in (1, 2))
    assert Page(html(replace(proof, findings=both))).texts("pre") == ["remedy 1", "remedy 2"]


def test_many_kinds_of_findings_are_folded(proof):
    many = tuple(Finding(rule=f"N{number}", level=Level.NOTE, message=f"Sentence {number}.") for number in range(25))
    assert ("summary", "5 more groups of findings") in Page(html(replace(proof, findings=many))).said


def test_what_does_not_count_is_folded_by_its_reason(branched):
    page = Page(html(branched))
    said = [text for text in page.texts("summary") if "suppressed" in text]
    assert said == ["90 findings suppressed: older than start-after", "1 finding suppressed: ten rows"]
    assert ("td", "and 87 more") in page.said


def test_the_graph_marks_what_is_new_and_what_fails_and_folds_the_old(branched):
    page = Page(html(branched))
    assert ("li", "… 88 revisions,") in page.said
    assert [attributes["class"] for attributes in page.all("rect")] == ["node no"]
    assert [attributes["class"] for attributes in page.all("circle")].count("node new") == 3
    assert page.texts("span").count("new") == 4
    assert "1 error, 1 warning" in page.texts("span")


def test_the_lines_of_the_graph_lead_from_node_to_node(proof):
    assert [attributes["d"] for attributes in Page(html(proof)).all("path") if "class" in attributes] == [
        "M9 14 V42",
        "M6 11l6 6m0 -6l-6 6",  # the cross
    ]


def test_a_line_bends_into_another_lane(branched):
    join = Page(html(branched)).all("path")[1]
    assert join == {"d": "M9 14 C9 28 27 28 27 42 V98 V126", "class": "news"}


def test_an_old_revision_has_no_timeline(proof):
    old = replace(proof.revisions[0], statements=proof.revisions[1].statements)
    anchors = re.findall(r'id="(revision-\d+)"', html(replace(proof, revisions=(old, proof.revisions[1]))))
    assert anchors == ["revision-2"]


def test_what_did_not_go_up_says_so(proof):
    one, two = proof.revisions
    assert ("span", "not applied") in Page(html(replace(proof, revisions=(one, replace(two, fingerprints={}))))).said


def test_a_new_revision_leads_to_its_timeline(branched):
    page = Page(html(branched))
    anchors = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    links = [attributes["href"] for attributes in page.all("a")]
    assert len(anchors) == len(set(anchors))
    assert {link.removeprefix("#") for link in links} == set(anchors) - {"gaps"}
    assert {anchor for anchor in anchors if anchor.startswith("revision-")} == {
        "revision-96",
        "revision-97",
        "revision-99",
    }


def test_a_timeline_shows_who_waits_for_which_table_from_where_to_where(branched):
    page = Page(html(branched))
    widen = [attributes for attributes in page.all("td") if "class" in attributes][:6]
    assert [(cell["colspan"], cell["class"].strip()) for cell in widen] == [
        *(("1", "opens"), ("1", "all"), ("2", "all")),  # orders: rewritten, then held while others are worked on
        *(("2", "opens"), ("1", "writers")),  # users
        ("1", "writers"),
    ]
    assert ("td", "ACCESS EXCLUSIVE") in page.said
    assert ("span", "readers and writers wait, rewritten, scanned") in page.said
    assert ("span", "no session waits, scanned") in page.said
    assert ("span", "not measured") in page.said


def test_a_statement_says_where_it_ran_and_long_sql_unfolds(branched):
    page = Page(html(branched))
    long = branched.revisions[95].statements[2].sql
    assert f"{long[:119]}…" in page.texts("code")
    assert " ".join(long.split()) in page.texts("pre")
    assert "line 12, in the transaction, 0.4 ms" in page.texts("p")
    assert "line 12, in autocommit mode, 0.4 ms; its locks could not be measured" in page.texts("p")


def test_a_revision_without_locks_does_not_claim_more_than_was_measured(branched):
    concurrently = replace(branched.revisions[96], statements=branched.revisions[96].statements[1:2])
    said = Page(
        html(replace(branched, revisions=(*branched.revisions[:96], concurrently, *branched.revisions[97:])))
    ).texts("p")
    nothing = "No lock on an existing table was recorded"
    assert f"{nothing}." in said
    assert f"{nothing}; some statements could not be measured." in said


def test_rows_are_shown_by_table_for_each_revision(branched):
    page = html(branched)
    assert "<code>orders</code> 3, <code>users</code> 0" in page
    assert "4 revisions ran on tables with rows." in page


def test_a_history_that_alembic_cannot_read_is_a_page_too(proof):
    page = Page(html(replace(proof, revisions=(), heads=(), seconds={})))
    assert "alembic could not read the history." in page.texts("p")
    assert "No new revision executed a statement." in page.texts("p")
    assert page.open == []


def test_a_long_history_is_a_small_page(branched):
    page = html(long_history(branched, 500))
    assert len(page) < 30_000
    assert "5000 findings suppressed: old" in page


def test_of_many_new_revisions_those_with_findings_are_shown(branched):
    run = branched.revisions[-1].statements
    many = tuple(replace(each, new=True, statements=run) for each in branched.revisions[:89])
    found = tuple(
        Finding(rule="R01", level=Level.WARNING, message="No way down.", revision=each.id) for each in many[::3]
    )
    page = Page(html(replace(branched, revisions=many, findings=found)))
    assert ("summary", "69 more revisions") in page.said
    assert len(page.all("ol")) == 1 + 89


def test_the_page_loads_nothing(branched):
    page = Page(html(branched))
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    assert "default-src 'none'" in html(branched)
    assert not re.search(r"url\(|@import|https?:|//", html(branched))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_others_wrote_is_text_and_nothing_else(branched, text):
    page = Page(html(hostile_everywhere(branched, text)))
    known = Page(html(hostile_everywhere(branched, "harmless ")))
    assert page.tags == known.tags
    assert page.open == []
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066]", "".join(text for _, text in page.said))
    for _, attributes in page.tags:
        assert attributes.get("href", "#").startswith("#")
        assert not {"src", "onload", "onmouseover", "onclick"} & set(attributes)
        assert re.fullmatch(r"[a-z0-9-]*", attributes.get("id", ""))


def colours(page, theme):
    """The variables of one theme, by name."""
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", theme.search(page)[1]))


def brightness(colour):
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    "theme",
    [re.compile(r"^  :root \{(.*)\}$", re.MULTILINE), re.compile(r"dark\) \{ :root \{(.*)\} \}$", re.MULTILINE)],
)
def test_text_has_enough_contrast(proof, theme):
    known = colours(html(proof), theme)
    pairs = [
        *((name, "paper") for name in ("ink", "soft", "good", "bad", "warn", "bar")),
        *(("ink", "block"), ("on-bad", "bad"), ("on-writers", "writers"), ("on-writers", "stripe")),
    ]
    for front, back in pairs:
        dark, light = sorted((brightness(known[front]), brightness(known[back])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, back)


def test_a_brief_lock_does_not_look_like_one_that_is_held_during_work_on_rows(proof):
    brief = statement(
        "ALTER TABLE notes ADD COLUMN a int", locks={"notes": "ACCESS EXCLUSIVE"}, blocks={"notes": READERS}
    )
    long = replace(brief, scans=("other",))
    revisions = (proof.revisions[0], replace(proof.revisions[1], statements=(brief, long)))
    page = Page(html(replace(proof, revisions=revisions)))
    cells = [attributes["class"] for attributes in page.all("td") if attributes.get("class", "").startswith("all")]
    assert cells == ["all brief opens", "all"]


def test_hidden_words_stay_inside_the_box_that_scrolls_so_that_a_narrow_page_does_not(branched):
    """A box without a position of its own does not clip what is positioned in it: at 400 pixels the whole page scrolled sideways."""
    page = html(branched)
    assert re.search(r"\.unseen \{ position: absolute;", page)
    assert re.search(r"\.box \{ position: relative; overflow: auto;", page)
    boxed = re.sub(r'<div class="box.*?</div>', "", page, flags=re.DOTALL)
    assert 'class="unseen"' in page
    assert 'class="unseen"' not in boxed
