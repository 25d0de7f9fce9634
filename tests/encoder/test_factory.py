"""Choice of the runtime by what is installed and what the settings say, with its reason."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matcher.encoder import EncoderSettings, open_encoder, openvino_runtime
from matcher.encoder.artifact import REFERENCE, Manifest, reference_texts
from matcher.encoder.graph_files import NICENESS, GraphFiles, stand_back
from matcher.encoder.openvino_runtime import OpenVinoRuntime, RuntimeUntrue, open_openvino
from matcher.errors import ModelUnusable
from tests.encoder.conftest import run_python

OPEN = """
import asyncio, importlib.util, json, sys
from pathlib import Path
from matcher.encoder import EncoderSettings, open_encoder
from matcher.errors import ModelUnusable

model, cache, runtime, missing = sys.argv[1:]
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == missing else real(name, *rest)

async def main():
    steps = []
    try:
        encoder = await open_encoder(EncoderSettings(Path(cache), model, runtime), steps.append)
    except ModelUnusable as error:
        print(json.dumps({"error": str(error)}))
        return
    vectors = await encoder.encode(["one", "and another"])
    print(json.dumps({"runtime": encoder.runtime, "reason": encoder.reason, "fingerprint": encoder.fingerprint,
                      "steps": steps, "vectors": vectors.tolist()}))
    await encoder.close()

asyncio.run(main())
"""


def opened(model: str, cache: Path, runtime: str, missing: str = "") -> dict[str, Any]:
    """Open an encoder in a process of its own, as if a package were missing; return its report."""
    report: dict[str, Any] = json.loads(run_python("-W", "ignore", "-c", OPEN, model, str(cache), runtime, missing)[-1])
    return report


async def test_any_folder_can_be_set_and_is_compiled_once_at_the_first_start(
    small_models: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Two processes that start at once compile once and agree; a third without openvino falls back and says why.

    The vectors of torch and of the compiled model have one fingerprint and can be compared.
    """
    source = small_models["bert-mean"]["source"]
    first, second, fallen = await asyncio.gather(
        asyncio.to_thread(opened, source, tmp_path, "auto"),
        asyncio.to_thread(opened, source, tmp_path, "auto"),
        asyncio.to_thread(opened, source, tmp_path, "auto", "openvino"),
    )
    assert first["runtime"] == second["runtime"] == "openvino-int8"
    assert first["vectors"] == second["vectors"]
    fewer, more = sorted((first["steps"], second["steps"]), key=len)
    assert len(more) >= 4
    assert fewer in ([], ["another process is compiling the model: waiting for it"])
    assert fallen["runtime"] == "torch-fp32"
    assert fallen["reason"] == "torch, because openvino cannot be used: openvino is not installed"
    assert fallen["fingerprint"] == first["fingerprint"]
    assert np.sum(np.array(fallen["vectors"]) * np.array(first["vectors"]), axis=1).min() >= 0.98


async def test_asking_for_openvino_where_it_is_missing_stops_the_start(tmp_path: Path) -> None:
    """A runtime that the settings name is not replaced silently."""
    refused = await asyncio.to_thread(opened, "all-MiniLM-L6-v2", tmp_path, "openvino", "openvino")
    assert "the settings ask for openvino, but openvino is not installed" in refused["error"]


@pytest.mark.parametrize(
    ("name", "packed", "first_position"),
    [
        ("bert-mean", True, 0),
        ("bert-dense", True, 0),
        ("bert-cls", True, 0),
        ("bert-max", False, 0),
        ("roberta-mean", True, 2),
        ("mpnet-mean", True, 2),
    ],
)
def test_models_of_other_kinds_keep_their_vectors(
    small_models: dict[str, dict[str, Any]], name: str, packed: bool, first_position: int
) -> None:
    """A model that can be packed is packed, else each text has its row: either way the vectors are the original's."""
    model = small_models[name]
    manifest = Manifest(**model["manifest"])
    assert manifest.packed is packed
    assert manifest.first_position == first_position
    runtime = open_openvino(Path(model["artifact"]), manifest, streams=1)
    wanted = np.load(Path(model["artifact"]) / REFERENCE)
    vectors = runtime.encode_all(reference_texts())
    assert np.sum(vectors * wanted, axis=1).mean() >= 0.98
    alone = np.concatenate([runtime.run([tokens], worker=0) for tokens in runtime.tokenize(reference_texts())])
    assert np.sum(vectors * alone, axis=1).min() >= 0.98


