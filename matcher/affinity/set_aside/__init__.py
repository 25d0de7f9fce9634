"""What is compared of a customer's text: the words written now, without quotes, signatures, mark-up and addresses."""

from matcher.affinity.set_aside.places import Places
from matcher.affinity.set_aside.reading import MOST_NAMED, longest, read

__all__ = ["MOST_NAMED", "Places", "longest", "read"]
