"""Prints the comments of proto files as JSON, by the full names of what they stand above: `comments.py SET`.

SET: a descriptor set that protoc wrote with --include_source_info.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

PACKAGE: Final = "matcher."


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield a name and its comment, for each message, field, enum, value, service and method of a file."""
    for location in file.source_code_info.location:
        text = " ".join(line.strip() for line in location.leading_comments.split("\n")).strip()
        if text and (name := _name_at(file, list(location.path))):
            yield name, text


def _name_at(file: FileDescriptorProto, path: list[int]) -> str:
    """Return the full name of what a path leads to: field numbers and places in turn; "" where it has no name."""
    at: Any = file
    names = [file.package]
    for number, place in zip(path[::2], path[1::2], strict=False):
        field = at.DESCRIPTOR.fields_by_number[number]
        if not field.is_repeated or field.message_type is None:
            return ""
        at = getattr(at, field.name)[place]
        if "name" not in at.DESCRIPTOR.fields_by_name:
            return ""
        names.append(at.name)
    return ".".join(names) if len(path) > 1 and len(path) % 2 == 0 else ""


def main() -> None:
    """Print the comments of the set's own files."""
    described = FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    found = {
        name: text for file in described.file if file.package.startswith(PACKAGE) for name, text in comments_of(file)
    }
    sys.stdout.write(json.dumps(dict(sorted(found.items())), ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
