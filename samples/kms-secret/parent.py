#!/usr/bin/env python3
r"""The parent application: hands the sealed secret and its own credentials to the enclave.

    parent.py --cid 16 --sealed sealed.json --credentials application.json
    parent.py --myself --sealed sealed.json --credentials application.json --kms https://127.0.0.1:8443 \
        --ca ca.pem

The answer is {"challenge": HEX, "proof": HEX}: what the secret's owner wants to see. The parent carries
everything and learns nothing. With --myself it tries to decrypt with the same credentials, without an enclave:
KMS refuses. Exit status: 0 with a proof; 1 when KMS or the enclave refuses; 2 when somebody is out of reach.
"""

import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, ".."))

import kms  # noqa: E402
from enclave_stream import Unreachable, connect_within, runtime_directory  # noqa: E402

PURPOSE = "samples/kms-secret"
MAX_ANSWER = 64 * 1024  # bytes
SECONDS = 60  # for the enclave's answer: it makes a key, is attested and asks KMS


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def ask_enclave(options, sealed):
    challenge = os.urandom(32).hex()
    request = {"ciphertext": sealed["CiphertextBlob"], "challenge": challenge,
               "credentials": load(options.credentials)}
    path = os.path.join(runtime_directory(), "cid", str(options.cid))
    with connect_within(path, options.port, options.wait) as stream:
        stream.settimeout(SECONDS)
        stream.sendall(json.dumps(request).encode("utf-8") + b"\n")
        with stream.makefile("rb") as lines:
            line = lines.readline(MAX_ANSWER)
    try:
        answer = json.loads(line.decode("utf-8"))
    except ValueError:
        raise Unreachable(f"expected an answer, found {len(line)} bytes of something else") from None
    if "proof" not in answer:
        raise kms.Refused(f"the enclave says: {answer.get('error')!a}")
    print(json.dumps({"challenge": challenge, "proof": answer["proof"]}))


def ask_kms(options, sealed):
    kms.call(options, "Decrypt", {"CiphertextBlob": sealed["CiphertextBlob"],
                                  "EncryptionContext": {"purpose": PURPOSE}})
    print("parent: KMS has given the secret to the parent!", file=sys.stderr)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Let an enclave use a secret.")
    parser.add_argument("--sealed", required=True, metavar="FILE", help="what owner.py seal wrote")
    parser.add_argument("--credentials", required=True, metavar="FILE",
                        help="what casemate-kms user add printed for the application")
    parser.add_argument("--cid", type=int, help="the enclave's context id")
    parser.add_argument("--port", type=int, default=5000, help="the program's vsock port")
    parser.add_argument("--wait", type=float, default=30, metavar="SECONDS",
                        help="try that long until the program listens (default 30)")
    parser.add_argument("--myself", action="store_true", help="ask KMS without an enclave")
    parser.add_argument("--kms", metavar="URL", help="with --myself: https://127.0.0.1:8443")
    parser.add_argument("--ca", metavar="FILE", help="with --myself: KMS's CA certificate")
    options = parser.parse_args(arguments)
    if options.myself and not (options.kms and options.ca):
        parser.error("--myself needs --kms and --ca")
    if not options.myself and options.cid is None:
        parser.error("expected --cid or --myself")
    try:
        (ask_kms if options.myself else ask_enclave)(options, load(options.sealed))
    except kms.Refused as problem:
        print(f"parent: refused: {problem}", file=sys.stderr)
        return 1
    except (Unreachable, OSError, ValueError, KeyError) as problem:
        print(f"parent: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
