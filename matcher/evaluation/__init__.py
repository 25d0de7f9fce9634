"""Measure the match on suites, through the code that serves."""

from matcher.evaluation.evaluate import Evaluated, evaluate
from matcher.evaluation.extras import ExtraMissing
from matcher.evaluation.production import Production, Progress, open_production

__all__ = ["Evaluated", "ExtraMissing", "Production", "Progress", "evaluate", "open_production"]
