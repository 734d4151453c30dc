"""A Flask site whose routes are limited over all of its processes; its argument is the port."""

from __future__ import annotations

import os
import sys
from wsgiref.simple_server import make_server

from flask import Flask, Response, jsonify, request
from flask_limiter import Limiter

app = Flask(__name__)
limiter = Limiter(
    lambda: request.args["user"],
    app=app,
    storage_uri=os.environ["SERVER_URL"],
    strategy="moving-window",
    headers_enabled=True,
)


@app.get("/limited")
@limiter.limit("5 per hour")
def limited() -> Response:
    return jsonify(pid=os.getpid())


@app.get("/free")
def free() -> Response:
    return jsonify(pid=os.getpid())


if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[1]), app) as server:
        print("serving", flush=True)
        server.serve_forever()
