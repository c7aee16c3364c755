"""How a service is asked: what the twins of the client have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter.address import Address


@dataclass(frozen=True)
class Settings:
    """Where the service is, and how it is asked; see `Client`."""

    address: Address
    timeout: float
    retries: int
    progress: bool | None


class Configured:
    """A client, which is made of its settings, and again of them when it is saved.

    Attributes:
        settings: Where the service is, and how it is asked.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def url(self) -> str:
        """Where the service is."""
        return self.settings.address.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A module that holds a client is saved; its connections cannot be, and a key
        # must not come to lie in a checkpoint.
        make: Callable[..., Configured] = type(self)
        again = partial(
            make,
            self.url,
            timeout=self.settings.timeout,
            retries=self.settings.retries,
            progress=self.settings.progress,
        )
        return again, ()

    def __copy__(self) -> Self:
        # It has no state that copies would share to their harm.
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
