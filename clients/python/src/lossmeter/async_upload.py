"""A body as aiohttp sends it, each chunk of it in time."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import aiohttp

from lossmeter.progress import track_upload

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from lossmeter.body import Body


class Upload(aiohttp.Payload):
    """A body that is sent from the memory where it lies.

    aiohttp bounds how long nothing is read, but not how long nothing is sent.
    """

    def __init__(
        self, body: Body, show: bool | None, seconds: float, limit: asyncio.Timeout
    ) -> None:
        """Takes what is sent.

        Args:
            body: The body.
            show: Whether there is a bar; see `track_upload`.
            seconds: How long a chunk may take.
            limit: What ends the request when one takes longer.
        """
        super().__init__(body, content_type=body.content_type)
        self._size = body.length
        self._body = body
        self._show = show
        self._seconds = seconds
        self._limit = limit

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Sends the body; cuts the connection when it cannot be sent."""
        now = asyncio.get_running_loop().time
        transport = writer.transport
        try:
            with closing(track_upload(self._body, self._show)) as chunks:
                for chunk in chunks:
                    self._end_at(now() + self._seconds)
                    await writer.write(chunk)
        except BaseException:
            # Closed, it would wait for what was not sent yet, for ever.
            if transport is not None:
                transport.abort()
            raise
        self._end_at(None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 -- is that of the body
    ) -> None:
        """Sends the body."""
        await self.write(writer)

    def decode(
        self,
        encoding: str = "utf-8",  # noqa: ARG002 -- aiohttp's
        errors: str = "strict",  # noqa: ARG002 -- aiohttp's
    ) -> str:
        """Raises TypeError: it is not text."""
        raise TypeError("the body is not text")

    def _end_at(self, when: float | None) -> None:
        # An answer that came before the body was sent has ended it.
        with suppress(RuntimeError):
            self._limit.reschedule(when)
