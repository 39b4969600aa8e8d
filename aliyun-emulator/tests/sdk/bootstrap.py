#!/usr/bin/env python3
"""A function for the tests: does what its event says, and writes down every event that it gets."""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self, what):
        with open(os.environ["LOG"], "a") as log:
            log.write(json.dumps(what) + "\n")

    def do_GET(self):
        self.note({"path": self.path})
        self.answer(b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        if self.path == "/initialize":
            self.note({"path": self.path})
            return self.answer(b"")
        event = json.loads(body)
        seen = {"event": event, "request": self.headers["x-fc-request-id"], "pid": os.getpid()}
        self.note(seen)
        do = event.get("do", "echo")
        if do == "crash":
            os._exit(1)
        if do == "fail":
            return self.answer(b"no", 404, x_fc_status="404")
        if do == "status":
            return self.answer(b"teapot", 418)
        if do == "sleep":
            time.sleep(event["seconds"])
        if do == "headers":
            return self.answer(b"", x_long="x" * 9000)
        if do == "environment":
            mine = ("FC_", "ALIBABA_CLOUD_", "MINE")
            seen["environment"] = {name: value for name, value in os.environ.items() if name.startswith(mine)}
            seen["headers"] = {name.lower(): value for name, value in self.headers.items()}
        self.answer(json.dumps(seen).encode())


ThreadingHTTPServer(("127.0.0.1", int(os.environ["FC_CUSTOM_LISTEN_PORT"])), Handler).serve_forever()
