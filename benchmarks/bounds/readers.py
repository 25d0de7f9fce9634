"""Readers of customers' texts: every function that a customer's words pass through, and what its worst text costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.bounds.growth import STEEPEST, exponent, sizes_up_to, thread_seconds
from benchmarks.bounds.texts import CHATS, MAILS, PAGES, Worst
from matcher.affinity.comparable import comparable
from matcher.affinity.cue_index import CueIndex
from matcher.affinity.emoji_names import named
from matcher.affinity.language import READ, language_of
from matcher.affinity.lexicon import stems
from matcher.affinity.sentences import split
from matcher.affinity.set_aside import read
from matcher.affinity.small_talk import LONGEST, SmallTalk
from matcher.encoder.artifact import read_artifact
from matcher.encoder.tokenization import TOKENIZER, Tokenization
from matcher.encoder.universal.pieces import Pieces
from matcher.listening.listened_entries import ListenedEntries, of_site
from matcher.model import HTML, MOST_COMPARED, PLAIN, Message, Requirements
from matcher.rpc.call_cost import call_cost
from matcher.rpc.validation import routing
from matcher.rpc.validation.messages import MOST_RAW
from matcher.store.keyring.service_keys import ServiceKeys
from matcher.store.sealer import Sealer, WaitingText
from matcher.v1 import routing_pb2 as pb

MOST_SECONDS: Final = 2.0
"""Of the longest text that is accepted, at the size of a mail, off the event loop."""
MOST_COMPARED_SECONDS: Final = 0.1
"""Of the longest text that is compared."""
MARGIN: Final = 8
"""Characters by which a text is made shorter than its size, because some end in a few that are needed."""
ROUTE: Final = "/matcher.v1.RoutingService/RouteMessage"


@dataclass(frozen=True, slots=True)
class Reader:
    """A function that reads a text, the longest text that it is given, and the texts that are its worst."""

    name: str
    read: Callable[[str], object]
    longest: int
    worst: Worst
    most_seconds: float = MOST_COMPARED_SECONDS


@dataclass(frozen=True, slots=True)
class Row:
    """What the worst text of a reader costs."""

    reader: str
    text: str
    characters: int
    milliseconds: float
    exponent: float
    steepest_text: str
    within: bool


def readers(models: Path) -> Iterator[Reader]:
    """Yield every reader; models: the folder of compiled models, whose tokenizers are read."""
    texts = dict(CHATS) | dict(MAILS)
    listened = of_site(None, "bounds")
    yield Reader("checking a request", _checked, MOST_COMPARED, texts)
    yield Reader("telling what a call costs", _cost, MOST_COMPARED, texts)
    yield Reader("setting aside, plain text", _set_aside(PLAIN), MOST_RAW, texts, MOST_SECONDS)
    yield Reader("setting aside, HTML", _set_aside(HTML), MOST_RAW, texts | dict(PAGES), MOST_SECONDS)
    yield Reader("cutting into units", split, MOST_COMPARED, texts)
    yield Reader("naming emoji", named, MOST_COMPARED, texts)
    yield Reader("stems of words", stems, MOST_COMPARED, texts)
    yield Reader("telling the language", language_of, READ, texts)
    yield Reader("telling small talk", SmallTalk.of_pool(()).is_one, LONGEST, texts)
    for language in sorted(listened.cues):
        yield Reader(f"listening, {language}", _listening(listened, language), MOST_COMPARED, texts)
    yield Reader("sealing and opening", _sealed, MOST_COMPARED, texts)
    for folder in sorted(models.iterdir()) if models.is_dir() else ():
        if (folder / TOKENIZER).exists():
            tokens = Tokenization(folder, read_artifact(folder))
            yield Reader("tokenizer of the first model", _tokens(tokens), MOST_COMPARED, texts)
        elif (folder / "sp.model").exists():
            yield Reader("tokenizer of the second model", _tokens(Pieces(folder)), MOST_COMPARED, texts)


def measured(reader: Reader, tries: int) -> Row:
    """Measure every text of a reader; the row names the slowest of the longest ones, and the steepest."""
    sizes = sizes_up_to(reader.longest)
    slowest, steepest = (0.0, ""), (0.0, "")
    for name, worst in reader.worst.items():
        texts = [worst(size - MARGIN)[:size] for size in sizes]
        grown = 9.9
        for _ in range(2):  # other work on the machine makes times longer, never shorter
            seconds = [thread_seconds(reader.read, text, tries) for text in texts]
            grown = min(grown, exponent([max(1, len(text)) for text in texts], seconds))
            if grown <= STEEPEST:
                break
        slowest, steepest = max(slowest, (seconds[-1], name)), max(steepest, (grown, name))
    within = steepest[0] <= STEEPEST and slowest[0] <= reader.most_seconds
    return Row(
        reader.name, slowest[1], reader.longest, slowest[0] * 1e3, steepest[0], steepest[1] or slowest[1], within
    )


def figures(row: Row) -> dict[str, Any]:
    """Return a row as JSON."""
    return asdict(row)


def _message(text: str) -> pb.RouteMessageRequest:
    return pb.RouteMessageRequest(parent="sites/default", message=pb.Message(text=text, customer="anna"))


def _checked(text: str) -> object:
    return routing.route(_message(text))


def _cost(text: str) -> object:
    return call_cost(ROUTE, _message(text).SerializeToString())


def _set_aside(media_type: str) -> Callable[[str], object]:
    return lambda text: read(Message(text, "", Requirements(), media_type=media_type))


def _listening(listened: ListenedEntries, language: str) -> Callable[[str], object]:
    index: CueIndex = listened.cues[language]
    return lambda text: [index.find(unit) for unit in split(text).texts(text)]


def _tokens(tokens: Tokenization | Pieces) -> Callable[[str], object]:
    def cut(text: str) -> object:
        units = split(text).texts(text)
        return tokens.tokenize([unit for unit in comparable(units, tokens.unknown) if unit])

    return cut


_SEALER: Final = Sealer(ServiceKeys.of_secret(b"bounds" * 6))


def _sealed(text: str) -> object:
    waiting = WaitingText.of(Message(text, "", Requirements()))
    return _SEALER.open("default", "c", _SEALER.seal("default", "c", waiting, 0))
