#!/usr/bin/env python3
"""One attack against a running fuse on this machine, beside a real sender.

    attack.py NAME --pid PID --port PORT --admin PORT [--path /s] [--seconds 10]

It starts nothing. It prints the peak of fuse's resident memory, the sender's latencies, and whether
both stay within the limits of docs/security.md. `stop` ends the process by SIGTERM.
"""

import argparse
import asyncio
import http.client
import json
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time

import http2
from measure import Memory, Sender, insecure_context

HOST = "127.0.0.1"
MOST_MEMORY, MOST_LATENCY, MOST_STOP = 200.0, 100.0, 2.0


async def hold(count, port, deadline, send):
    """So many connections at a time, each opened again when it ends, until the deadline."""
    opened = 0

    async def one():
        nonlocal opened
        while time.monotonic() < deadline and opened < 20 * count:
            opened += 1
            try:
                reader, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.2)
                continue
            try:
                await asyncio.wait_for(send(reader, writer), deadline - time.monotonic())
            except (OSError, TimeoutError):
                pass
            finally:
                writer.transport.abort()
            # As fast as a patient attacker, who does not want to be busy with refusals alone.
            await asyncio.sleep(0.2)

    await asyncio.gather(*(one() for _ in range(count)))
    return opened


async def until_closed(reader):
    try:
        while await reader.read(1 << 16):
            pass
    except OSError:
        pass


def headers(arguments, deadline):
    """1,000 connections with 300 KB of headers that never end."""
    line = b"".join(b"x-%d: %s\r\n" % (at, b"y" * 2_900) for at in range(99))

    async def send(reader, writer):
        writer.write(b"POST %s HTTP/1.1\r\nhost: a\r\n" % arguments.path.encode() + line)
        await writer.drain()
        await until_closed(reader)

    return asyncio.run(hold(1_000, arguments.port, deadline, send))


def one_large_header(arguments, deadline):
    """1,000 connections with 60 KB of one header, just below the limit, that never ends."""

    async def send(reader, writer):
        writer.write(b"POST %s HTTP/1.1\r\nhost: a\r\nx: " % arguments.path.encode() + b"y" * 60_000)
        await writer.drain()
        await until_closed(reader)

    return asyncio.run(hold(1_000, arguments.port, deadline, send))


def slow_loris(arguments, deadline, count=2_000):
    """2,000 connections that send a byte of a head per second."""

    async def send(reader, writer):
        closed = asyncio.ensure_future(until_closed(reader))
        writer.write(b"POST %s HTTP/1.1\r\n" % arguments.path.encode())
        while not closed.done():
            writer.write(b"x")
            await writer.drain()
            await asyncio.wait([closed], timeout=1)

    return asyncio.run(hold(count, arguments.port, deadline, send))


def few_files(arguments, deadline):
    """600 such connections, for a fuse that may open 256 files."""
    return slow_loris(arguments, deadline, 600)


def bodies(arguments, deadline, held_back):
    size = 900_000
    body = b'{"a": 2, "b": "' + b"y" * (size - 17) + b'"}'
    head = "POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n".format(arguments.path, size)

    async def send(reader, writer):
        writer.write(head.encode() + body[: size - held_back])
        await writer.drain()
        if held_back:
            await until_closed(reader)
        else:
            await reader.readline()

    return asyncio.run(hold(256, arguments.port, deadline, send))


def big_bodies(arguments, deadline):
    """256 senders of whole bodies of 900 KB, again and again."""
    return bodies(arguments, deadline, 0)


def half_bodies(arguments, deadline):
    """256 senders of 900 KB that hold the last byte back."""
    return bodies(arguments, deadline, 1)


def h2_half_bodies(arguments, deadline, connections=1):
    """200 half bodies on one HTTP/2 connection."""
    seconds = deadline - time.monotonic()
    work = lambda: http2.half_bodies(HOST, arguments.port, arguments.path, 200, seconds)
    in_threads(connections, work)


def h2_many(arguments, deadline):
    """200 half bodies on each of 40 HTTP/2 connections."""
    return h2_half_bodies(arguments, deadline, 40)


