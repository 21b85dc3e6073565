"""KMS's operations for programs outside of enclaves: what AWS's SDKs do, with the standard library alone."""

import datetime
import hashlib
import hmac
import http.client
import json
import ssl
import urllib.parse

REGION = "us-east-1"
SECONDS = 30


class Refused(Exception):
    """What KMS says, or why there is no KMS."""


def add_options(parser):
    parser.add_argument("--kms", required=True, metavar="URL", help="where KMS listens: https://127.0.0.1:8443")
    parser.add_argument("--ca", required=True, metavar="FILE", help="KMS's CA certificate")
    parser.add_argument("--credentials", required=True, metavar="FILE",
                        help="what casemate-kms user add printed")


def signed(credentials, headers, body, now):
    """The headers with a Signature Version 4 ("Create a signed AWS API request", IAM User Guide)."""
    date = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {**headers, "X-Amz-Date": date}
    names = sorted(name.lower() for name in headers)
    values = {name.lower(): value for name, value in headers.items()}
    request = "\n".join(["POST", "/", "", *(f"{name}:{values[name]}" for name in names), "",
                         ";".join(names), hashlib.sha256(body).hexdigest()])
    scope = f"{date[:8]}/{REGION}/kms/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials['SecretAccessKey']}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={credentials['AccessKeyId']}/{scope}, "
                                f"SignedHeaders={';'.join(names)}, Signature={signature}")
    return headers


def call(options, operation, request):
    """The answer to one request."""
    url = urllib.parse.urlsplit(options.kms)
    with open(options.credentials, encoding="utf-8") as file:
        credentials = json.load(file)
    body = json.dumps(request).encode("utf-8")
    headers = signed(credentials, {"Host": url.netloc, "Content-Type": "application/x-amz-json-1.1",
                                   "X-Amz-Target": f"TrentService.{operation}"}, body,
                     datetime.datetime.now(datetime.timezone.utc))
    connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=SECONDS,
                                             context=ssl.create_default_context(cafile=options.ca))
    try:
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise Refused(f"expected KMS at {options.kms}, found: {problem}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise Refused(f"{answer.get('__type')}: {answer.get('message')}")
    return answer
