"""Fixtures: the packaged model, compiled once for all test sessions, and small models of other kinds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from matcher.encoder import Encoder, EncoderSettings, open_encoder

REPOSITORY = Path(__file__).resolve().parents[2]


def model_cache() -> Path:
    """Return where compiled models are kept from one test session to the next."""
    return Path(os.environ.get("MATCHER_TEST_MODEL_CACHE", REPOSITORY / "build" / "models"))


def run_python(*arguments: str, **environment: str) -> list[str]:
    """Run Python in a process of its own, which must end with 0; return the lines it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture(scope="session")
async def encoder() -> AsyncIterator[Encoder]:
    """Give the encoder of the service."""
    encoder = await open_encoder(EncoderSettings(cache_dir=model_cache()), lambda _: None)
    yield encoder
    await encoder.close()


@pytest.fixture(scope="session")
async def small_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Give models of several architectures with random weights, each with its compiled artefact.

    By name: the folders `source` and `artifact`, the `manifest`, and `home`, the compiling process's home.
    """
    folder = tmp_path_factory.mktemp("small")
    home = tmp_path_factory.mktemp("home")
    script = str(Path(__file__).with_name("small_models.py"))
    lines = await asyncio.to_thread(run_python, "-W", "ignore", script, str(folder), HOME=str(home))
    made: dict[str, dict[str, Any]] = json.loads(lines[-1])
    return {name: {**model, "home": str(home)} for name, model in made.items()}
