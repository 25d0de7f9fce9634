"""The report of an attack, `build/chaos.json`: the counts of runs and of planted bugs stand side by side in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

OUT: Final = Path("build/chaos.json")
PLANTED: Final = ("planted", "planted_found", "planted_missed")


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write counts into the report; those of the other command stay as they are."""
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    of_bugs = "planted" in report
    kept = {name: value for name, value in before.items() if (name in PLANTED) is not of_bugs}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**kept, **report}, indent=2) + "\n", "utf-8")
