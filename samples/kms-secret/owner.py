#!/usr/bin/env python3
"""The owner of a secret: gives it to one measured image, and to nobody else.

    owner.py seal --kms https://127.0.0.1:8443 --ca ca.pem --credentials owner.json --application ARN \\
        --measurements measurements.json --output sealed.json "my secret"
    owner.py check --answer answer.json "my secret"

seal makes a key whose policy lets the owner encrypt and lets the application decrypt only from within the image
that was measured (build-enclave's output), and encrypts the secret under it. check tells whether the enclave's
proof is one of that secret: exit status 0 if so, 1 if not.
"""

import argparse
import base64
import hmac
import json
import os
import sys

import kms

PURPOSE = "samples/kms-secret"


def key_policy(owner, application, image):
    """image: PCR0 in hexadecimal; owner and application: ARNs."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OwnerManagesAndEncrypts",
                "Effect": "Allow",
                "Principal": {"AWS": owner},
                "Action": ["kms:Encrypt", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy",
                           "kms:ScheduleKeyDeletion"],
                "Resource": "*",
            },
            {
                "Sid": "OnlyTheMeasuredImageDecrypts",
                "Effect": "Allow",
                "Principal": {"AWS": application},
                "Action": "kms:Decrypt",
                "Resource": "*",
                "Condition": {
                    "StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": image},
                    # What was encrypted for another purpose is not this program's to read.
                    "StringEquals": {"kms:EncryptionContext:purpose": PURPOSE},
                },
            },
        ],
    }


def seal(options):
    with open(options.measurements, encoding="utf-8") as file:
        image = json.load(file)["Measurements"]["PCR0"]
    policy = key_policy(options.owner, options.application, image)
    key = kms.call(options, "CreateKey",
                   {"Description": PURPOSE, "Policy": json.dumps(policy)})["KeyMetadata"]["Arn"]
    sealed = kms.call(options, "Encrypt", {
        "KeyId": key, "EncryptionContext": {"purpose": PURPOSE},
        "Plaintext": base64.b64encode(os.fsencode(options.secret)).decode("ascii")})
    with open(options.output, "w", encoding="utf-8") as file:
        json.dump({"KeyId": key, "CiphertextBlob": sealed["CiphertextBlob"]}, file)
        file.write("\n")
    print(f"owner: sealed under {key} for the image {image[:16]}...")
    return 0


def check(options):
    with sys.stdin if options.answer == "-" else open(options.answer, encoding="utf-8") as file:
        answer = json.load(file)
    wanted = hmac.new(os.fsencode(options.secret), bytes.fromhex(answer["challenge"]), "sha256")
    if not hmac.compare_digest(wanted.hexdigest(), answer["proof"]):
        print("owner: this proof is not one of the secret", file=sys.stderr)
        return 1
    print("owner: the enclave has the secret")
    return 0


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Give a secret to one measured image.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    sealing = verbs.add_parser("seal", help="make the key and encrypt the secret")
    kms.add_options(sealing)
    sealing.add_argument("--owner", default="arn:aws:iam::111122223333:user/owner", metavar="ARN",
                         help="who manages the key (default %(default)s)")
    sealing.add_argument("--application", required=True, metavar="ARN", help="who may decrypt, attested")
    sealing.add_argument("--measurements", required=True, metavar="FILE", help="build-enclave's output")
    sealing.add_argument("--output", required=True, metavar="FILE")
    sealing.add_argument("secret")
    checking = verbs.add_parser("check", help="check the enclave's proof")
    checking.add_argument("--answer", default="-", metavar="FILE", help="parent.py's output (default: read it)")
    checking.add_argument("secret")
    options = parser.parse_args(arguments)
    try:
        return seal(options) if options.verb == "seal" else check(options)
    except kms.Refused as problem:
        print(f"owner: {problem}", file=sys.stderr)
    except (OSError, ValueError, KeyError) as problem:
        print(f"owner: expected the files that were made before, found: {problem!r}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
