"""Cross entropy as a typical service with FastAPI, uvicorn, msgpack and PyTorch."""

import os
import warnings

import msgpack
import torch
import torch.nn.functional as F
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

# Tensors share the bytes of the request, which are never written.
warnings.filterwarnings("ignore", message="The given buffer is not writable")

app = FastAPI()


@app.get("/readyz")
async def ready() -> JSONResponse:
    return JSONResponse({"ready": True})


@app.post("/v1/cross-entropy")
async def cross_entropy(request: Request) -> JSONResponse:
    fields = msgpack.unpackb(await request.body())
    logits, label = fields["logits"], fields["label"]
    with torch.inference_mode():
        x = torch.frombuffer(logits["data"], dtype=torch.float32).reshape(logits["shape"])
        y = torch.frombuffer(label["data"], dtype=torch.int32).long()
        return JSONResponse({"loss": F.cross_entropy(x, y).item()})


uvicorn.run(
    app,
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
    loop="uvloop",
    http="httptools",
    access_log=False,
    log_level="warning",
)
