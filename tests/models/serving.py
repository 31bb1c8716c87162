"""A real endpoint on this machine."""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


class Server:
    """A server that answers with `predict`, or with the entries of `instead`: a status, bytes, or seconds to wait."""

    def __init__(self, predict):
        self.predict = predict  # inputs (n, *shape) -> an object of JSON
        self.instead = []
        self.sizes = []  # of the requests that were answered
        self.times = []  # of all requests
        self.url = ""


@contextlib.contextmanager
def serving(predict):
    """Serve while the block runs."""
    server = Server(predict)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.times.append(time.monotonic())
            x = np.array(json.loads(self.rfile.read(int(self.headers["content-length"])))["inputs"], np.float32)
            what = server.instead.pop(0) if server.instead else None
            if isinstance(what, float):
                time.sleep(what)
            if isinstance(what, int | tuple):  # a status, with other headers or without
                status, headers = what if isinstance(what, tuple) else (what, {})
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                return
            if isinstance(what, list):  # bytes that come one after the other, with pauses
                self.send_response(200)
                self.send_header("content-length", "100")
                self.end_headers()
                for pause in what:
                    time.sleep(pause)
                    with contextlib.suppress(OSError):
                        self.wfile.write(b" ")
                return
            content = what if isinstance(what, bytes) else json.dumps(server.predict(x)).encode()
            server.sizes.append(len(x))
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked has gone away
                self.wfile.write(content)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}/predict"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
