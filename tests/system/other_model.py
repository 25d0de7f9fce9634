"""A program for the tests that makes another sentence-transformers model out of the packaged one.

Three of its six layers and the first 256 of its 384 dimensions: it understands less, and its vectors are of another
length, so that where they met those of the whole model there would be an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matcher.encoder.model_source import find_model
from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from sentence_transformers.models import Dense, Pooling, Transformer  # noqa: E402

LAYERS, DIMENSION = 3, 256


def main(folder: Path) -> None:
    """Write the model to a folder."""
    transformer = Transformer(str(find_model("all-MiniLM-L6-v2").path))
    bert = transformer.auto_model
    bert.encoder.layer = bert.encoder.layer[:LAYERS]
    bert.config.num_hidden_layers = LAYERS
    whole = bert.config.hidden_size
    cut = Dense(whole, DIMENSION, bias=False, activation_function=torch.nn.Identity())
    with torch.no_grad():
        cut.linear.weight.copy_(torch.eye(DIMENSION, whole))
    made = SentenceTransformer(modules=[transformer, Pooling(whole, pooling_mode="mean"), cut])
    made.save(str(folder), create_model_card=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
