"""Post char-lm.msgpack to the service at LOSSMETER_URL and print the result."""

import json
import os
import urllib.request
from pathlib import Path

url = os.environ.get("LOSSMETER_URL", "http://127.0.0.1:8080")
request = urllib.request.Request(
    f"{url}/v1/cross-entropy",
    data=Path(__file__).with_name("char-lm.msgpack").read_bytes(),
    headers={"Content-Type": "application/vnd.msgpack"},
)
with urllib.request.urlopen(request) as response:
    reply = json.load(response)
print("loss", reply["loss"], "perplexity", reply["metrics"]["perplexity"])
