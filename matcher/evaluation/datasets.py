"""The dataset of a suite: converts it to the vectors and stems from which a scorer is learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.affinity.lexicon import interest_stems
from matcher.evaluation.production import Production
from matcher.evaluation.suite import Suite
from matcher.routing.encoded_message import EncodedMessage
from matcher.training.dataset import Dataset


def dataset_of(production: Production, suite: Suite) -> Dataset:
    """Return the dataset of a suite, with the interests' vectors at the store's precision.

    Call it after `encode_suite`.
    """
    interests = [interest for agent in suite.agents for interest in agent.interests]
    position = {agent.id: number for number, agent in enumerate(suite.agents)}
    messages = [production.read(message.text) for message in suite.messages]
    relevant = np.zeros((len(suite.messages), len(suite.agents)), np.bool_)
    person = [agent.id for agent in suite.agents]
    for number, suite_message in enumerate(suite.messages):
        right = sorted(position[agent_id] for agent_id in suite_message.relevant)
        relevant[number, right] = True
        for agent in right:
            # The right agents of one message count as one person, so that they get into the same fold.
            person[agent] = min(person[agent], person[right[0]])
    return Dataset(
        name=suite.name,
        agents=len(suite.agents),
        interests=production.interest_vectors(interests).astype(np.float16).astype(np.float32),
        owner=np.repeat(np.arange(len(suite.agents)), [len(agent.interests) for agent in suite.agents]),
        interest_stems=[interest_stems(interest) for interest in interests],
        units=np.concatenate([message.vectors for message in messages]),
        message=np.repeat(np.arange(len(messages)), [len(message.vectors) for message in messages]),
        unit_stems=[unit for message in messages for unit in message.stems],
        relevant=relevant,
        person=person,
        whole=_whole_units(messages) if production.scorer.halves else None,
    )


def _whole_units(messages: Sequence[EncodedMessage]) -> NDArray[np.bool_]:
    return np.concatenate(
        [np.arange(len(message.vectors)) == len(message.vectors) - message.units.whole * 1 for message in messages]
    )
