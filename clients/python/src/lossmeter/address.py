"""Where the service is, and who asks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from lossmeter._version import __version__

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Address:
    """Where the service is, without a slash at the end, and the key."""

    url: str
    api_key: str | None = field(repr=False)

    @classmethod
    def of(cls, url: str | None, api_key: str | None) -> Address:
        """What is given, or what the environment says in its place.

        Raises:
            ValueError: The URL is none.
        """
        given = url or os.environ.get("LOSSMETER_URL") or DEFAULT_URL
        try:
            parsed = parse_url(given)
        except LocationParseError:
            parsed = None
        if (
            parsed is None
            or parsed.scheme not in {"http", "https"}
            or parsed.host is None
            or parsed.query is not None
            or parsed.fragment is not None
        ):
            raise ValueError(
                f"the URL of the service is {given!r}, expected one such as "
                f"{DEFAULT_URL} or https://loss.example"
            )
        key = api_key or os.environ.get("LOSSMETER_API_KEY")
        return cls(given.rstrip("/"), key)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        headers = {"User-Agent": f"lossmeter-python/{__version__}"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers
