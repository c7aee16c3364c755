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
            ValueError: The URL is none, or the key cannot be one.
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
            or parsed.auth is not None
        ):
            # Who put a password there does not want it to be shown.
            shown = given.rpartition("@")[2]
            raise ValueError(
                f"the URL of the service is {shown!r}, expected one such as "
                f"{DEFAULT_URL} or https://loss.example, without a user, a query or a "
                "fragment"
            )
        key = (api_key or os.environ.get("LOSSMETER_API_KEY", "")).strip()
        if not (key.isascii() and key.isprintable()):
            raise ValueError("the API key has characters that no header takes")
        return cls(given.rstrip("/"), key or None)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        headers = {"User-Agent": f"lossmeter-python/{__version__}"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers
