"""The models: their files, and whether they are compiled for this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

from matcher.config import Settings
from matcher.encoder.examination import examine_models
from matcher.server.doctor.findings import Finding, fail, ok, warn


async def models(settings: Settings) -> AsyncIterator[Finding]:
    """Yield what is found of each model that the settings name."""
    for found in await examine_models(settings.model, settings.models_dir):
        if found.wrong:
            yield fail("model", found.wrong, "install the package again, or correct MATCHER_MODEL")
        elif found.broken:
            yield warn(
                "model",
                f"{found.model}: the compiled model in {settings.models_dir} is not used, {found.broken}",
                "nothing: the next start compiles it again, in under a minute",
            )
        elif not found.compiled:
            yield warn(
                "model",
                f"{found.model} is not compiled for this machine in {settings.models_dir}",
                "nothing, or `matcher compile` beforehand: the next start does it, in under a minute",
            )
        else:
            yield ok("model", f"{found.model} is compiled: {found.compiled}")
