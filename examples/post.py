"""Post char-lm.msgpack to a Lossmeter on this machine and print the result."""

import json
import urllib.request
from pathlib import Path

request = urllib.request.Request(
    "http://127.0.0.1:8080/v1/cross-entropy",
    data=Path(__file__).with_name("char-lm.msgpack").read_bytes(),
    headers={"Content-Type": "application/vnd.msgpack"},
)
with urllib.request.urlopen(request) as response:
    reply = json.load(response)
print("loss", reply["loss"], "perplexity", reply["metrics"]["perplexity"])
