"""Run a compiled model: imports openvino and tokenizers, never torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matcher.encoder.artifact import LEAST_COSINE, REFERENCE, Manifest, reference_texts
from matcher.encoder.contract import Tokens, Vectors
from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

import openvino  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

# The runtime keeps memory for each shape it has seen, so lengths are rounded up: finely where texts are, coarsely above.
_STEPS = ((64, 8), (128, 16), (1 << 30, 32))


class RuntimeUntrue(Exception):  # noqa: N818  (named for what is the case, as all errors of this project)
    """A compiled model does not load, or does not give the vectors it should; never leaves this package."""


def open_openvino(folder: Path, manifest: Manifest, slots: int) -> OpenVinoRuntime:
    """Return a runtime that has just been seen to give the original model's vectors; raise RuntimeUntrue otherwise."""
    try:
        runtime = OpenVinoRuntime(folder, manifest, slots)
        wanted = np.load(folder / REFERENCE, allow_pickle=False)
        tokens = runtime.tokenize(reference_texts())
        found = np.concatenate([runtime.run([one], slot=row % slots) for row, one in enumerate(tokens)])
        cosine = float(np.mean(np.sum(found * wanted, axis=1)))
    except (RuntimeError, ValueError, OSError, IndexError, KeyError) as error:
        raise RuntimeUntrue(f"it cannot be run ({type(error).__name__})") from error
    if not cosine >= LEAST_COSINE:
        raise RuntimeUntrue(f"on this machine its vectors agree with the original's only to {cosine:.3f}")
    return runtime


class OpenVinoRuntime:
    """Holds one compiled model with a stream, and an inference request, for each worker."""

    def __init__(self, folder: Path, manifest: Manifest, slots: int) -> None:
        """Load the artefact in `folder`; takes about 0.4 s."""
        self._manifest = manifest
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The file's own settings may pad every text to a fixed length and cut it below the model's limit.
        tokenizer.no_padding()
        tokenizer.enable_truncation(manifest.max_length)
        self._tokenizer = tokenizer
        engine = openvino.Core()
        hint = "bf16" if manifest.precision == "bf16" else "f32"
        compiled = engine.compile_model(
            engine.read_model(folder / "model.xml"),
            "CPU",
            {
                # Without this the plugin takes bf16 for the parts of the model that are not quantised.
                "INFERENCE_PRECISION_HINT": hint,
                "NUM_STREAMS": slots,
                "INFERENCE_NUM_THREADS": slots,
                # Pinned, every process of a machine takes the same first core.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._requests = [compiled.create_infer_request() for _ in range(slots)]
        self._inputs = [port.get_any_name() for port in compiled.inputs]

    @property
    def name(self) -> str:
        """Return `openvino-` and the precision of the artefact."""
        return f"openvino-{self._manifest.precision}"

    @property
    def dimension(self) -> int:
        """Return the number of components of a vector."""
        return self._manifest.dimension

    @property
    def slots(self) -> int:
        """Return the number of streams."""
        return len(self._requests)

    def padded_length(self, length: int) -> int:
        """Round a length up to one of the few that the model is run with."""
        step = next(step for bound, step in _STEPS if length <= bound)
        return min(-(-length // step) * step, max(self._manifest.max_length, length))

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, truncated to the model's own limit."""
        prompt = self._manifest.prompt
        lowered = [text.lower() if self._manifest.lower_case else text for text in texts]
        encodings = self._tokenizer.encode_batch_fast([prompt + text for text in lowered] if prompt else lowered)
        return [Tokens(text, tuple(ids), len(ids)) for text, ids in zip(texts, (e.ids for e in encodings), strict=True)]

    def run(self, batch: Sequence[Tokens], slot: int) -> Vectors:
        """Return one unit vector a text, in order, shape (len(batch), dimension)."""
        length = self.padded_length(max(tokens.length for tokens in batch))
        shape = (len(batch), length)
        ids = np.full(shape, self._manifest.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, tokens in enumerate(batch):
            # Left padding is what models with last-token pooling are trained with.
            where = slice(length - tokens.length, length) if self._manifest.pad_left else slice(0, tokens.length)
            ids[row, where] = tokens.ids
            mask[row, where] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, dtype=np.int64)}
        request = self._requests[slot]
        request.infer({name: given[name] for name in self._inputs}, share_inputs=True)
        vectors: Vectors = np.array(request.get_output_tensor(0).data, dtype=np.float32)
        return vectors
