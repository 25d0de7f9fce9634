"""Compiling process: a program of its own, run once for each model, that writes the model's artefact.

`python -m matcher.encoder.compiling_process FAMILY MODEL_FOLDER OUTPUT_FOLDER NAME FINGERPRINT` writes the artefact's
files and its manifest, and prints one JSON object a line: {"progress": …}, or {"failed": …} at the end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Compile, and report progress on the real standard output; what the libraries print goes to standard error."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    family, folder, output, name, fingerprint = arguments

    def report(step: str) -> None:
        print(json.dumps({"progress": step}), file=reports)

    try:
        if family == "universal":
            from matcher.encoder.universal.compiler import compile_universal as compile_model
        else:
            from matcher.encoder.compiler import compile_model
        compile_model(Path(folder), Path(output), name, fingerprint, report)
    except Exception as error:  # noqa: BLE001  (any failure of four libraries means the same: use the original)
        print(json.dumps({"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}), file=reports)
        return 1
    return 0


def _end_with_parent() -> None:
    """End this process with its parent, whose end of standard input then closes."""
    while os.read(0, 1024):  # not sys.stdin: its lock cannot be held when the interpreter ends
        pass
    os._exit(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
