"""What is compared of a mail is what the customer wrote now, and every place points into the caller's own text."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.affinity.set_aside import Places, read
from matcher.model import AsideKind, Message, Requirements
from tests.affinity.marked_messages import MarkedMessage, marked_messages

ROOT = Path(__file__).parents[2]
MESSAGES = marked_messages()
LEAST_RIGHT = 0.98
CLIENTS = ("gmail", "outlook", "apple", "thunderbird", "yahoo", "mobile", "chat")


def reading_of(text: str, media_type: str = "text/plain") -> Message:
    """Read a text of a customer."""
    return read(Message(text, "", Requirements(), media_type=media_type))


def rightly(messages: list[MarkedMessage]) -> tuple[float, float]:
    """Return the shares of the signs that are rightly set aside, and rightly kept; spaces do not count."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for message in messages:
        reading = reading_of(message.text, message.media_type)
        aside = {at for part in reading.set_aside for at in range(part.start, part.end)}
        counts.update((at in message.aside, at in aside) for at, sign in enumerate(message.text) if not sign.isspace())
    should, kept = counts[True, True] + counts[True, False], counts[False, False] + counts[False, True]
    return counts[True, True] / max(should, 1), counts[False, False] / max(kept, 1)


def test_of_every_hundred_signs_98_are_rightly_set_aside_and_98_rightly_kept() -> None:
    """Over all marked mails and chats."""
    assert len(MESSAGES) >= 90
    aside, kept = rightly(MESSAGES)
    assert aside >= LEAST_RIGHT
    assert kept >= LEAST_RIGHT


@pytest.mark.parametrize("client", CLIENTS)
def test_the_mails_of_no_program_are_read_worse(client: str) -> None:
    """Each of the forms that mail programs give their replies is read as well as all together."""
    aside, kept = rightly([message for message in MESSAGES if client in message.name])
    assert aside >= LEAST_RIGHT
    assert kept >= LEAST_RIGHT


def test_a_quote_behind_a_question_is_not_compared() -> None:
    """What stands in the quoted mail is nothing that the customer asks for now."""
    text = "Where is my parcel?\n\nOn Tue, Jun 3, 2025 at 10:12 AM Anna <a@b.example> wrote:\n> The brass band plays."
    reading = reading_of(text)
    assert reading.text.strip() == "Where is my parcel?"
    assert [(part.kind, text[part.start : part.end].strip()) for part in reading.set_aside] == [
        (AsideKind.REPLY_HEADER, "On Tue, Jun 3, 2025 at 10:12 AM Anna <a@b.example> wrote:"),
        (AsideKind.QUOTE, "> The brass band plays."),
    ]


@pytest.mark.parametrize(
    ("text", "media_type"),
    [
        ("My bees have swarmed.\n\nOn 3 June 2025 at 10:12, Anna wrote:\n", "text/plain"),
        ("My bees have swarmed.\r\n\r\nOn 3 June 2025 at 10:12, Anna wrote:\r\n\r\n", "text/plain"),
        (
            "<div>My bees have swarmed.</div><div>On 3 June 2025 at 10:12, Anna wrote:</div>"
            '<blockquote type="cite">I love brass bands.</blockquote>',
            "text/html",
        ),
    ],
)
def test_a_reply_header_at_the_end_is_set_aside(text: str, media_type: str) -> None:
    """Where the quote below it is missing, or an element of its own: nothing is left behind the header."""
    reading = reading_of(text, media_type)
    assert reading.text.strip() == "My bees have swarmed."
    assert AsideKind.REPLY_HEADER in {part.kind for part in reading.set_aside}


def test_what_follows_a_postscript_is_kept() -> None:
    """A customer who writes below the signature is heard."""
    text = "The tent leaks.\n\nKind regards,\nPaul Reed\n\nP.S. Do you also mend kayaks?"
    assert "mend kayaks" in reading_of(text).text
    assert "Paul" not in reading_of(text).text


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!\nMy printer is broken",
        "From: Berlin\nTo: Munich\nDate: 3 June\nI need two seats for my cellos",
        "> 5 kg of flour, >:( and -> an arrow",
        "On Monday my neighbour told me:\nbuy the WH-1000XM5 for 300 euros, it has 30000 fans",
        "I <3 bees & a < b",
        "Best of all I like chess\nand go",
        "I have three wishes\n- bees\n- a cello\n- a loom",
        "Two questions.\n--\nHow do I feed bees in winter?\n--\nAnd what do carnivorous plants eat?",
    ],
)
def test_what_only_looks_like_a_mail_is_kept(text: str) -> None:
    """A chat that uses the same words as a mail's header or end is compared whole."""
    reading = reading_of(text)
    assert reading.text == text
    assert reading.set_aside == ()


def suite_texts() -> Iterator[str]:
    """Return the messages of the suites: of the examples, and of those beside the repository where they are there."""
    folders = [*ROOT.glob("examples/suite*"), *(ROOT.parent / "shared" / "evaluation" / "dev").glob("*")]
    for folder in folders:
        if (path := folder / "messages.jsonl").is_file():
            for line in path.read_text("utf-8").splitlines():
                yield json.loads(line)["text"]


def test_a_message_that_has_none_of_it_is_not_changed() -> None:
    """The suites are people's own words: but for numbers of orders they are compared as they stand."""
    texts = list(suite_texts())
    assert texts
    for text in texts:
        reading = reading_of(text)
        assert {part.kind for part in reading.set_aside} <= {AsideKind.NUMBER}
        expected = text
        for part in reversed(reading.set_aside):
            expected = expected[: part.start] + expected[part.end :]
        assert reading.text == expected


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029"), max_size=8)
PIECES = st.lists(
    st.one_of(
        WORDS.map(html.escape),
        st.sampled_from(["<p>", "</p>", "<br>", "<b>", "</b>", "&nbsp;", "&amp;", "  \n ", "<!-- x -->", "&#128512;"]),
        st.sampled_from(["<style>p{color:red}</style>", "<blockquote type='cite'>old <b>x</b></blockquote>", "word "]),
    ),
    max_size=20,
)


@given(PIECES)
def test_every_place_of_a_kept_sign_points_at_that_sign_in_the_html(pieces: list[str]) -> None:
    """Tags, entities and what is set aside between do not move a place."""
    source = "".join(pieces)
    reading = reading_of(source, "text/html")
    places = Places(reading.kept or ())
    assert sum(stretch.length for stretch in reading.kept or ()) == len(reading.text)
    last = 0
    for at, sign in enumerate(reading.text):
        start, end = places.own(at, at + 1)
        assert last <= start < end <= len(source)
        last = start
        own = source[start:end]
        assert sign in html.unescape(own) or (sign == " " and own.isspace()) or (sign == "\n" and own[0] == "<")


@given(st.text(max_size=300))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    """Every text is read, as plain text and as HTML, and a text that was read is read as it is."""
    for media_type in ("text/plain", "text/html"):
        reading = reading_of(text, media_type)
        assert read(reading) is reading
        assert all(0 <= part.start < part.end <= len(text) for part in reading.set_aside)


def test_html_whose_places_cannot_be_told_is_kept_whole() -> None:
    """A tag that never ends: the decision says UNALIGNED, and the customer's words are compared with the rest."""
    text = "<p>My bees swarm</p><a href='x>here</a>"
    reading = reading_of(text, "text/html")
    assert reading.text == text
    assert [(part.kind, part.start, part.end) for part in reading.set_aside] == [(AsideKind.UNALIGNED, 0, len(text))]
