"""Permissions of a call: the authorizer is asked once before the body is read, and once when the request is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matcher.auth.authorizer import Authorizer
from matcher.auth.principal import current_principal
from matcher.model.scope import set_scope
from matcher.rpc.asked_names import asked_names


class Permissions:
    """Refuses what the principal of the call may not do, and sets the scope of what only the store knows."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def check_method(self, method: str) -> None:
        """Raise PermissionDenied where the principal may not call the method at all."""
        self._authorizer.check_method(current_principal(), method)

    def checked(self, method: str, read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Return a reader of bodies that also sets the scope of the call.

        It raises PermissionDenied where the request names what the principal may not ask for.
        """

        def read_checked(body: bytes) -> Any:
            request = read(body)
            set_scope(self._authorizer.scope(current_principal(), method, asked_names(request)))
            return request

        return read_checked
