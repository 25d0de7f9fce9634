"""Texts of customers and agents on a terminal: control characters and markup are shown, never obeyed."""

from rich.console import Console

from matcher.cli.candidate_tables import candidates, words_met
from matcher.cli.terminal_text import shortened, visible
from matcher.v1 import routing_pb2 as pb


def test_control_characters_are_shown_and_not_sent() -> None:
    """Escape sequences, bells, C1 controls and characters that reverse the line are replaced."""
    assert visible("a\x1b]0;owned\x07b\x9b2Jc\u202ed\x00") == "a\ufffd]0;owned\ufffdb\ufffd2Jc\ufffdd\ufffd"
    assert visible("one\r\ntwo\tthree") == "one  two three"


def test_a_long_text_is_cut_to_its_width() -> None:
    """A table's row stays on one line."""
    assert shortened("the  tent\nleaks", 20) == "the tent leaks"
    assert shortened("the tent leaks badly", 9) == "the tent…"


def test_markup_in_a_name_and_an_interest_is_printed_as_it_is() -> None:
    """A name "[red]" is printed so, and an interest cannot hide a link."""
    console = Console(width=200, force_terminal=False)
    candidate = pb.Candidate(
        agent="sites/default/agents/eve",
        display_name="[bold]Eve[/bold]",
        reasons=[pb.MatchReason(start=2, end=6, interest="[link=x]boats[/link]\x1b[31m")],
    )
    with console.capture() as captured:
        console.print(candidates([candidate], "🎨 tent"))
    printed = captured.get()
    assert "[bold]Eve[/bold]" in printed
    assert "[link=x]boats[/link]\ufffd[31m" in printed
    assert "\x1b" not in printed


def test_the_words_that_met_are_cut_from_the_callers_own_text_by_code_points() -> None:
    """The service returns positions instead of the words; they count code points, also after an emoji."""
    text = "🎨 The tent leaks."
    assert words_met([pb.MatchReason(start=6, end=10)], text) == "tent"
    assert words_met([pb.MatchReason(start=6, end=10)], "") == "6 to 10"
