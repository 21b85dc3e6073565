// The AWS Encryption SDK end to end over casemate-kms: whole messages under keyrings of its keys.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { Service, packages } from "./service.mjs";

const { CommitmentPolicy, KmsKeyringNode, buildClient, getClient } =
  packages("@aws-crypto/client-node");
const { CreateKeyCommand, DisableKeyCommand, KMS, PutKeyPolicyCommand } =
  packages("@aws-sdk/client-kms");
const { encrypt, decrypt } =
  buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
let service;
let clientProvider;

before(async () => {
  service = await Service.start();
  clientProvider = getClient(KMS, { endpoint: service.endpoint, maxAttempts: 1,
    credentials: { accessKeyId: service.admin.AccessKeyId,
      secretAccessKey: service.admin.SecretAccessKey },
    requestHandler: { httpsAgent: service.agent } });
});
after(() => service.stop());

async function makeKey() {
  return (await service.kms.send(new CreateKeyCommand({}))).KeyMetadata.Arn;
}

function keyring(generatorKeyId, keyIds) {
  return new KmsKeyringNode({ clientProvider, generatorKeyId, keyIds });
}

const encryptionContext = { purpose: "peers", owner: "ä" };

test("messages of any size go there and back", async () => {
  const key = await makeKey();
  for (const size of [0, 1, 4096, 1_000_000]) {
    const message = randomBytes(size);
    const { result } = await encrypt(keyring(key), message, { encryptionContext });
    const opened = await decrypt(keyring(undefined, [key]), result);
    assert.deepEqual(opened.plaintext, message);
    for (const [name, value] of Object.entries(encryptionContext)) {
      assert.equal(opened.messageHeader.encryptionContext[name], value);
    }
  }
});

test("each of several keys opens it alone", async () => {
  const [one, two, other] = [await makeKey(), await makeKey(), await makeKey()];
  const { result } = await encrypt(keyring(one, [two]), "for both", { encryptionContext });
  for (const key of [one, two]) {
    const { plaintext } = await decrypt(keyring(undefined, [key]), result);
    assert.equal(plaintext.toString(), "for both");
  }
  await assert.rejects(decrypt(keyring(undefined, [other]), result));
  await service.kms.send(new DisableKeyCommand({ KeyId: one }));
  await assert.rejects(decrypt(keyring(undefined, [one]), result), /is disabled/);
  const { plaintext } = await decrypt(keyring(undefined, [one, two]), result);
  assert.equal(plaintext.toString(), "for both");
});

test("a changed message does not open", async () => {
  const key = await makeKey();
  const { result } = await encrypt(keyring(key), "a secret", { encryptionContext });
  // In the header with its context and the wrapped data key, in the message, in the signature.
  for (const at of [60, Math.floor(result.length / 2), result.length - 120, result.length - 1]) {
    const changed = Buffer.from(result);
    changed[at] ^= 1;
    await assert.rejects(decrypt(keyring(undefined, [key]), changed), `byte ${at}`);
  }
});

test("a key whose policy does not allow it", async () => {
  const key = await makeKey();
  const { result } = await encrypt(keyring(key), "a secret", { encryptionContext });
  const root = { AWS: key.replace(/^.*:(\d{12}):.*$/, "arn:aws:iam::$1:root") };
  await service.kms.send(new PutKeyPolicyCommand({ KeyId: key, Policy: JSON.stringify({
    Version: "2012-10-17", Statement: [
      { Effect: "Allow", Principal: root, Action: "kms:*", Resource: "*" },
      { Effect: "Deny", Principal: "*", Action: "kms:Decrypt", Resource: "*", Condition: {
        StringEquals: { "kms:EncryptionContext:purpose": "peers" } } }] }) }));
  await assert.rejects(decrypt(keyring(undefined, [key]), result), /not authorized|explicit deny/);
  const other = await encrypt(keyring(key), "no secret", { encryptionContext: { purpose: "x" } });
  const { plaintext } = await decrypt(keyring(undefined, [key]), other.result);
  assert.equal(plaintext.toString(), "no secret");
});
