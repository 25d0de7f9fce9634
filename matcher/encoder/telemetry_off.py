"""Keep the model libraries from phoning home.

OpenVINO's converter and NNCF post to an analytics host and write files into the user's home, on by default. A service
that promises privacy stops them before their first import; every import of openvino or nncf here comes after this.
"""

from __future__ import annotations

import os
import sys


def stop_telemetry() -> None:
    """Make `openvino_telemetry` unimportable, which both libraries take as consent not given."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Its threads would compete with the encoder's own and its warning about forks would reach the log.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
