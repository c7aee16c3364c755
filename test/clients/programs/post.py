"""Posts every body of a manifest with a client of Python: post.py URL MANIFEST CLIENT."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import httpx
import requests
import urllib3

Answer = tuple[int, str]


def with_requests(url: str, headers: dict[str, str], body: bytes) -> Answer:
    response = requests.post(url, data=body, headers=headers, timeout=60)
    return response.status_code, response.text


def with_httpx(url: str, headers: dict[str, str], body: bytes) -> Answer:
    response = httpx.post(url, content=body, headers=headers, timeout=60)
    return response.status_code, response.text


def with_urllib3(url: str, headers: dict[str, str], body: bytes) -> Answer:
    response = urllib3.PoolManager().request("POST", url, body=body, headers=headers)
    return response.status, response.data.decode()


def with_aiohttp(url: str, headers: dict[str, str], body: bytes) -> Answer:
    async def post() -> Answer:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers) as response,
        ):
            return response.status, await response.text()

    return asyncio.run(post())


CLIENTS = {
    "requests": with_requests,
    "httpx": with_httpx,
    "urllib3": with_urllib3,
    "aiohttp": with_aiohttp,
}

if __name__ == "__main__":
    url, manifest, client = sys.argv[1:]
    for line in Path(manifest).read_text().splitlines():
        name, path, file, *fields = line.split("\t")
        headers = dict(field.split(": ", 1) for field in fields)
        status, text = CLIENTS[client](url + path, headers, Path(file).read_bytes())
        print(name, status, text, sep="\t")
