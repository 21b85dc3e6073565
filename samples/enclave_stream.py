"""A parent program's streams to the vsock ports of an enclave.

The parent reaches them through the unix socket RUNTIME/cid/CID: it writes "CONNECT PORT", reads "OK ...",
and from then on the socket is the stream.
"""

import os
import socket
import time

SECONDS = 30


class Unreachable(Exception):
    """Why there is no stream to the enclave, or no answer."""


def runtime_directory(environment=os.environ, user=None):
    """Where Casemate keeps the sockets of running enclaves."""
    if environment.get("CASEMATE_RUNTIME_DIR"):
        return environment["CASEMATE_RUNTIME_DIR"]
    if (os.geteuid() if user is None else user) == 0:
        return "/run/casemate"
    if environment.get("XDG_RUNTIME_DIR"):
        return os.path.join(environment["XDG_RUNTIME_DIR"], "casemate")
    state = environment.get("CASEMATE_STATE_DIR") or os.path.join(
        environment.get("HOME", "/"), ".local/share/casemate")
    return os.path.join(state, "run")


def read_line(stream):
    """Reads up to a newline and not a byte more, which would be the enclave's."""
    line = bytearray()
    while not line.endswith(b"\n"):
        letter = stream.recv(1)
        if not letter or len(line) > 64:
            raise Unreachable("expected \"OK\", found the connection refused: does the enclave listen "
                              "on that port yet?")
        line += letter
    return line.decode("ascii", "replace").rstrip("\n")


def connect(path, port):
    """A stream to an enclave's vsock port through the socket at path."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(SECONDS)
    try:
        stream.connect(path)
        stream.sendall(f"CONNECT {port}\n".encode("ascii"))
        line = read_line(stream)
        if not line.startswith("OK "):
            raise Unreachable(f"expected \"OK\", found \"{line}\"")
    except OSError as problem:
        stream.close()
        raise Unreachable(f"expected an enclave's socket at {path}, found: "
                          f"{problem.strerror or problem}") from None
    except Unreachable:
        stream.close()
        raise
    return stream


def connect_within(path, port, seconds):
    """connect, again and again for some seconds while the program in the enclave still starts."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return connect(path, port)
        except Unreachable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
