"""The interest lexicon: what comes with the package, how a file is read, and which faults the check finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from matcher.affinity.interest_lexicon import Entry, Fault, check, extended, languages, packaged, read_lexicon
from tests.cli.command import matcher

CUES = tuple(f"cue number {number}" for number in range(25))
CARVING = f"carving\twood carving\trare\t{'; '.join(CUES)}"


def faults_of(text: str, base: dict[str, Entry] | None = None) -> list[Fault]:
    """Return the faults of a file with this text."""
    return check(read_lexicon(text), base or {})


def test_the_package_has_904_interests_in_english_and_the_444_commoner_ones_in_eleven_more_languages() -> None:
    """Each entry has at least 25 cues, and an id means the same interest in every language."""
    assert languages() == ("en", "de", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru", "tr", "zh")
    english = packaged("en")
    assert len(english) == 904
    common = {entry.id for entry in english.values() if entry.common}
    assert len(common) == 444
    cues = {language: sum(len(entry.cues) for entry in packaged(language).values()) for language in languages()}
    assert cues == {
        "en": 27_484,
        "de": 13_028,
        "es": 13_033,
        "fr": 12_793,
        "it": 13_322,
        "ja": 12_908,
        "nl": 13_110,
        "pl": 13_155,
        "pt": 12_875,
        "ru": 12_148,
        "tr": 12_406,
        "zh": 12_069,
    }
    for language in languages()[1:]:
        assert packaged(language).keys() == common
    assert all(len(set(entry.cues)) >= 25 for language in languages() for entry in packaged(language).values())
    assert packaged("tlh") == {}


async def test_the_command_finds_no_fault_in_the_package() -> None:
    """`matcher lexicon check` has a line for each language and exit code 0."""
    result = await matcher("lexicon", "check", "--json")
    assert result.code == 0, result.out
    checked = result.documents()
    assert [(document["file"], document["faults"]) for document in checked] == [
        (f"{language}.tsv", []) for language in languages()
    ]
    assert checked[0]["entries"] == 904


def test_a_file_is_read_with_comments_spaces_and_a_byte_order_mark() -> None:
    """Lines that begin with # and empty lines are no entries; spaces around a cue do not belong to it."""
    reading = read_lexicon("\ufeff# ours\n\nchess\tchess\tcommon\tclock ;rook\n")
    assert reading.entries == {"chess": Entry("chess", "chess", common=True, cues=("clock", "rook"))}
    assert reading.lines == {"chess": 3}
    assert reading.faults == ()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("chess\tchess\tclock", "has 3 columns; an entry has 4, with tabs between: id, name, common or rare, cues"),
        ("Chess!\tchess\tcommon\tclock", "id must be lower-case letters a to z and digits, with hyphens between"),
        ("chess\t\tcommon\tclock", "name is empty"),
        ("chess\tchess\toften\tclock", 'the third column must be "common" or "rare"'),
        ("chess\tchess\tcommon\tclock; ; rook", "a cue is empty"),
        ("chess\tchess\tcommon\ta clock that ran out", "the cue 'a clock that ran out' has more than 4 words"),
        (CARVING, "id is used on an earlier line"),
    ],
)
def test_a_line_that_is_no_entry_is_named_and_the_others_are_read(line: str, what: str) -> None:
    """A fault names line and column, and one wrong line hides nothing of the others."""
    reading = read_lexicon(f"{CARVING}\n{line}\n{CARVING.replace('carving', 'turning', 1)}")
    assert reading.faults == (Fault(2, what),)
    assert list(reading.entries) == ["carving", "turning"]


def test_a_doubled_cue_is_found_up_to_case_and_spaces() -> None:
    """The same cue twice says nothing new."""
    assert faults_of(f"{CARVING}; Cue  Number 3") == [Fault(1, "carving: the cue 'Cue  Number 3' is there twice")]


def test_a_cue_of_four_entries_is_too_general() -> None:
    """Three entries may have the same cue; with a fourth, each of them is named."""
    lines = [f"carving-{n}\tcarving\trare\tgouge; " + "; ".join(f"{cue} {n}"[4:] for cue in CUES) for n in range(4)]
    assert faults_of("\n".join(lines[:3])) == []
    named = [Fault(n + 1, f"carving-{n}: 4 entries have the cue 'gouge'") for n in range(4)]
    assert faults_of("\n".join(lines)) == named


def test_a_word_that_stands_anywhere_is_too_general() -> None:
    """Stop words are too general, and so is a word of the cues of more than 20 entries."""
    assert faults_of(f"{CARVING}; because") == [
        Fault(1, "carving: the cue 'because' is too general: it stands in any text")
    ]
    base = {f"e{n}": Entry(f"e{n}", "other", common=False, cues=(f"kit {n}",)) for n in range(20)}
    assert faults_of(f"{CARVING}; kit", base) == [
        Fault(1, "carving: the cue 'kit' is too general: it stands in cues of 21 entries")
    ]
    del base["e0"]
    assert faults_of(f"{CARVING}; kit", base) == []


def test_an_entry_with_too_few_cues_is_named_unless_it_adds_to_a_known_one() -> None:
    """A new interest needs 25 cues; an own entry of a known id is counted with the cues that are there."""
    too_few = Fault(1, "carving: the number of cues is 1; 25 are the least")
    assert faults_of("carving\tcarving\trare\tgouge") == [too_few]
    known = {"carving": Entry("carving", "wood carving", common=False, cues=CUES)}
    assert faults_of("carving\tcarving\trare\tgouge", known) == []
    assert extended(known, read_lexicon("carving\tcarving\trare\tgouge").entries) == {
        "carving": Entry("carving", "carving", common=False, cues=(*CUES, "gouge"))
    }
    assert faults_of("carving\tcarving\trare\tcue number 7", known) == [
        Fault(1, "carving: the cue 'cue number 7' is there twice")
    ]


async def test_a_sites_file_is_checked_with_the_lexicon_that_it_extends(tmp_path: Path) -> None:
    """Exit code 1 and a line for each fault, by file and line; a file that cannot be read is an error."""
    file = tmp_path / "own.tsv"
    file.write_text("chess\tchess\tcommon\tour Tuesday ladder\nbells\tbells\trare\tteeth\n", "utf-8")
    result = await matcher("lexicon", "check", str(file))
    assert result.code == 1
    assert result.out.splitlines() == [
        f"{file} line 2: bells: the number of cues is 1; 25 are the least",
        f"{file}: 2 entries, 1 of them in the lexicon already, 2 cues, 1 fault",
    ]
    file.write_bytes(b"\xff")
    result = await matcher("lexicon", "check", str(file))
    assert (result.code, result.err) == (1, f"error: {file} is not UTF-8 (byte 0)\n")
