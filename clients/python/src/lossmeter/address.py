"""The address of the service, and the key."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from lossmeter._version import __version__

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Address:
    """The URL of the service, without a slash at the end, and the key."""

    url: str
    api_key: str | None = field(repr=False)

    @classmethod
    def of(cls, url: str | None, api_key: str | None) -> Address:
        """Makes an address of the arguments, or of the environment by default.

        Raises:
            ValueError: The URL or the key is invalid.
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
            # A password in the URL must not be shown.
            shown = given.rpartition("@")[2]
            raise ValueError(
                f"the URL of the service is {shown!r}, expected one such as "
                f"{DEFAULT_URL} or https://loss.example, without a user, a query or a "
                "fragment"
            )
        key = (api_key or os.environ.get("LOSSMETER_API_KEY", "")).strip()
        if not (key.isascii() and key.isprintable()):
            raise ValueError("the API key has characters that a header cannot have")
        return cls(given.rstrip("/"), key or None)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        headers = {"User-Agent": f"lossmeter-python/{__version__}"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers
