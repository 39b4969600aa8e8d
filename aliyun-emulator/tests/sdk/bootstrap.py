#!/usr/bin/env python3
"""A function for the tests: does what its event says, and writes down everything that it is asked.

INITIALIZE and PRE_STOP in its environment say what becomes of these: `fail`, or the seconds that they take.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # How many health checks fail.
    ill = int(os.environ.get("ILL", "0"))

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

    def hook(self, name):
        told = {key: self.headers[f"x-fc-{key}"] for key in ("control-path", "request-id", "security-token")}
        self.note({"path": self.path, "pid": os.getpid(), **told})
        how = os.environ.get(name, "0")
        if how == "fail":
            return self.answer(b"no", 500)
        time.sleep(float(how))
        self.answer(b"")

    def do_GET(self):
        if self.path == "/pre-stop":
            return self.hook("PRE_STOP")
        self.note({"path": self.path, "pid": os.getpid()})
        Handler.ill -= 1
        self.answer(b"", 500 if Handler.ill >= 0 else 204)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        if self.path == "/initialize":
            return self.hook("INITIALIZE")
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
        if do == "wait":
            while not os.path.exists(event["for"]):
                time.sleep(0.01)
        if do == "ill":
            Handler.ill = event["checks"]
        if do == "headers":
            return self.answer(b"", x_long="x" * 9000)
        if do == "large":
            return self.answer(b"x" * event["bytes"])
        if do == "environment":
            mine = ("FC_", "ALIBABA_CLOUD_", "MINE")
            seen["environment"] = {name: value for name, value in os.environ.items() if name.startswith(mine)}
            seen["headers"] = {name.lower(): value for name, value in self.headers.items()}
        self.answer(json.dumps(seen).encode())


address = os.environ.get("LISTEN", "0.0.0.0"), int(os.environ["FC_CUSTOM_LISTEN_PORT"])
ThreadingHTTPServer(address, Handler).serve_forever()
