"""Program for the tests: makes small sentence-transformers models, compiles each, and prints the results.

The weights are random: the tests check that compiling keeps a model's vectors, whatever they are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matcher.encoder import compiler  # first: it stops the libraries' telemetry

import torch  # isort: skip
from sentence_transformers import SentenceTransformer  # isort: skip
from sentence_transformers.models import Dense, Pooling, Transformer  # isort: skip
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers  # isort: skip
from transformers import (  # isort: skip
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from matcher.encoder.artifact import calibration_texts

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 500,
}


def main(folder: Path) -> None:
    """Make the models under `folder`, compile them, and print a JSON object."""
    torch.manual_seed(7)
    few = calibration_texts()[:40]
    vars(compiler)["calibration_texts"] = lambda: few
    kinds = {
        "bert-mean": (BertModel(BertConfig(**SIZES, max_position_embeddings=64)), "mean"),
        "bert-cls": (BertModel(BertConfig(**SIZES, max_position_embeddings=64)), "cls"),
        # A last product to fewer dimensions, which OpenVINO 2026 cannot run in int8.
        "bert-dense": (BertModel(BertConfig(**SIZES, max_position_embeddings=64)), "mean"),
        "bert-max": (BertModel(BertConfig(**SIZES, max_position_embeddings=64)), "max"),
        # Counts positions from the padding id plus one.
        "roberta-mean": (RobertaModel(RobertaConfig(**SIZES, max_position_embeddings=66, pad_token_id=1)), "mean"),
        # The same, with relative positions besides.
        "mpnet-mean": (MPNetModel(MPNetConfig(**SIZES, max_position_embeddings=66, pad_token_id=1)), "mean"),
    }
    made = {}
    for name, (model, pooling) in kinds.items():
        source, artifact = folder / name, folder / f"{name}-compiled"
        artifact.mkdir()
        save(model, pooling, source)
        compiler.compile_model(source, artifact, name, "0" * 16, lambda _: None)
        manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
        made[name] = {"source": str(source), "artifact": str(artifact), "manifest": manifest}
    sys.stdout.write(json.dumps(made))


def save(model: Any, pooling: str, folder: Path) -> None:
    """Write a sentence-transformers model around a transformer, with a tokenizer of 500 words."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            # Large enough for words and positions to matter, as in a trained model.
            torch.nn.init.normal_(parameter, std=1.0 if "embeddings" in name else 0.2)
    first, pad = ("[CLS]", "[PAD]") if model.config.pad_token_id == 1 else ("[PAD]", "[CLS]")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=[first, pad, "[SEP]", "[UNK]"])
    tokenizer.train_from_iterator(calibration_texts(), trainer)
    ends = [("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    plain = folder.with_name(f"{folder.name}-plain")
    model.save_pretrained(plain)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_max_length=64,
    ).save_pretrained(plain)
    transformer = Transformer(str(plain), max_seq_length=64)
    modules = [transformer, Pooling(SIZES["hidden_size"], pooling_mode=pooling)]
    if folder.name == "bert-dense":
        modules.append(Dense(SIZES["hidden_size"], 24, bias=False, activation_function=torch.nn.Identity()))
    whole = SentenceTransformer(modules=modules)
    whole.save(str(folder), create_model_card=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
