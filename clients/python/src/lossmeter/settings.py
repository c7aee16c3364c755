"""Settings of a client, for the synchronous and the asynchronous one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from lossmeter.address import Address


@dataclass(frozen=True)
class Settings:
    """Address, timeout, retries and progress bars; see `Client`."""

    address: Address
    timeout: float
    retries: int
    progress: bool | None


class Configured:
    """Base of the clients: a pickled client is made again from its settings.

    Attributes:
        settings: Address, timeout, retries and progress bars.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def url(self) -> str:
        """Address of the service."""
        return self.settings.address.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A module that holds a client can be saved: connections cannot be pickled, and
        # a checkpoint must not contain a key.
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
        # A client has no state that copies must not share.
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
