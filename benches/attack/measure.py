"""What is measured of a running fuse while it is attacked: its memory, and a real sender's latency."""

import http.client
import json
import ssl
import subprocess
import sys
import threading
import time


class Memory:
    """The peak of a process's resident memory, in MB, from now on."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/clear_refs", "w") as refs:
            refs.write("5")

    def peak(self):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError("the process has no peak")


class Sender:
    """A sender in a process of its own, so that an attack does not take its time."""

    def __init__(self, host, port, path, has_tls=False):
        command = [sys.executable, __file__, host, str(port), path, "https" if has_tls else "http"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.latencies, self.attempts = [], 0

    def stop(self):
        answer = json.loads(self.process.communicate("", timeout=30)[0])
        self.latencies, self.attempts = sorted(answer["latencies"]), answer["attempts"]

    def percentile(self, part):
        """A percentile, in ms."""
        last = len(self.latencies) - 1
        return self.latencies[min(int(len(self.latencies) * part), last)] * 1000 if last >= 0 else 1e9

    def retries(self):
        return self.attempts - len(self.latencies)


def insecure_context():
    """Accepts any certificate: the one of an attacked fuse signs itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def attempt(host, port, path, context):
    if context:
        connection = http.client.HTTPSConnection(host, port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("POST", path, body=b'{"a": 2, "b": "a small event"}')
        return connection.getresponse().status == 202
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def send(host, port, path, scheme):
    """Sends a small event every 20 ms, each on a connection of its own, and again until it is taken,
    for as long as standard input is open. The latency is the time of all attempts together."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    latencies, attempts = [], 0
    context = insecure_context() if scheme == "https" else None
    while not ended.is_set():
        start = time.monotonic()
        while not ended.is_set():
            attempts += 1
            if attempt(host, port, path, context):
                break
            time.sleep(0.01)
        latencies.append(time.monotonic() - start)
        time.sleep(0.02)
    print(json.dumps({"latencies": latencies, "attempts": attempts}))


if __name__ == "__main__":
    send(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
