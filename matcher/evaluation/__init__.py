"""The evaluation: measures on suites how well the service's own code finds the right agents."""

from matcher.evaluation.evaluate import Evaluation, evaluate
from matcher.evaluation.extras import ExtraMissing
from matcher.evaluation.production import Production, Progress, open_production

__all__ = ["Evaluation", "ExtraMissing", "Production", "Progress", "evaluate", "open_production"]
