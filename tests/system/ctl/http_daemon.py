# SPDX-License-Identifier: Apache-2.0
"""A daemon's HTTP socket, as far as cprofctl asks it: any answer, well or badly."""

import json
import socket
import threading


def answer(body, status="200 OK", kind="application/json"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n").encode() + body


class Daemon:
    """Answers each connection with handler(socket, target), or not at all."""

    def __init__(self, path, handler):
        self.handler, self.targets = handler, []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(path))
        self.sock.listen(8)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=[conn], daemon=True).start()

    def one(self, conn):
        got = b""
        with conn:
            try:
                while b"\r\n\r\n" not in got:
                    more = conn.recv(4096)
                    if not more:
                        return
                    got += more
                self.targets.append(got.split()[1].decode())
                self.handler(conn, self.targets[-1])
            except OSError:
                pass

    def close(self):
        self.sock.close()
