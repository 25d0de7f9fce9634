"""Finding a model's files: they are found, checked, and have a fingerprint that no other model has."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from matcher.encoder import model_source
from matcher.encoder.model_source import find_model
from matcher.errors import ModelUnusable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that looks like a model."""
    model = tmp_path / "model"
    (model / "1_Pooling").mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "tokenizer.json").write_text("{}", encoding="utf-8")
    (model / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}', encoding="utf-8")
    (model / "README.md").write_text("about it", encoding="utf-8")
    return model


def test_the_packaged_model_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are checked by SHA-256; other weights are refused even if they would load."""
    assert find_model("all-MiniLM-L6-v2").fingerprint == model_source.PACKAGED_FINGERPRINT
    monkeypatch.setattr(model_source, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(ModelUnusable, match="sha256 differs"):
        find_model("all-MiniLM-L6-v2")


@pytest.mark.parametrize("changed", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_a_change_of_anything_that_makes_vectors_changes_the_fingerprint(folder: Path, changed: str) -> None:
    """Weights, tokenizer, pooling: vectors from before and after never meet."""
    before = find_model(str(folder)).fingerprint
    (folder / changed).write_bytes((folder / changed).read_bytes() + b" ")
    assert find_model(str(folder)).fingerprint != before


def test_files_that_do_not_affect_vectors_leave_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    """A copy elsewhere, another README, the same weights in another format: the same fingerprint."""
    before = find_model(str(folder)).fingerprint
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "README.md").write_text("about it, at length", encoding="utf-8")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "model.bin").write_bytes(b"the same in another form")
    (copy / "pytorch_model.bin").write_bytes(b"the same in an older form")
    assert find_model(str(copy)).fingerprint == before


def test_a_model_fetched_before_is_used_without_a_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub id is searched on this machine first."""
    cached = tmp_path / "hub" / "models--sentence-transformers--small"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    shutil.copytree(folder, cached / "snapshots" / ("0" * 40))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("sentence-transformers/small", "small"):
        assert find_model(name).fingerprint == find_model(str(folder)).fingerprint


@pytest.mark.parametrize("name", ["nobody/has-this", "not a name at all!", "/no/such/folder"])
def test_a_model_that_is_not_found_is_named_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt name stops the start with the name in the message."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnusable, match=name):
        find_model(name)


def test_a_folder_without_weights_is_no_model(folder: Path) -> None:
    """Half a download is refused before anything is loaded."""
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelUnusable, match="no weights"):
        find_model(str(folder))
