// Has @0xsequence/tee-verifier, a verifier of AWS's documents by others, judge a document.
//
//   node verify.mjs --modules DIRECTORY --document FILE --root-fingerprint HEX [--at TIME]
//                   [--nonce TEXT] [--pcr N=HEX]...
//
// DIRECTORY is what ../support/node_packages prints; the fingerprint is the SHA-256 of the root's DER; TIME is as in
// RFC 3339 (default: now). Exit status: 0 when the document is good, 1 when it is refused, 2 when it
// can't be judged.
//
// The package's createAttestationVerifyingFetch always takes AWS's own root (its option
// rootCertFingerprint is overwritten by the default), so this is the manual way of its README.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { webcrypto } from "node:crypto";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

// The package is made for browsers.
globalThis.crypto ??= webcrypto;
globalThis.window ??= globalThis;

function options() {
  const text = { type: "string" };
  const { values } = parseArgs({
    options: {
      modules: text, document: text, "root-fingerprint": text, at: text, nonce: text,
      pcr: { type: "string", multiple: true, default: [] },
    },
  });
  for (const name of ["modules", "document", "root-fingerprint"]) {
    if (values[name] === undefined) {
      throw new Error(`expected --${name}, found none`);
    }
  }
  values.at = values.at === undefined ? new Date() : new Date(values.at);
  if (Number.isNaN(values.at.getTime())) {
    throw new Error("expected --at TIME as in RFC 3339, found something else");
  }
  values.document = readFileSync(values.document).toString("base64");
  return values;
}

async function refusal(SignedAttestation, { document, at, nonce, pcr, ...values }) {
  const attestation = SignedAttestation.fromDocument(document);
  if (!(await attestation.verifyRootOfTrust(at))) {
    return "the chain of certificates";
  }
  const fingerprint = await attestation.rootCertFingerprint();
  if (fingerprint !== values["root-fingerprint"]) {
    return `the root ${fingerprint}`;
  }
  if (!(await attestation.verifySignature())) {
    return "the signature";
  }
  if (nonce !== undefined && attestation.nonce !== nonce) {
    return `the nonce ${attestation.nonce}`;
  }
  for (const expected of pcr) {
    const [index, value] = expected.split("=");
    const found = attestation.pcrs.get(Number(index));
    if (found !== value) {
      return `PCR${index} ${found}`;
    }
  }
  return undefined;
}

let values, SignedAttestation;
try {
  values = options();
  const require = createRequire(join(values.modules, "package.json"));
  const entry = pathToFileURL(require.resolve("@0xsequence/tee-verifier"));
  ({ SignedAttestation } = await import(entry));
} catch (problem) {
  console.error(`verify: ${problem.message}`);
  process.exit(2);
}
try {
  const found = await refusal(SignedAttestation, values);
  console.log(found === undefined ? "good" : `refused: ${found}`);
  process.exitCode = found === undefined ? 0 : 1;
} catch (problem) {
  console.log(`refused: ${problem.message}`);
  process.exitCode = 1;
}
