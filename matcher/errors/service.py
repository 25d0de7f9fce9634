"""Errors of the service itself: too much work, a store that is away, a start with wrong settings or keys."""

from __future__ import annotations

from matcher.errors.reason import MatcherError


class EncoderOverloaded(MatcherError):
    """Too many tokens wait for the encoder."""

    reason = "ENCODER_OVERLOADED"
    retry_after_seconds = 0.2

    def __init__(self, queued: int, limit: int) -> None:
        super().__init__(f"{queued} tokens wait for the encoder; at most {limit} may wait", queued=queued, limit=limit)


class ServiceOverloaded(MatcherError):
    """For a while this process has received more calls than it can work on; nothing was done."""

    reason = "SERVICE_OVERLOADED"
    retry_after_seconds = 0.5

    def __init__(self) -> None:
        super().__init__("this process receives more calls than it can work on: try again, or try another replica")


class TooManyStreams(MatcherError):
    """As many streams are open as this process, or the site in this process, may have."""

    reason = "TOO_MANY_STREAMS"
    retry_after_seconds = 1.0

    def __init__(self, of: str, limit: int) -> None:
        super().__init__(f"{limit} streams are open, as many as a {of} may have here", of=of, limit=limit)


class StoreFull(MatcherError):
    """The store has no memory left; nothing was written."""

    reason = "STORE_FULL"
    retry_after_seconds = 5.0

    def __init__(self) -> None:
        super().__init__("the store has no memory left; nothing was written")


class StoreUnavailable(MatcherError):
    """The store does not answer. Only the log shows the address, which has no password in it, and `why`."""

    reason = "STORE_UNAVAILABLE"
    retry_after_seconds = 1.0

    def __init__(self, address: str, why: str) -> None:
        super().__init__("the store does not answer")
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"the store at {self.address} does not answer: {self.why}"


class StoreUnfit(MatcherError):
    """The store answers but is not fit for the data: wrong version, eviction, schema. The service does not start."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self, address: str, why: str) -> None:
        super().__init__("the store cannot be used")
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"the store at {self.address} cannot be used: {self.why}"


class LedgerOff(MatcherError):
    """The service keeps no ledger: what needs one cannot be recorded or read."""

    reason = "LEDGER_OFF"

    def __init__(self) -> None:
        super().__init__("the service keeps no ledger: set MATCHER_LEDGER_URL")


class LedgerAway(MatcherError):
    """The ledger's database does not answer; routes go on, and their steps wait. Only the log shows why."""

    reason = "LEDGER_AWAY"
    retry_after_seconds = 5.0

    def __init__(self, why: str) -> None:
        super().__init__("the ledger does not answer")
        self.why = why

    def __str__(self) -> str:
        return f"the ledger does not answer: {self.why}"


class LedgerRefuses(LedgerAway):
    """The ledger's database answers, but does not take what is written. Only the log shows why."""


class LedgerNewer(LedgerAway):
    """The ledger's tables are of a later version, which this process can neither write nor read."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(f"its tables have schema {found}, and this version knows those up to {known}")


class BackupWrong(MatcherError):
    """A backup cannot be written or restored as asked. No call to the service has this error."""

    reason = "INTERNAL_FAULT"

    def __init__(self, what: str, why: str) -> None:
        """Name the file or the directory, and what is wrong with it."""
        super().__init__(f"{what}: {why}")


class IndexBehind(MatcherError):
    """This replica has not caught up with the roster."""

    reason = "INDEX_BEHIND"
    retry_after_seconds = 0.5

    def __init__(self, site: str) -> None:
        super().__init__(f"this replica has not caught up with {site}", site=site)


class SiteDeleting(MatcherError):
    """A former site of this id is still being deleted."""

    reason = "SITE_DELETING"
    retry_after_seconds = 1.0

    def __init__(self, site: str) -> None:
        super().__init__(f"a former {site} is still being deleted: try again", site=site)


class ShuttingDown(MatcherError):
    """This server is stopping; another server can take the call."""

    reason = "SHUTTING_DOWN"
    retry_after_seconds = 0.1

    def __init__(self) -> None:
        super().__init__("this server is stopping")


class ModelUnusable(MatcherError):
    """The embedding model cannot be loaded. The service does not start."""

    reason = "INTERNAL_FAULT"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the embedding model cannot be used: {reason}")


class SettingsWrong(MatcherError):
    """A setting is unknown or its value is wrong. The service does not start."""

    reason = "INTERNAL_FAULT"
