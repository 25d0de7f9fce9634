"""Suites as what a scorer learns from."""

from __future__ import annotations

import numpy as np

from matcher.affinity.lexicon import stems
from matcher.evaluation.production import Production
from matcher.evaluation.suite import Suite
from matcher.training.dataset import Dataset


def lesson_of(production: Production, suite: Suite) -> Dataset:
    """Return a suite as vectors, the interests' at the precision they are stored with. Call after `learn_suite`."""
    lines = [interest for agent in suite.agents for interest in agent.interests]
    position = {agent.id: number for number, agent in enumerate(suite.agents)}
    read = [production.read(message.text) for message in suite.messages]
    relevant = np.zeros((len(suite.messages), len(suite.agents)), np.bool_)
    person = [agent.id for agent in suite.agents]
    for number, message in enumerate(suite.messages):
        right = sorted(position[agent] for agent in message.relevant)
        relevant[number, right] = True
        for one in right:
            # Who is right for the same message is the same person to a fold.
            person[one] = min(person[one], person[right[0]])
    return Dataset(
        name=suite.name,
        agents=len(suite.agents),
        interests=production.texts.vectors(lines).astype(np.float16).astype(np.float32),
        owner=np.repeat(np.arange(len(suite.agents)), [len(agent.interests) for agent in suite.agents]),
        interest_stems=[stems(line) for line in lines],
        units=np.concatenate([one.vectors for one in read]),
        message=np.repeat(np.arange(len(read)), [len(one.vectors) for one in read]),
        unit_stems=[unit for one in read for unit in one.stems],
        relevant=relevant,
        person=person,
    )