def test_the_graph_of_long_texts_is_read_at_the_first_long_text(
    small_models: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service without long texts does not need the graph's memory."""
    model, read = small_models["bert-mean"], GraphFiles.read
    read_rows: list[tuple[int | None, ...]] = []

    def recorded(files: GraphFiles, rows: Sequence[int | None]) -> list[Any]:
        read_rows.append(tuple(rows))
        return read(files, rows)

    monkeypatch.setattr(GraphFiles, "read", recorded)
    monkeypatch.setattr(openvino_runtime, "STATIC_ROWS", (24,))
    runtime = OpenVinoRuntime(Path(model["artifact"]), Manifest(**model["manifest"]), streams=1)
    runtime.encode_all(["short"])
    assert read_rows == [(24,)]
    for _ in range(2):
        runtime.encode_all(["long " * 40])
    assert read_rows == [(24,), (64,)]


def test_inference_threads_have_a_lower_priority(small_models: dict[str, dict[str, Any]]) -> None:
    """Where the cores are busy, the service answers calls before it encodes more."""
    model = small_models["bert-mean"]
    before = _priorities()
    runtime = open_openvino(Path(model["artifact"]), Manifest(**model["manifest"]), streams=2)
    runtime.encode_all(reference_texts())
    after = _priorities()
    # A thread of another test may have ended meanwhile.
    assert all(after[thread] == before[thread] for thread in before.keys() & after.keys())
    inference = [thread for thread in after if thread not in before and after[thread] == NICENESS]
    assert len(inference) >= 2


def test_a_lower_priority_of_the_service_is_kept() -> None:
    """A thread with a still lower priority could not raise it, and does not have to."""
    priorities: list[int] = []

    def started_low() -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, NICENESS + 5)
        stand_back()
        priorities.append(os.getpriority(os.PRIO_PROCESS, thread))

    worker = threading.Thread(target=started_low)
    worker.start()
    worker.join()
    assert priorities == [NICENESS + 5]


def _priorities() -> dict[int, int]:
    threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}


def test_a_compiled_model_that_gives_other_vectors_is_not_served(
    small_models: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Each start compares a few vectors with the original's: a CPU that computes differently is detected."""
    artifact = Path(small_models["bert-cls"]["artifact"])
    for file in artifact.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    np.save(tmp_path / REFERENCE, np.roll(np.load(artifact / REFERENCE), 1, axis=1))
    with pytest.raises(RuntimeUntrue, match="agree with the original's only to"):
        open_openvino(tmp_path, Manifest(**small_models["bert-cls"]["manifest"]), streams=1)
    (tmp_path / "graph-24.blob").write_bytes(b"no graph")
    with pytest.raises(RuntimeUntrue, match="it cannot be run"):
        open_openvino(tmp_path, Manifest(**small_models["bert-cls"]["manifest"]), streams=1)


def test_compiling_writes_nothing_into_the_users_home(small_models: dict[str, dict[str, Any]]) -> None:
    """The libraries' telemetry would write files into ~/intel; it is off."""
    home = Path(small_models["bert-mean"]["home"])
    assert not (home / "intel").exists()


async def test_a_model_that_cannot_be_loaded_stops_the_start_with_its_name(tmp_path: Path) -> None:
    """A folder with nonsense in it: the error is one sentence."""
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelUnusable, match="the settings ask for openvino, but"):
        await open_encoder(EncoderSettings(tmp_path / "cache", str(tmp_path), "openvino"), lambda _: None)
