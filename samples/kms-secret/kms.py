"""KMS's operations for programs outside of the enclave, through kmstool_enclave_cli."""

import json
import subprocess

KMSTOOL = "kmstool_enclave_cli"


class Refused(Exception):
    """What KMS or the tool says."""


def add_options(parser):
    parser.add_argument("--kms", required=True, metavar="ADDRESS",
                        help="where KMS listens: tcp:IP:PORT or unix:PATH")
    parser.add_argument("--ca", required=True, metavar="FILE", help="KMS's CA certificate")
    parser.add_argument("--credentials", required=True, metavar="FILE",
                        help="what casemate-kms user add printed")


def call(options, operation, request):
    """The answer to one request."""
    try:
        done = subprocess.run(
            [KMSTOOL, "call", "--operation", operation, "--connect", options.kms, "--ca-file", options.ca,
             "--credentials", options.credentials],
            input=json.dumps(request).encode("utf-8"), capture_output=True, check=False)
    except OSError as problem:
        raise Refused(f"expected the program {KMSTOOL}, found: {problem.strerror}") from None
    if done.returncode != 0:
        raise Refused(done.stderr.decode("utf-8", "replace").strip())
    return json.loads(done.stdout)
