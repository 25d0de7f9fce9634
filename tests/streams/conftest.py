"""The fixture of two servers on one store."""

from tests.state_machine.conftest import pair

__all__ = ["pair"]
