"""Doctor of an installation: looks at all that the service needs, changes nothing, and says what to do."""

from matcher.server.doctor.examination import examine_installation
from matcher.server.doctor.findings import Finding, State

__all__ = ["Finding", "State", "examine_installation"]
