"""A compilation says how long it will take, from the speed of the steps that are done."""

from __future__ import annotations

from matcher.encoder.compile_progress import CompileProgress


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def run(slowness: float) -> list[tuple[float, str]]:
    """Play a compilation of 40 s times the slowness; return what it said, and when."""
    clock, said = Clock(), list[tuple[float, str]]()
    progress = CompileProgress(lambda step: said.append((clock.now, step)), clock)
    progress.step("loading")
    clock.now += 9.2 * slowness
    examples = progress.quantising(list(range(377)))
    for seconds, after in ((5.2, 5.2), (13.5, 6.8)):
        for _ in examples:
            clock.now += seconds * slowness / 377
        clock.now += after * slowness
    progress.step("done")
    return said


def test_the_estimate_follows_the_machine() -> None:
    """On a machine that is three times as slow it is three times as long, and it is never off by half."""
    assert run(1.0)[1][1] == "quantising it on 377 sentences: about 31 s left"
    assert run(3.0)[1][1] == "quantising it on 377 sentences: about 1 min 32 s left"
    said = run(3.0)
    ended = said[-1][0]
    estimates = [(at, step) for at, step in said if " left" in step]
    assert len(estimates) >= 8
    for at, step in estimates:
        words = step.partition("about ")[2].removesuffix(" left").split()
        left = sum(int(count) * {"s": 1, "min": 60}[unit] for count, unit in zip(words[::2], words[1::2], strict=True))
        assert abs(left - (ended - at)) <= 0.5 * (ended - at) + 1
