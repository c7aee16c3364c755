"""A body for aiohttp, with a time limit for each chunk."""

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
    """A body that is sent without a copy.

    aiohttp has a timeout for reading, but none for sending.
    """

    def __init__(
        self, body: Body, show: bool | None, seconds: float, limit: asyncio.Timeout
    ) -> None:
        """Takes the body.

        Args:
            body: The body.
            show: True for a progress bar; see `track_upload`.
            seconds: Most seconds for a chunk.
            limit: Ends the request when a chunk takes longer.
        """
        super().__init__(body, content_type=body.content_type)
        self._size = body.length
        self._body = body
        self._show = show
        self._seconds = seconds
        self._limit = limit

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Sends the body; breaks the connection when it cannot be sent."""
        now = asyncio.get_running_loop().time
        transport = writer.transport
        try:
            with closing(track_upload(self._body, self._show)) as chunks:
                for chunk in chunks:
                    self._end_at(now() + self._seconds)
                    await writer.write(chunk)
        except BaseException:
            # close() would wait for unsent data forever.
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
        # An answer that arrived before the whole body was sent has ended the upload.
        with suppress(RuntimeError):
            self._limit.reschedule(when)
