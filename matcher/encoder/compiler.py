"""Compiler of sentence-transformers models into artefacts; needs the extra `compile`, and its libraries fork."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from matcher.encoder.telemetry_off import stop_telemetry

stop_telemetry()

import numpy as np  # noqa: E402
import openvino  # noqa: E402

from matcher.encoder.artifact import (  # noqa: E402
    LEAST_COSINE,
    MANIFEST,
    REFERENCE,
    Precision,
    calibration_texts,
    digest_files,
    reference_texts,
)
from matcher.encoder.compile_progress import CompileProgress  # noqa: E402
from matcher.encoder.graph_files import write_graphs  # noqa: E402
from matcher.encoder.openvino_runtime import OpenVinoRuntime, mean_cosine  # noqa: E402
from matcher.encoder.tokenization import TOKENIZER, Tokenization  # noqa: E402

# Of 0.5 … 0.95, 0.75 and 0.8 move the vectors least; with 0.75 the best agents differ least from those of fp32.
SMOOTH_QUANT_ALPHA = 0.75


def compile_model(folder: Path, output: Path, name: str, fingerprint: str, report: Callable[[str], None]) -> None:
    """Write the artefact of the model in `folder` into `output`, in the fastest precision that keeps its vectors.

    Raises what the libraries raise, and ValueError where no precision keeps the original's vectors.
    """
    progress = CompileProgress(report)
    progress.step("loading the model with sentence-transformers")
    from matcher.encoder import graphs

    model = graphs.load(folder)
    wanted = graphs.original_vectors(model, reference_texts())
    np.save(output / REFERENCE, wanted)
    graphs.save_tokenizer(model, output / TOKENIZER)
    manifest = graphs.describe(model, name, fingerprint)
    progress.step("converting it")
    manifest, converted = graphs.convert(model, output, manifest, wanted)
    tried: list[str] = []
    for precision, build in _forms(converted, Tokenization(output, manifest), progress):
        manifest = replace(manifest, precision=precision)
        graph = build()
        try:
            write_graphs(graph, manifest, output)
            cosine = mean_cosine(OpenVinoRuntime(output, manifest, streams=1).encode_all(reference_texts()), wanted)
        except RuntimeError as obstacle:
            # OpenVINO 2026 cannot run int8 with a Dense module at the end: the next precision may do.
            tried.append(f"{precision} cannot be run ({str(obstacle).strip().splitlines()[-1]})")
            progress.step(tried[-1])
            continue
        tried.append(f"{precision} agrees with the original to {cosine:.4f}")
        progress.step(tried[-1])
        if cosine >= LEAST_COSINE:
            manifest = replace(manifest, reason="; ".join(tried), cosine=cosine, files=digest_files(output))
            (output / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
            return
    raise ValueError(f"no compiled form gives the model's vectors: {'; '.join(tried)}")


def _forms(
    converted: Any, tokenization: Tokenization, progress: CompileProgress
) -> list[tuple[Precision, Callable[[], Any]]]:
    """Return the precisions to try, the fastest first, each with a function that builds its graph."""
    forms: list[tuple[Precision, Callable[[], Any]]] = [("fp32", lambda: converted)]
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        forms.insert(0, ("bf16", lambda: converted))
    import nncf

    def quantised() -> Any:
        texts = calibration_texts()
        examples = [tokenization.arrays([tokens]) for tokens in tokenization.tokenize(texts)]
        inputs = [port.get_any_name() for port in converted.inputs]
        return nncf.quantize(
            converted,
            nncf.Dataset(progress.quantising([{name: arrays[name] for name in inputs} for arrays in examples])),
            subset_size=len(examples),
            model_type=nncf.ModelType.TRANSFORMER,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT_ALPHA)
            ),
        )

    return [("int8", quantised), *forms]
