"""The command `matcher lexicon check`: checks the interest lexicons of the package, or a site's own file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from matcher.affinity.interest_lexicon import Entry, Reading, check, languages, packaged, packaged_text, read_lexicon
from matcher.cli.session import CommandError, Session, command


def commands() -> typer.Typer:
    """Return the commands of interest lexicons."""
    app = typer.Typer(name="lexicon", help="Check interest lexicons: interests, with cues by which texts imply them.")
    command(app, "check", remote=False)(check_lexicon)

    @app.callback()
    def group() -> None:
        """Keep `check` a command of its own."""

    return app


async def check_lexicon(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A site's own entries; without it, the lexicons of the package."),
    ] = None,
    *,
    language: Annotated[
        str, typer.Option("--language", metavar="TAG", help="The language of the file, whose lexicon it extends.")
    ] = "en",
) -> int:
    """Check the form of an interest lexicon, doubled cues, too general cues, and entries with too few.

    Exit code 1 where there is a fault. A line of the file is an entry: id, name, `common` or `rare`, and cues divided
    by "; ", with tabs between. An entry with the id of a packaged one adds its cues to that one's.
    """
    if file:
        sources = {str(file): (read_lexicon(_text(file)), packaged(language))}
    else:
        nothing: Mapping[str, Entry] = {}
        sources = {f"{tag}.tsv": (read_lexicon(packaged_text(tag)), nothing) for tag in languages()}
    return _report(session, sources)


def _report(session: Session, sources: Mapping[str, tuple[Reading, Mapping[str, Entry]]]) -> int:
    documents = []
    for source, (reading, base) in sources.items():
        entries = reading.entries.values()
        faults = check(reading, base)
        cues = sum(len(entry.cues) for entry in entries)
        documents.append(
            {
                "file": source,
                "entries": len(entries),
                "common": sum(entry.common for entry in entries),
                "new": len(reading.entries.keys() - base.keys()),
                "cues": cues,
                "faults": [{"line": fault.line, "what": fault.what} for fault in faults],
            }
        )
        for fault in faults:
            session.say(f"{source} line {fault.line}: {fault.what}")
        known = f", {len(reading.entries.keys() & base.keys())} of them in the lexicon already" if base else ""
        found = f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'}" if faults else "no fault"
        session.say(f"{source}: {len(entries)} entries{known}, {cues} cues, {found}")
    if session.as_json:
        for document in documents:
            session.write_json(document)
    return 1 if any(document["faults"] for document in documents) else 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 (byte {error.start})") from None
