"""Graphs of a sentence-transformers model for OpenVINO: its own, and a packed one where several texts share a row.

Imports torch and sentence-transformers, so only the compiling process imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import openvino
import torch
from sentence_transformers import SentenceTransformer

from matcher.encoder.artifact import Manifest, Pooling, reference_texts
from matcher.encoder.protocols import Vectors
from matcher.encoder.tokenization import EMBEDDINGS, Arrays, Tokenization

# Least cosine with the own graph's vectors: packing changes nothing but the order of additions in fp32.
PACKED_COSINE = 0.9999


def load(folder: Path) -> Any:
    """Return the model in fp32, whatever precision it is stored in."""
    torch.set_grad_enabled(False)
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True).float().eval()


def original_vectors(model: Any, texts: Sequence[str]) -> Vectors:
    """Return the vectors of sentence-transformers itself, shape (len(texts), dimension)."""
    vectors = model.encode(list(texts), normalize_embeddings=True, batch_size=1, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def save_tokenizer(model: Any, file: Path) -> None:
    """Write the tokenizer in the form that the package tokenizers reads; raise where it has no such form."""
    model.tokenizer.backend_tokenizer.save(str(file))


def describe(model: Any, name: str, fingerprint: str) -> Manifest:
    """Return a manifest with what is known before the model is converted."""
    return Manifest(
        model=name,
        fingerprint=fingerprint,
        precision="fp32",
        reason="",
        cosine=0.0,
        dimension=len(original_vectors(model, ["dimension"])[0]),
        max_length=int(model.max_seq_length or 512),
        pad_id=int(model.tokenizer.pad_token_id or 0),
        pad_left=model.tokenizer.padding_side == "left",
        lower_case=bool(getattr(model[0], "do_lower_case", False)),
        prompt=(model.prompts or {}).get(model.default_prompt_name or "", "") or "",
        packed=False,
        pooling="mean",
        first_position=0,
        files={},
    )


def convert(model: Any, output: Path, manifest: Manifest, wanted: Vectors) -> tuple[Manifest, Any]:
    """Return the manifest and the packed graph where that keeps the model's vectors, else the model's own graph."""
    for packed in _packed_manifests(model, manifest):
        graph = PackedGraph(model)
        try:
            _save_embeddings(model, output / EMBEDDINGS)
            vectors = _packed_vectors(graph, Tokenization(output, packed))
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
            continue  # this model's `forward` takes other arguments: its own graph is used
        if np.min(np.sum(vectors * wanted, axis=1)) >= PACKED_COSINE:
            return packed, _traced(graph, Tokenization(output, packed))
    (output / EMBEDDINGS).unlink(missing_ok=True)
    return manifest, _traced(OwnGraph(model), Tokenization(output, manifest))


def _save_embeddings(model: Any, file: Path) -> None:
    """Write the vectors of the vocabulary at 16 bits; they are looked up outside the graph."""
    np.save(file, model[0].auto_model.get_input_embeddings().weight.numpy().astype(np.float16))


def _packed_manifests(model: Any, manifest: Manifest) -> list[Manifest]:
    pooling = getattr(model[1], "pooling_mode", None) if len(model) > 1 else None
    if pooling not in get_args(Pooling) or not getattr(model[1], "include_prompt", True):
        return []
    # Models derived from RoBERTa count positions from the padding id plus one.
    return [
        replace(manifest, packed=True, pooling=cast("Pooling", pooling), first_position=first)
        for first in (0, manifest.pad_id + 1)
    ]


class PackedGraph(torch.nn.Module):  # type: ignore[misc]
    """Graph of several texts in a row: a token attends to its own text alone, and pooling is one matrix product.

    It begins after the lookup in the vocabulary's table, which every compiled graph would hold in single floats: 45 MB.
    """

    inputs = ("embedded", "segments", "positions", "weights")

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.transformer = model[0].auto_model
        self.after_pooling = torch.nn.ModuleList(list(model)[2:])

    def forward(self, embedded: Any, segments: Any, positions: Any, weights: Any) -> Any:
        """Return unit vectors, shape (rows of `weights`, dimension); `weights` has one column for each token."""
        together = segments[:, None, :, None] == segments[:, None, None, :]
        mask = torch.where(together, 0.0, torch.finfo(torch.float32).min)
        states = self.transformer(inputs_embeds=embedded, attention_mask=mask, position_ids=positions).last_hidden_state
        features = {"sentence_embedding": weights @ states.reshape(-1, states.shape[-1])}
        for module in self.after_pooling:
            features = module(features)
        return torch.nn.functional.normalize(features["sentence_embedding"], dim=1)


class OwnGraph(torch.nn.Module):  # type: ignore[misc]
    """Graph of the model's own modules in their order, with a row for each text and unit vectors at the end."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        features = model.preprocess(["which inputs"]) if hasattr(model, "preprocess") else model.tokenize(["which"])
        self.inputs = tuple(name for name in ("input_ids", "attention_mask", "token_type_ids") if name in features)

    def forward(self, *tensors: Any) -> Any:
        """Return unit vectors, shape (rows, dimension)."""
        features = dict(zip(self.inputs, tensors, strict=True))
        for module in self.model:
            features = module(features)
        return torch.nn.functional.normalize(features["sentence_embedding"], dim=1)


def _packed_vectors(graph: PackedGraph, tokenization: Tokenization) -> Vectors:
    """Return the vectors of the reference texts, encoded in batches of eight."""
    texts = tokenization.tokenize(reference_texts())
    vectors = []
    for start in range(0, len(texts), 8):
        batch = texts[start : start + 8]
        vectors.append(graph(*_tensors(graph, tokenization.arrays(batch))).numpy()[: len(batch)])
    return np.concatenate(vectors)


def _traced(graph: Any, tokenization: Tokenization) -> Any:
    example = _tensors(graph, tokenization.arrays(tokenization.tokenize(reference_texts()[:8])))
    converted = openvino.convert_model(graph, example_input=tuple(example))
    for port, name, given in zip(converted.inputs, graph.inputs, example, strict=True):
        port.get_node().set_partial_shape(openvino.PartialShape([-1, -1, *given.shape[2:]]))
        port.get_tensor().set_names({name})
    converted.validate_nodes_and_infer_types()
    return converted


def _tensors(graph: Any, arrays: Arrays) -> list[Any]:
    return [torch.from_numpy(arrays[name]) for name in graph.inputs]
