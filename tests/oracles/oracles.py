"""The independent verifiers, each as a function that says whether it takes a document and why not.

Verdicts are pairs: True or False, and what the verifier wrote. A verifier that can't judge raises.
"""

import datetime
import functools
import os
import pathlib
import subprocess
import tempfile
import unittest

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import utils

HERE = pathlib.Path(__file__).resolve().parent
UTC = datetime.timezone.utc


def verdict(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=60)
    if done.returncode not in (0, 1):
        raise AssertionError(f"{command}: expected a verdict, got status {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done.returncode == 0, done.stdout + done.stderr


def rfc3339(moment):
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def checker(document, root, at=None, nonce=None, pcrs=(), options=()):
    """check_document.py. pcrs: (index, bytes) pairs; options: more of its own."""
    # -B: the tree stays as it is.
    return verdict(["/usr/bin/python3", "-B", HERE / "check_document.py", "--document", document,
                    "--root", root, *(["--at", rfc3339(at)] if at else []),
                    *(["--nonce", nonce.hex()] if nonce is not None else []),
                    *(f"--pcr={index}={value.hex()}" for index, value in pcrs), *options])


@functools.lru_cache
def install():
    """The finished process of ../support/node_packages, run once."""
    return subprocess.run([HERE.parent / "support/node_packages", HERE], capture_output=True,
                          text=True, check=False)


def modules():
    """Where the packages of package-lock.json are; skips the test where they can't be had."""
    done = install()
    if done.returncode == 0:
        return done.stdout.strip()
    if os.environ.get("CASEMATE_REQUIRE_ORACLES"):
        raise AssertionError(done.stderr)
    raise unittest.SkipTest(f"SKIPPED: {done.stderr.strip()}")


def fingerprint(root):
    certificate = x509.load_pem_x509_certificate(pathlib.Path(root).read_bytes())
    return certificate.fingerprint(hashes.SHA256()).hex()


def tee_verifier(document, root, at=None, nonce=None, pcrs=()):
    """@0xsequence/tee-verifier. nonce: text in ASCII, since it takes nonces as text."""
    return verdict(["node", HERE / "verify.mjs", "--modules", modules(), "--document", document,
                    "--root-fingerprint", fingerprint(root), *(["--at", rfc3339(at)] if at else []),
                    *([f"--nonce={nonce.decode('ascii')}"] if nonce is not None else []),
                    *(f"--pcr={index}={value.hex()}" for index, value in pcrs)])


def openssl(document, root, at=None):
    """openssl: `verify` the chain under the root, then the signature over COSE's Sig_structure."""
    protected, _, payload, signature = cbor2.loads(pathlib.Path(document).read_bytes())
    fields = cbor2.loads(payload)
    with tempfile.TemporaryDirectory(prefix="casemate-oracle.") as name:
        directory = pathlib.Path(name)
        (directory / "signed").write_bytes(
            b"\x84\x6aSignature1" + cbor2.dumps(protected) + b"\x40" + cbor2.dumps(payload))
        (directory / "signature").write_bytes(utils.encode_dss_signature(
            int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")))
        (directory / "leaf").write_bytes(fields["certificate"])
        pems = []
        for certificate in fields["cabundle"]:
            (directory / "der").write_bytes(certificate)
            pems.append(subprocess.run(
                ["openssl", "x509", "-inform", "DER", "-in", directory / "der"], check=True,
                capture_output=True).stdout)
        (directory / "untrusted").write_bytes(b"".join(pems[1:]))
        key = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", directory / "leaf", "-noout",
                              "-pubkey"], check=True, capture_output=True).stdout
        (directory / "key").write_bytes(key)
        moment = at or datetime.datetime.now(UTC)
        # Its exit status is 2 for a chain that it refuses.
        done = subprocess.run(
            ["openssl", "verify", "-attime", str(int(moment.timestamp())), "-no-CApath", "-no-CAstore",
             "-CAfile", root, "-untrusted", directory / "untrusted", directory / "leaf"],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            text = done.stdout + done.stderr
            if "verification failed" not in text:
                raise AssertionError(f"expected openssl's verdict, got {text}")
            return False, text
        return verdict(["openssl", "dgst", "-sha384", "-verify", directory / "key", "-signature",
                        directory / "signature", directory / "signed"])


ALL = (checker, tee_verifier, openssl)
