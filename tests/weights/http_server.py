#!/usr/bin/env python3
"""A web server on this machine for the tests of downloads; prints its port and serves until it is killed.

    http_server.py        /KIND/NAME is 10,000 bytes of 'x', served in the way that KIND says

cut: the first answer ends in the middle; slow: ten bytes, then nothing; whole: as if it knew no ranges; other: all
'y'; long: too many; redirect: by way of /plain; file: by way of file:///; loop: by way of itself; missing: 404.
"""
import http.server
import time

DATA = b"x" * 10000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments):
        pass

    def redirect(self, target):
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        kind, name = self.path.split("/")[1:3]
        if kind in ("redirect", "file", "loop"):
            targets = {"redirect": "/plain/" + name, "file": "file:///etc/hostname", "loop": self.path}
            return self.redirect(targets[kind])
        if kind == "missing":
            return self.send_error(404)
        span, begin = self.headers.get("Range"), 0
        if span and kind != "whole":
            begin = int(span[len("bytes="):].split("-")[0])
        self.send_response(206 if begin else 200)
        data = (b"y" * 10000 if kind == "other" else DATA)[begin:]
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-9999/10000")
        if kind != "long":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.close_connection = True
        if kind == "cut" and not begin:
            self.wfile.write(data[:4000])
        elif kind == "slow":
            self.wfile.write(data[:10])
            self.wfile.flush()
            time.sleep(60)
        elif kind == "long":
            for _ in range(100):
                self.wfile.write(data)
        else:
            self.wfile.write(data)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
