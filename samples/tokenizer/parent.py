#!/usr/bin/env python3
"""Asks the tokenizer in an enclave for the token of a card number.

    parent.py --cid 16 4111111111111111
    parent.py --cid 16 --wait 30 4111111111111111    # the enclave has only just started

Exit status: 0 with a token, 1 when the tokenizer answers an error, 2 when it can't be reached.
"""

import argparse
import json
import os
import socket
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from enclave_stream import Unreachable, connect_within, runtime_directory  # noqa: E402

MAX_ANSWER = 64 * 1024  # bytes


def ask(stream, card_number):
    """Sends the request, ends this side of the stream, and gives the answer."""
    try:
        stream.sendall(json.dumps({"card_number": card_number}).encode("utf-8"))
        stream.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while piece := stream.recv(4096):
            answer += piece
            if len(answer) > MAX_ANSWER:
                raise Unreachable(f"expected at most {MAX_ANSWER} bytes, found more")
    except OSError as problem:
        raise Unreachable(f"expected an answer, found: {problem.strerror or problem}") from None
    try:
        message = json.loads(answer.decode("utf-8"))
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise Unreachable(f"expected a JSON object as the answer, found {len(answer)} bytes of "
                          "something else")
    return message


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Ask the tokenizer in an enclave for a token.")
    parser.add_argument("--cid", type=int, required=True, help="the enclave's context id")
    parser.add_argument("--port", type=int, default=5000, help="the tokenizer's vsock port")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS",
                        help="try that long until the tokenizer listens")
    parser.add_argument("card", help="the card number, 12 to 19 digits")
    options = parser.parse_args(arguments)
    path = os.path.join(runtime_directory(), "cid", str(options.cid))
    try:
        with connect_within(path, options.port, options.wait) as stream:
            answer = ask(stream, options.card)
    except Unreachable as problem:
        print(f"parent: {problem}", file=sys.stderr)
        return 2
    print(json.dumps(answer))
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
