"""Compile a sentence-transformers model into an artefact; a program of its own, run once per model.

`python -m matcher.encoder.quantize MODEL_FOLDER OUTPUT_FOLDER NAME FINGERPRINT` writes model.xml, model.bin,
tokenizer.json and the manifest, and prints one JSON object a line: {"progress": …} or, at the end, {"failed": …}.
It has a process of its own because it needs torch, takes 800 MB, and its libraries fork.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

import numpy as np  # noqa: E402

from matcher.encoder.artifact import (  # noqa: E402
    LEAST_COSINE,
    MANIFEST,
    REFERENCE,
    Manifest,
    Precision,
    calibration_texts,
    digest_files,
    reference_texts,
)
from matcher.encoder.contract import Vectors  # noqa: E402

# Measured best of 0.5 … 0.95 on real messages: agreement on the best agent 99.9 % instead of 98.8 %.
SMOOTH_QUANT_ALPHA = 0.7


def main(arguments: Sequence[str]) -> int:
    """Compile, telling progress on the real standard output, which the libraries do not get to write to."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    told = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    folder, output, name, fingerprint = arguments
    try:
        compile_model(
            Path(folder), Path(output), name, fingerprint, lambda said: print(json.dumps({"progress": said}), file=told)
        )
    except Exception as error:  # noqa: BLE001  (any failure of four libraries means the same: use torch)
        print(json.dumps({"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}), file=told)
        return 1
    return 0


def compile_model(folder: Path, output: Path, name: str, fingerprint: str, progress: Callable[[str], None]) -> None:
    """Write the artefact of the model in `folder` into `output`, as small as its vectors stay true.

    Raises whatever the libraries raise, ValueError where no compiled form gives the original's vectors.
    """
    progress("loading the model with sentence-transformers")
    import openvino
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_grad_enabled(False)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.eval()
    prompt = (model.prompts or {}).get(model.default_prompt_name or "", "") or ""
    sentences, reference = calibration_texts(), reference_texts()
    wanted = np.asarray(model.encode(reference, normalize_embeddings=True, batch_size=1, convert_to_numpy=True))
    np.save(output / REFERENCE, wanted.astype(np.float32))
    told = {
        "model": name,
        "fingerprint": fingerprint,
        "dimension": int(wanted.shape[1]),
        "max_length": int(model.max_seq_length or 512),
        "pad_id": int(model.tokenizer.pad_token_id or 0),
        "pad_left": model.tokenizer.padding_side == "left",
        "lower_case": bool(getattr(model[0], "do_lower_case", False)),
        "prompt": prompt,
    }
    model.tokenizer.backend_tokenizer.save(str(output / "tokenizer.json"))
    progress("converting it")
    example = _example(model, [prompt + sentence for sentence in sentences[:4]])
    names = list(example)
    converted = openvino.convert_model(_pipeline(model, names), example_input=tuple(example.values()), share_weights=True)
    for port, input_name in zip(converted.inputs, names, strict=True):
        port.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
        port.get_tensor().set_names({input_name})
    converted.validate_nodes_and_infer_types()
    tried = []
    for precision, build in _forms(converted, model, prompt, sentences, progress):
        made = build()
        openvino.save_model(made, output / "model.xml", compress_to_fp16=False)
        vectors = _vectors(output, told, precision, reference)
        cosine = float(np.mean(np.sum(vectors * wanted, axis=1)))
        tried.append(f"{precision} agrees with the original to {cosine:.4f}")
        if cosine >= LEAST_COSINE:
            files = digest_files(output)
            manifest = Manifest(**told, precision=precision, reason="; ".join(tried), cosine=cosine, files=files)
            (output / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
            progress(tried[-1])
            return
    raise ValueError(f"no compiled form gives the model's vectors: {'; '.join(tried)}")


def _forms(
    converted: Any, model: Any, prompt: str, sentences: Sequence[str], progress: Callable[[str], None]
) -> list[tuple[Precision, Callable[[], Any]]]:
    import openvino

    def quantized() -> Any:
        progress(f"quantising it on {len(sentences)} sentences")
        import nncf

        parameters = nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT_ALPHA)
        )
        examples = [
            {name: value.numpy() for name, value in _example(model, [prompt + sentence]).items()} for sentence in sentences
        ]
        return nncf.quantize(
            converted,
            nncf.Dataset(examples),
            subset_size=len(examples),
            model_type=nncf.ModelType.TRANSFORMER,
            advanced_parameters=parameters,
        )

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    forms: list[tuple[Precision, Callable[[], Any]]] = []
    try:
        import nncf  # noqa: F401
    except ImportError:
        progress("nncf is not installed: the model stays as precise as it is")
    else:
        forms.append(("int8", quantized))
    if "BF16" in able:
        forms.append(("bf16", lambda: converted))
    forms.append(("fp32", lambda: converted))
    return forms


def _example(model: Any, texts: list[str]) -> dict[str, Any]:
    features = model.preprocess(texts) if hasattr(model, "preprocess") else model.tokenize(texts)
    return {
        name: features[name] for name in ("input_ids", "attention_mask", "token_type_ids") if features.get(name) is not None
    }


def _pipeline(model: Any, names: Sequence[str]) -> Any:
    import torch

    class Pipeline(torch.nn.Module):
        """The whole of sentence-transformers' modules as one graph, with unit vectors at its end."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            """Return the sentence vectors."""
            features = dict(zip(names, tensors, strict=True))
            for module in self.model:
                features = module(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], p=2, dim=1)

    return Pipeline()


def _vectors(output: Path, told: dict[str, Any], precision: Precision, texts: Sequence[str]) -> Vectors:
    from matcher.encoder.openvino_runtime import OpenVinoRuntime

    trial = Manifest(**told, precision=precision, reason="", cosine=0.0, files={})
    runtime = OpenVinoRuntime(output, trial, slots=1)
    return np.concatenate([runtime.run([tokens], slot=0) for tokens in runtime.tokenize(texts)])


def _end_with_parent() -> None:
    """Stop when whoever started this is gone: its end of standard input closes."""
    while os.read(0, 1024):  # not sys.stdin: its lock cannot be held when the interpreter ends
        pass
    os._exit(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