def unread(arguments, deadline):
    """400 readers of /decisions that never read."""
    connection = http.client.HTTPConnection(HOST, arguments.port, timeout=10)
    items = [{"k": f"{at}-{'z' * 90}"} for at in range(5_000)]
    headers = {"ce-source": "unread", "ce-id": "1"}
    connection.request("POST", arguments.path, json.dumps({"a": 2, "items": items}), headers)
    event = json.load(connection.getresponse())["event"].replace(" ", "%20")
    request = f"GET /decisions?event={event} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    sockets = []
    while time.monotonic() < deadline:
        if len(sockets) < 400:
            taker = socket.socket()
            taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            try:
                taker.connect((HOST, arguments.admin))
                taker.sendall(request * 20)
            except OSError:
                pass
            sockets.append(taker)
        time.sleep(0.01)


def flood(arguments, deadline):
    """8 threads that open connections and close them, as fast as they can."""

    def open_and_close():
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((HOST, arguments.port), timeout=5) as opened:
                    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                time.sleep(0.01)

    in_threads(8, open_and_close)


def h2_resets(arguments, deadline):
    """20 HTTP/2 connections that reset each request as soon as they have sent it."""
    seconds = deadline - time.monotonic()
    in_threads(20, lambda: http2.resets(HOST, arguments.port, arguments.path, seconds))


def tls_slow_loris(arguments, deadline):
    """2,000 connections that send a byte of a handshake per second."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500

    async def send(reader, writer):
        closed = asyncio.ensure_future(until_closed(reader))
        for byte in hello:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.wait([closed], timeout=1)
            if closed.done():
                break

    return asyncio.run(hold(2_000, arguments.port, deadline, send))


def tls_flood(arguments, deadline):
    """8 threads that complete handshakes and close, as fast as they can."""
    context = insecure_context()

    def shake_hands():
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((HOST, arguments.port), timeout=5) as opened:
                    context.wrap_socket(opened, server_hostname="localhost").close()
            except OSError:
                time.sleep(0.01)

    in_threads(8, shake_hands)


def in_threads(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def stop(arguments, _deadline):
    """Half heads, half bodies and an HTTP/2 connection with half bodies, then SIGTERM."""
    head = f"POST {arguments.path} HTTP/1.1\r\nhost: a\r\n".encode()
    sockets = []
    for text in [head, head + b"content-length: 9\r\n\r\n1", b""] * 50:
        sockets.append(socket.create_connection((HOST, arguments.port), timeout=5))
        sockets[-1].sendall(text)
    half = http2.Connection(HOST, arguments.port, arguments.path, 20)
    for _ in range(5):
        half.step()
    start = time.monotonic()
    os.kill(arguments.pid, signal.SIGTERM)
    while time.monotonic() - start < 30:
        try:
            # A child that has ended and was not waited for is a zombie.
            with open(f"/proc/{arguments.pid}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] in "ZX":
                    break
        except FileNotFoundError:
            break
        time.sleep(0.005)
    return time.monotonic() - start


ATTACKS = {
    attack.__name__.replace("_", "-"): attack
    for attack in [
        headers,
        one_large_header,
        slow_loris,
        few_files,
        big_bodies,
        half_bodies,
        h2_half_bodies,
        h2_many,
        h2_resets,
        flood,
        tls_slow_loris,
        tls_flood,
        unread,
        stop,
    ]
}


def quiet(_arguments, deadline):
    """No attack: what the sender's latency is compared with."""
    time.sleep(deadline - time.monotonic())


ATTACKS["quiet"] = ATTACKS["tls-quiet"] = quiet


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--admin", type=int, required=True)
    parser.add_argument("--path", default="/s")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192) if hard > 0 else 8_192, hard))
    attack = ATTACKS[arguments.name]
    if arguments.name == "stop":
        took = attack(arguments, None)
        passed = took < MOST_STOP
        print(f"| `stop` | ended after {took:.2f} s | | | | {'pass' if passed else 'FAIL'} |")
        return 0 if passed else 1
    memory, sender = Memory(arguments.pid), Sender(
        HOST, arguments.port, arguments.path, arguments.name.startswith("tls-")
    )
    # The attacker has no machine of its own here: fuse and the sender go first.
    os.nice(10)
    attack(arguments, time.monotonic() + arguments.seconds)
    sender.stop()
    peak, p50, p99 = memory.peak(), sender.percentile(0.5), sender.percentile(0.99)
    passed = peak < MOST_MEMORY and p99 < MOST_LATENCY and len(sender.latencies) > 20
    print(
        f"| `{arguments.name}` | {peak:.0f} MB | {p50:.1f} ms | {p99:.1f} ms "
        f"| {sender.retries()} of {sender.attempts} | {'pass' if passed else 'FAIL'} |"
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
