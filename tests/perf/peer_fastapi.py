"""The peer of the HTTP benchmark: GET /api/models/{id} as the Python services of this field write it.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os

from fastapi import FastAPI, HTTPException
from pydantic import create_model

model = json.loads(os.environ["BENCH_MODEL"])
Model = create_model("Model", **{k: (type(v) if v is not None else object, ...) for k, v in model.items()})
app = FastAPI()
models = {model["id"]: Model(**model)}


@app.get("/api/models/{model_id}", response_model=Model)
async def get_model(model_id: str):
    if model_id not in models:
        raise HTTPException(404, "Model not found")
    return models[model_id]
