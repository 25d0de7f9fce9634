"""Switch that keeps the model libraries from sending telemetry.

By default OpenVINO's converter and NNCF post to an analytics host and write files into the user's home. A service that
promises privacy stops them before their first import: every import of openvino or nncf comes after `stop_telemetry()`.
"""

from __future__ import annotations

import os
import sys


def stop_telemetry() -> None:
    """Make `openvino_telemetry` unimportable; both libraries then send nothing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # The tokenizer's threads would compete with the encoder's, and its warning about forks would reach the log.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
