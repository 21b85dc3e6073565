// AWS's SDK for JavaScript against casemate-kms: each operation that AWS's clients ask for, and its most
// important refusals by the names that they know.
import assert from "node:assert/strict";
import {
  constants, createCipheriv, createHash, createHmac, createPrivateKey, createPublicKey,
  diffieHellman, generateKeyPairSync, publicEncrypt, randomBytes, sign, verify,
} from "node:crypto";
import { after, before, test } from "node:test";
import { ACCOUNT, Enclave, REGION, Service, arnOf, packages } from "./service.mjs";

const sdk = packages("@aws-sdk/client-kms");
let service;
let kms;

before(async () => {
  service = await Service.start();
  kms = service.kms;
});
after(() => service.stop());

// What has been answered and what has been refused in a run of all tests.
const answered = new Set();
const refusals = new Set();

// call sends an operation by its name, as a client of AWS's would.
async function call(operation, input = {}, client = kms) {
  const answer = await client.send(new sdk[`${operation}Command`](input));
  answered.add(operation);
  return answer;
}

// refused expects an error of AWS's name, as the class that the SDK has for it, and no fault of ours.
async function refused(name, operation, input, client = kms) {
  const answer = await call(operation, input, client).then(() => undefined, (error) => error);
  assert.ok(answer, `${operation}: expected ${name}, found success`);
  assert.equal(answer.name, name, `${operation}: ${answer.message}`);
  refusals.add(operation);
  assert.equal(answer.$metadata.httpStatusCode, 400);
  assert.match(answer.$metadata.requestId, /^[0-9a-f-]{36}$/);
  if (sdk[name] !== undefined) {
    assert.ok(answer instanceof sdk[name], `${operation}: ${name} is not of its class`);
  }
  return answer;
}

async function createKey(input = {}) {
  return (await call("CreateKey", input)).KeyMetadata;
}

const NOWHERE = "0d990263-018e-4e65-a703-eff731de951e";
const bytes = (text) => new TextEncoder().encode(text);
const same = (found, expected) => assert.deepEqual(Buffer.from(found), Buffer.from(expected));
const publicKeyOf = (der) => createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
const privateKeyOf = (der) =>
  createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });

// all pages through a list.
async function all(operation, member, input = {}) {
  const found = [];
  let Marker;
  do {
    const page = await call(operation, { ...input, Marker });
    assert.ok(page[member].length <= (input.Limit ?? 1000));
    assert.equal(page.Truncated, page.NextMarker !== undefined);
    found.push(...page[member]);
    Marker = page.NextMarker;
  } while (Marker !== undefined);
  return found;
}

test("keys of every spec are made and described", async () => {
  for (const [KeyUsage, specs] of Object.entries({
    ENCRYPT_DECRYPT: ["SYMMETRIC_DEFAULT", "RSA_2048", "RSA_3072", "RSA_4096"],
    SIGN_VERIFY: ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"],
    GENERATE_VERIFY_MAC: ["HMAC_256", "HMAC_384", "HMAC_512"],
    KEY_AGREEMENT: ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"],
  })) {
    for (const KeySpec of specs) {
      const made = await createKey({ KeySpec, KeyUsage, Description: `a ${KeySpec}` });
      assert.equal(made.Arn, `arn:aws:kms:${REGION}:${ACCOUNT}:key/${made.KeyId}`);
      assert.ok(Math.abs(Date.now() - made.CreationDate.getTime()) < 600_000);
      const { KeyMetadata } = await call("DescribeKey", { KeyId: made.KeyId });
      assert.deepEqual(KeyMetadata, made);
      assert.deepEqual([made.KeySpec, made.KeyUsage, made.KeyState, made.Origin, made.AWSAccountId],
        [KeySpec, KeyUsage, "Enabled", "AWS_KMS", ACCOUNT]);
    }
  }
  await refused("NotFoundException", "DescribeKey", { KeyId: NOWHERE });
  await refused("NotFoundException", "DescribeKey", { KeyId: "alias/nothing" });
  await refused("NotFoundException", "DescribeKey", { KeyId: "arn:aws:kms:nonsense" });
  await refused("NotFoundException", "DescribeKey",
    { KeyId: `arn:aws:kms:eu-west-1:${ACCOUNT}:key/${NOWHERE}` });
  await refused("ValidationException", "CreateKey", { KeySpec: "RSA_1024" });
  await refused("ValidationException", "CreateKey", { KeySpec: "HMAC_256" });
  await refused("MalformedPolicyDocumentException", "CreateKey", { Policy: "{" });
  await refused("TagException", "CreateKey", { Tags: [{ TagKey: "aws:a", TagValue: "b" }] });
});

test("keys are listed by pages", async () => {
  const made = [];
  for (let i = 0; i < 5; ++i) made.push((await createKey()).Arn);
  const found = await all("ListKeys", "Keys", { Limit: 3 });
  const arns = found.map((key) => key.KeyArn);
  assert.equal(new Set(arns).size, arns.length);
  for (const arn of made) assert.ok(arns.includes(arn));
  await refused("InvalidMarkerException", "ListKeys", { Marker: "x" });
  await refused("ValidationException", "ListKeys", { Limit: 1001 });
});

test("a key is disabled, enabled, deleted and saved from it", async () => {
  const { KeyId, Arn } = await createKey();
  await call("DisableKey", { KeyId });
  assert.equal((await call("DescribeKey", { KeyId })).KeyMetadata.Enabled, false);
  await refused("DisabledException", "Encrypt", { KeyId, Plaintext: bytes("a") });
  await call("EnableKey", { KeyId: Arn });
  await call("UpdateKeyDescription", { KeyId, Description: "other" });
  assert.equal((await call("DescribeKey", { KeyId })).KeyMetadata.Description, "other");
  const ended = await call("ScheduleKeyDeletion", { KeyId, PendingWindowInDays: 7 });
  assert.deepEqual([ended.KeyId, ended.KeyState, ended.PendingWindowInDays],
    [Arn, "PendingDeletion", 7]);
  assert.ok(Math.abs(ended.DeletionDate.getTime() - Date.now() - 7 * 86_400_000) < 600_000);
  await refused("KMSInvalidStateException", "Encrypt", { KeyId, Plaintext: bytes("a") });
  await refused("KMSInvalidStateException", "EnableKey", { KeyId });
  await refused("KMSInvalidStateException", "DisableKey", { KeyId });
  await refused("KMSInvalidStateException", "UpdateKeyDescription", { KeyId, Description: "" });
  await refused("KMSInvalidStateException", "ScheduleKeyDeletion", { KeyId });
  assert.equal((await call("CancelKeyDeletion", { KeyId })).KeyId, Arn);
  await refused("KMSInvalidStateException", "CancelKeyDeletion", { KeyId });
  assert.equal((await call("DescribeKey", { KeyId })).KeyMetadata.KeyState, "Disabled");
  await refused("ValidationException", "ScheduleKeyDeletion", { KeyId, PendingWindowInDays: 6 });
  await refused("NotFoundException", "EnableKey", { KeyId: NOWHERE });
});

test("policies decide who may do what", async () => {
  const { KeyId } = await createKey();
  const { PolicyNames } = await call("ListKeyPolicies", { KeyId });
  assert.deepEqual(PolicyNames, ["default"]);
  const { Policy } = await call("GetKeyPolicy", { KeyId });
  const usual = JSON.parse(Policy).Statement[0];
  assert.equal(usual.Principal.AWS, `arn:aws:iam::${ACCOUNT}:root`);
  const bob = service.client(service.addUser("bob", { policy: false }));
  await refused("AccessDeniedException", "DescribeKey", { KeyId }, bob);
  const more = { Effect: "Allow", Principal: { AWS: arnOf("bob") }, Resource: "*",
    Action: ["kms:Decrypt", "kms:DescribeKey"],
    Condition: { StringEquals: { "kms:EncryptionContext:for": "bob" } } };
  await call("PutKeyPolicy", { KeyId, PolicyName: "default",
    Policy: JSON.stringify({ Version: "2012-10-17", Statement: [usual, more] }) });
  const seal = async (context) => (await call("Encrypt",
    { KeyId, Plaintext: bytes("secret"), EncryptionContext: context })).CiphertextBlob;
  const his = { CiphertextBlob: await seal({ for: "bob" }), EncryptionContext: { for: "bob" } };
  same((await call("Decrypt", his, bob)).Plaintext, "secret");
  const hers = { CiphertextBlob: await seal({ for: "eve" }), EncryptionContext: { for: "eve" } };
  await refused("AccessDeniedException", "Decrypt", hers, bob);
  await refused("AccessDeniedException", "DescribeKey", { KeyId }, bob);
  // Nobody could change it any more.
  await refused("MalformedPolicyDocumentException", "PutKeyPolicy", { KeyId,
    Policy: JSON.stringify({ Version: "2012-10-17", Statement: [more] }) });
  await refused("MalformedPolicyDocumentException", "PutKeyPolicy", { KeyId, Policy: "nothing" });
  await refused("NotFoundException", "GetKeyPolicy", { KeyId, PolicyName: "other" });
  await refused("NotFoundException", "ListKeyPolicies", { KeyId: NOWHERE });
});

test("aliases stand for keys", async () => {
  const [one, two] = [await createKey(), await createKey()];
  const AliasName = "alias/peers/one";
  await call("CreateAlias", { AliasName, TargetKeyId: one.KeyId });
  await refused("AlreadyExistsException", "CreateAlias", { AliasName, TargetKeyId: two.KeyId });
  await refused("NotAuthorizedException", "CreateAlias",
    { AliasName: "alias/aws/mine", TargetKeyId: one.KeyId });
  for (const [wrong, name] of [["noalias", "ValidationException"],
    ["alias/a b", "ValidationException"], ["alias/", "InvalidAliasNameException"]]) {
    await refused(name, "CreateAlias", { AliasName: wrong, TargetKeyId: one.KeyId });
  }
  await refused("NotFoundException", "CreateAlias",
    { AliasName: "alias/x", TargetKeyId: NOWHERE });
  const AliasArn = `arn:aws:kms:${REGION}:${ACCOUNT}:${AliasName}`;
  for (const KeyId of [one.KeyId, one.Arn, AliasName, AliasArn]) {
    assert.equal((await call("DescribeKey", { KeyId })).KeyMetadata.Arn, one.Arn);
    const { CiphertextBlob } = await call("Encrypt", { KeyId, Plaintext: bytes("a") });
    assert.equal((await call("Decrypt", { CiphertextBlob, KeyId })).KeyId, one.Arn);
  }
  await call("UpdateAlias", { AliasName, TargetKeyId: two.Arn });
  assert.equal((await call("DescribeKey", { KeyId: AliasArn })).KeyMetadata.Arn, two.Arn);
  const mac = await createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  await refused("ValidationException", "UpdateAlias", { AliasName, TargetKeyId: mac.KeyId });
  for (let i = 0; i < 4; ++i) {
    await call("CreateAlias", { AliasName: `alias/peers/more-${i}`, TargetKeyId: two.KeyId });
  }
  const found = await all("ListAliases", "Aliases", { KeyId: two.KeyId, Limit: 2 });
  assert.equal(found.length, 5);
  const first = found.find((alias) => alias.AliasName === AliasName);
  assert.deepEqual([first.AliasArn, first.TargetKeyId], [AliasArn, two.KeyId]);
  await call("DeleteAlias", { AliasName });
  await refused("NotFoundException", "DeleteAlias", { AliasName });
  await refused("NotFoundException", "UpdateAlias", { AliasName, TargetKeyId: one.KeyId });
  await refused("NotFoundException", "ListAliases", { KeyId: NOWHERE });
});

test("tags", async () => {
  const { KeyId } = await createKey({ Tags: [{ TagKey: "a", TagValue: "1" }] });
  await call("TagResource", { KeyId, Tags: [{ TagKey: "a", TagValue: "2" },
    { TagKey: "b", TagValue: "" }, { TagKey: "c", TagValue: "ä" }] });
  const found = await all("ListResourceTags", "Tags", { KeyId, Limit: 2 });
  assert.deepEqual(found.map(({ TagKey, TagValue }) => TagKey + TagValue).sort(), ["a2", "b", "cä"]);
  await call("UntagResource", { KeyId, TagKeys: ["a", "b"] });
  assert.deepEqual((await call("ListResourceTags", { KeyId })).Tags.map((tag) => tag.TagKey), ["c"]);
  await refused("TagException", "TagResource", { KeyId, Tags: [{ TagKey: "aws:x", TagValue: "" }] });
  await refused("NotFoundException", "UntagResource", { KeyId: NOWHERE, TagKeys: ["a"] });
  await refused("NotFoundException", "ListResourceTags", { KeyId: NOWHERE });
});

test("grants", async () => {
  const { KeyId, Arn } = await createKey();
  const carol = service.client(service.addUser("carol", { policy: false }));
  const { CiphertextBlob } = await call("Encrypt",
    { KeyId, Plaintext: bytes("hers"), EncryptionContext: { of: "carol", and: "more" } });
  const asked = { CiphertextBlob, EncryptionContext: { of: "carol", and: "more" } };
  await refused("AccessDeniedException", "Decrypt", asked, carol);
  const grant = { KeyId, GranteePrincipal: arnOf("carol"), RetiringPrincipal: arnOf("carol"),
    Operations: ["Decrypt", "GenerateDataKey"], Name: "one",
    Constraints: { EncryptionContextSubset: { of: "carol" } } };
  const { GrantId, GrantToken } = await call("CreateGrant", grant);
  assert.match(GrantId, /^[0-9a-f]{64}$/);
  // Its name makes a second creation the same grant.
  assert.equal((await call("CreateGrant", grant)).GrantId, GrantId);
  same((await call("Decrypt", { ...asked, GrantTokens: [GrantToken] }, carol)).Plaintext, "hers");
  same((await call("Decrypt", asked, carol)).Plaintext, "hers");
  await refused("AccessDeniedException", "GenerateDataKey",
    { KeyId, KeySpec: "AES_256", EncryptionContext: { of: "dave" } }, carol);
  await refused("AccessDeniedException", "Encrypt", { KeyId, Plaintext: bytes("a") }, carol);
  const second = await call("CreateGrant",
    { KeyId, GranteePrincipal: arnOf("carol"), Operations: ["DescribeKey"] });
  const listed = await all("ListGrants", "Grants", { KeyId, Limit: 1 });
  assert.equal(listed.length, 2);
  const found = listed.find((one) => one.GrantId === GrantId);
  assert.deepEqual([found.KeyId, found.GranteePrincipal, found.Operations, found.Constraints],
    [Arn, arnOf("carol"), grant.Operations, grant.Constraints]);
  const retirable = await call("ListRetirableGrants", { RetiringPrincipal: arnOf("carol") });
  assert.deepEqual(retirable.Grants.map((one) => one.GrantId), [GrantId]);
  assert.equal((await call("DescribeKey", { KeyId: Arn }, carol)).KeyMetadata.Arn, Arn);
  await call("RevokeGrant", { KeyId, GrantId: second.GrantId });
  await refused("AccessDeniedException", "DescribeKey", { KeyId: Arn }, carol);
  await call("RetireGrant", { GrantToken }, carol);
  await refused("AccessDeniedException", "Decrypt", asked, carol);
  await refused("NotFoundException", "RevokeGrant", { KeyId, GrantId });
  await refused("InvalidGrantTokenException", "RetireGrant", { GrantToken: "nonsense" });
  await refused("NotFoundException", "ListGrants", { KeyId: NOWHERE });
  await refused("InvalidArnException", "ListRetirableGrants", { RetiringPrincipal: "carol" });
  await refused("ValidationException", "CreateGrant", { ...grant, Operations: ["Sign"] });
  await refused("ValidationException", "CreateGrant", { ...grant, Operations: ["Fly"] });
});

test("rotation keeps what was encrypted before", async () => {
  const { KeyId, Arn } = await createKey();
  const older = await call("Encrypt", { KeyId, Plaintext: bytes("before") });
  assert.equal((await call("GetKeyRotationStatus", { KeyId })).KeyRotationEnabled, false);
  await call("EnableKeyRotation", { KeyId, RotationPeriodInDays: 180 });
  const status = await call("GetKeyRotationStatus", { KeyId });
  assert.deepEqual([status.KeyRotationEnabled, status.RotationPeriodInDays, status.KeyId],
    [true, 180, Arn]);
  assert.ok(status.NextRotationDate instanceof Date);
  assert.equal((await call("RotateKeyOnDemand", { KeyId })).KeyId, Arn);
  let rotations = [];
  for (let i = 0; i < 100 && rotations.length === 0; ++i) {
    rotations = await all("ListKeyRotations", "Rotations", { KeyId });
  }
  assert.equal(rotations[0].RotationType, "ON_DEMAND");
  same((await call("Decrypt", { CiphertextBlob: older.CiphertextBlob })).Plaintext, "before");
  const newer = await call("Encrypt", { KeyId, Plaintext: bytes("after") });
  same((await call("Decrypt", { CiphertextBlob: newer.CiphertextBlob })).Plaintext, "after");
  await call("DisableKeyRotation", { KeyId });
  assert.equal((await call("GetKeyRotationStatus", { KeyId })).KeyRotationEnabled, false);
  const mac = await createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  await refused("UnsupportedOperationException", "EnableKeyRotation", { KeyId: mac.KeyId });
  await refused("UnsupportedOperationException", "RotateKeyOnDemand", { KeyId: mac.KeyId });
  await refused("ValidationException", "EnableKeyRotation", { KeyId, RotationPeriodInDays: 89 });
  await refused("NotFoundException", "GetKeyRotationStatus", { KeyId: NOWHERE });
  await refused("NotFoundException", "ListKeyRotations", { KeyId: NOWHERE });
  await refused("UnsupportedOperationException", "DisableKeyRotation", { KeyId: mac.KeyId });
});

// wrap does what whoever imports a key does with GetParametersForImport's answer.
function wrap(algorithm, publicKey, material) {
  const oaep = (plaintext) => publicEncrypt({ key: publicKeyOf(publicKey),
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: algorithm.endsWith("SHA_1") ? "sha1" : "sha256" }, plaintext);
  if (algorithm.startsWith("RSAES_OAEP")) return oaep(material);
  const key = randomBytes(32);
  const cipher = createCipheriv("id-aes256-wrap-pad", key, Buffer.from("a65959a6", "hex"));
  return Buffer.concat([oaep(key), cipher.update(material), cipher.final()]);
}

test("key material is imported, deleted and imported again", async () => {
  for (const [WrappingAlgorithm, WrappingKeySpec] of [
    ["RSAES_OAEP_SHA_256", "RSA_2048"], ["RSAES_OAEP_SHA_1", "RSA_2048"],
    ["RSA_AES_KEY_WRAP_SHA_256", "RSA_3072"], ["RSA_AES_KEY_WRAP_SHA_1", "RSA_2048"]]) {
    const { KeyId, KeyState } = await createKey({ Origin: "EXTERNAL" });
    assert.equal(KeyState, "PendingImport");
    await refused("KMSInvalidStateException", "Encrypt", { KeyId, Plaintext: bytes("a") });
    const material = randomBytes(32);
    const importIt = async (secret, more = {}, what = "ImportKeyMaterial") => {
      const given = await call("GetParametersForImport",
        { KeyId, WrappingAlgorithm, WrappingKeySpec });
      assert.ok(given.ParametersValidTo > new Date());
      const input = { KeyId, ImportToken: given.ImportToken,
        EncryptedKeyMaterial: wrap(WrappingAlgorithm, given.PublicKey, secret),
        ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE", ...more };
      return what === "refused" ? input : call(what, input);
    };
    await importIt(material);
    const { CiphertextBlob } = await call("Encrypt", { KeyId, Plaintext: bytes("kept") });
    await call("DeleteImportedKeyMaterial", { KeyId });
    assert.equal((await call("DescribeKey", { KeyId })).KeyMetadata.KeyState, "PendingImport");
    await refused("KMSInvalidStateException", "Decrypt", { CiphertextBlob });
    await refused("IncorrectKeyMaterialException", "ImportKeyMaterial",
      await importIt(randomBytes(32), {}, "refused"));
    const validTo = new Date(Math.floor(Date.now() / 1000) * 1000 + 86_400_000);
    await importIt(material, { ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: validTo });
    const { KeyMetadata } = await call("DescribeKey", { KeyId });
    assert.deepEqual([KeyMetadata.Origin, KeyMetadata.ExpirationModel, KeyMetadata.ValidTo],
      ["EXTERNAL", "KEY_MATERIAL_EXPIRES", validTo]);
    same((await call("Decrypt", { CiphertextBlob })).Plaintext, "kept");
    const damaged = await importIt(material, {}, "refused");
    await refused("InvalidCiphertextException", "ImportKeyMaterial",
      { ...damaged, EncryptedKeyMaterial: randomBytes(256) });
    await refused("InvalidImportTokenException", "ImportKeyMaterial",
      { ...damaged, ImportToken: randomBytes(200) });
  }
  const { KeyId } = await createKey();
  await refused("UnsupportedOperationException", "GetParametersForImport",
    { KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" });
  await refused("UnsupportedOperationException", "DeleteImportedKeyMaterial", { KeyId });
});

test("a private key made elsewhere is imported", async () => {
  const { KeyId } = await createKey(
    { Origin: "EXTERNAL", KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const WrappingAlgorithm = "RSA_AES_KEY_WRAP_SHA_256";
  const given = await call("GetParametersForImport",
    { KeyId, WrappingAlgorithm, WrappingKeySpec: "RSA_2048" });
  await call("ImportKeyMaterial", { KeyId, ImportToken: given.ImportToken,
    ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
    EncryptedKeyMaterial: wrap(WrappingAlgorithm, given.PublicKey,
      privateKey.export({ type: "pkcs8", format: "der" })) });
  const signed = await call("Sign",
    { KeyId, Message: bytes("mine"), SigningAlgorithm: "ECDSA_SHA_256" });
  assert.ok(verify("sha256", bytes("mine"), publicKey, signed.Signature));
});

test("encryption and its context", async () => {
  const [one, two] = [await createKey(), await createKey()];
  const EncryptionContext = { purpose: "peers", ä: "ö" };
  const Plaintext = randomBytes(4096);
  const { CiphertextBlob, KeyId, EncryptionAlgorithm } = await call("Encrypt",
    { KeyId: one.KeyId, Plaintext, EncryptionContext });
  assert.deepEqual([KeyId, EncryptionAlgorithm], [one.Arn, "SYMMETRIC_DEFAULT"]);
  same((await call("Decrypt", { CiphertextBlob, EncryptionContext })).Plaintext, Plaintext);
  await refused("InvalidCiphertextException", "Decrypt", { CiphertextBlob });
  await refused("InvalidCiphertextException", "Decrypt",
    { CiphertextBlob, EncryptionContext: { ...EncryptionContext, purpose: "other" } });
  await refused("InvalidCiphertextException", "Decrypt",
    { CiphertextBlob: CiphertextBlob.slice(0, -1), EncryptionContext });
  await refused("IncorrectKeyException", "Decrypt",
    { CiphertextBlob, EncryptionContext, KeyId: two.KeyId });
  await refused("ValidationException", "Encrypt", { KeyId: one.KeyId, Plaintext: randomBytes(4097) });
  const moved = await call("ReEncrypt", { CiphertextBlob, SourceEncryptionContext: EncryptionContext,
    DestinationKeyId: two.KeyId, DestinationEncryptionContext: { now: "two" } });
  assert.deepEqual([moved.SourceKeyId, moved.KeyId], [one.Arn, two.Arn]);
  const opened = await call("Decrypt", { CiphertextBlob: moved.CiphertextBlob, KeyId: two.Arn,
    EncryptionContext: { now: "two" } });
  same(opened.Plaintext, Plaintext);
  await refused("InvalidCiphertextException", "ReEncrypt",
    { CiphertextBlob, DestinationKeyId: two.KeyId });
  const mac = await createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  await refused("InvalidKeyUsageException", "Encrypt", { KeyId: mac.KeyId, Plaintext: bytes("a") });
});

test("encryption under RSA keys", async () => {
  const { KeyId } = await createKey({ KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
  const { PublicKey, EncryptionAlgorithms } = await call("GetPublicKey", { KeyId });
  assert.deepEqual(EncryptionAlgorithms.sort(), ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]);
  for (const EncryptionAlgorithm of EncryptionAlgorithms) {
    const theirs = publicEncrypt({ key: publicKeyOf(PublicKey),
      oaepHash: EncryptionAlgorithm.endsWith("_1") ? "sha1" : "sha256",
      padding: constants.RSA_PKCS1_OAEP_PADDING }, bytes("from outside"));
    same((await call("Decrypt", { KeyId, EncryptionAlgorithm, CiphertextBlob: theirs })).Plaintext,
      "from outside");
    const { CiphertextBlob } = await call("Encrypt",
      { KeyId, EncryptionAlgorithm, Plaintext: bytes("a") });
    same((await call("Decrypt", { KeyId, EncryptionAlgorithm, CiphertextBlob })).Plaintext, "a");
  }
  await refused("InvalidCiphertextException", "Decrypt",
    { KeyId, EncryptionAlgorithm: "RSAES_OAEP_SHA_1", CiphertextBlob: randomBytes(256) });
});

test("data keys, pairs and random bytes", async () => {
  const { KeyId, Arn } = await createKey();
  const EncryptionContext = { a: "b" };
  for (const [size, length] of [[{ KeySpec: "AES_128" }, 16], [{ KeySpec: "AES_256" }, 32],
    [{ NumberOfBytes: 1024 }, 1024]]) {
    const made = await call("GenerateDataKey", { KeyId, EncryptionContext, ...size });
    assert.equal(made.Plaintext.length, length);
    assert.equal(made.KeyId, Arn);
    const { CiphertextBlob } = made;
    same((await call("Decrypt", { CiphertextBlob, EncryptionContext })).Plaintext, made.Plaintext);
    const alone = await call("GenerateDataKeyWithoutPlaintext",
      { KeyId, EncryptionContext, ...size });
    assert.equal(alone.Plaintext, undefined);
    const opened = await call("Decrypt",
      { CiphertextBlob: alone.CiphertextBlob, EncryptionContext });
    assert.equal(opened.Plaintext.length, length);
  }
  await refused("ValidationException", "GenerateDataKey", { KeyId, NumberOfBytes: 1025 });
  await refused("ValidationException", "GenerateDataKeyWithoutPlaintext", { KeyId });
  for (const KeyPairSpec of ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"]) {
    const made = await call("GenerateDataKeyPair", { KeyId, KeyPairSpec, EncryptionContext });
    const signature = sign("sha256", bytes("a"), privateKeyOf(made.PrivateKeyPlaintext));
    assert.ok(verify("sha256", bytes("a"), publicKeyOf(made.PublicKey), signature));
    const alone = await call("GenerateDataKeyPairWithoutPlaintext",
      { KeyId, KeyPairSpec, EncryptionContext });
    assert.equal(alone.PrivateKeyPlaintext, undefined);
    const opened = await call("Decrypt",
      { CiphertextBlob: alone.PrivateKeyCiphertextBlob, EncryptionContext });
    same(createPublicKey(privateKeyOf(opened.Plaintext)).export({ type: "spki", format: "der" }),
      alone.PublicKey);
  }
  await refused("ValidationException", "GenerateDataKeyPair", { KeyId, KeyPairSpec: "RSA_512" });
  const rsa = await createKey({ KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
  await refused("InvalidKeyUsageException", "GenerateDataKeyPairWithoutPlaintext",
    { KeyId: rsa.KeyId, KeyPairSpec: "RSA_2048" });
  await refused("InvalidKeyUsageException", "GenerateDataKey",
    { KeyId: rsa.KeyId, KeySpec: "AES_256" });
  const [one, two] = [await call("GenerateRandom", { NumberOfBytes: 1024 }),
    await call("GenerateRandom", { NumberOfBytes: 1024 })];
  assert.equal(one.Plaintext.length, 1024);
  assert.notDeepEqual(one.Plaintext, two.Plaintext);
  await refused("ValidationException", "GenerateRandom", { NumberOfBytes: 1025 });
});

// options for node's sign and verify.
function schemeOf(algorithm, key) {
  if (!algorithm.startsWith("RSASSA_PSS")) return key;
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

test("signatures are others' too", async () => {
  for (const KeySpec of ["RSA_2048", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384",
    "ECC_NIST_P521"]) {
    const { KeyId, Arn, SigningAlgorithms } = await createKey({ KeySpec, KeyUsage: "SIGN_VERIFY" });
    const published = await call("GetPublicKey", { KeyId });
    assert.deepEqual([published.KeyId, published.KeySpec, published.KeyUsage],
      [Arn, KeySpec, "SIGN_VERIFY"]);
    const key = publicKeyOf(published.PublicKey);
    assert.equal(SigningAlgorithms.length, KeySpec.startsWith("RSA") ? 6 : 1);
    for (const SigningAlgorithm of SigningAlgorithms) {
      const hash = `sha${SigningAlgorithm.slice(-3)}`;
      const message = bytes("to be signed");
      const whole = { KeyId, SigningAlgorithm, Message: message, MessageType: "RAW" };
      const digest = { ...whole, Message: createHash(hash).update(message).digest(),
        MessageType: "DIGEST" };
      for (const [asked, other] of [[whole, digest], [digest, whole]]) {
        const { Signature } = await call("Sign", asked);
        assert.ok(verify(hash, message, schemeOf(SigningAlgorithm, key), Signature));
        assert.equal((await call("Verify", { ...other, Signature })).SignatureValid, true);
      }
      await refused("KMSInvalidSignatureException", "Verify",
        { ...whole, Signature: randomBytes(KeySpec.startsWith("RSA") ? 256 : 70) });
    }
    await refused("ValidationException", "Sign", { KeyId, SigningAlgorithm: SigningAlgorithms[0],
      Message: randomBytes(7), MessageType: "DIGEST" });
    await refused("InvalidKeyUsageException", "Sign", { KeyId, Message: bytes("a"),
      SigningAlgorithm: KeySpec.startsWith("RSA") ? "ECDSA_SHA_256" : "RSASSA_PSS_SHA_256" });
  }
  const { KeyId } = await createKey();
  await refused("InvalidKeyUsageException", "Verify", { KeyId, Message: bytes("a"),
    Signature: bytes("b"), SigningAlgorithm: "ECDSA_SHA_256" });
  await refused("UnsupportedOperationException", "GetPublicKey", { KeyId });
});

test("codes of HMAC keys", async () => {
  for (const bits of [256, 384, 512]) {
    const { KeyId } = await createKey(
      { KeySpec: `HMAC_${bits}`, KeyUsage: "GENERATE_VERIFY_MAC" });
    const asked = { KeyId, Message: bytes("a message"), MacAlgorithm: `HMAC_SHA_${bits}` };
    const { Mac } = await call("GenerateMac", asked);
    assert.equal(Mac.length, bits / 8);
    assert.equal((await call("VerifyMac", { ...asked, Mac })).MacValid, true);
    await refused("KMSInvalidMacException", "VerifyMac",
      { ...asked, Message: bytes("another"), Mac });
    await refused("InvalidKeyUsageException", "GenerateMac",
      { ...asked, MacAlgorithm: bits === 256 ? "HMAC_SHA_512" : "HMAC_SHA_256" });
  }
  // The same code as node's, of a key that both know.
  const { KeyId } = await createKey(
    { KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC", Origin: "EXTERNAL" });
  const material = randomBytes(32);
  const given = await call("GetParametersForImport",
    { KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" });
  await call("ImportKeyMaterial", { KeyId, ImportToken: given.ImportToken,
    ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
    EncryptedKeyMaterial: wrap("RSAES_OAEP_SHA_256", given.PublicKey, material) });
  const { Mac } = await call("GenerateMac",
    { KeyId, Message: bytes("a message"), MacAlgorithm: "HMAC_SHA_256" });
  same(Mac, createHmac("sha256", material).update("a message").digest());
});

test("key agreement", async () => {
  for (const [KeySpec, namedCurve] of [["ECC_NIST_P256", "P-256"], ["ECC_NIST_P384", "P-384"],
    ["ECC_NIST_P521", "P-521"]]) {
    const { KeyId } = await createKey({ KeySpec, KeyUsage: "KEY_AGREEMENT" });
    const { PublicKey } = await call("GetPublicKey", { KeyId });
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
    const asked = { KeyId, KeyAgreementAlgorithm: "ECDH",
      PublicKey: publicKey.export({ type: "spki", format: "der" }) };
    const { SharedSecret } = await call("DeriveSharedSecret", asked);
    same(SharedSecret, diffieHellman({ publicKey: publicKeyOf(PublicKey), privateKey }));
    await refused("ValidationException", "DeriveSharedSecret",
      { ...asked, PublicKey: randomBytes(90) });
  }
  const other = await createKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
  await refused("InvalidKeyUsageException", "DeriveSharedSecret", { KeyId: other.KeyId,
    KeyAgreementAlgorithm: "ECDH", PublicKey: generateKeyPairSync("ec", { namedCurve: "P-256" })
      .publicKey.export({ type: "spki", format: "der" }) });
});

test("DryRun does nothing but tell", async () => {
  const { KeyId } = await createKey();
  const { CiphertextBlob } = await call("Encrypt", { KeyId, Plaintext: bytes("a") });
  const ec = await createKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
  const mac = await createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
  for (const [operation, input] of Object.entries({
    Encrypt: { KeyId, Plaintext: bytes("a") }, Decrypt: { CiphertextBlob },
    ReEncrypt: { CiphertextBlob, DestinationKeyId: KeyId },
    GenerateDataKey: { KeyId, KeySpec: "AES_256" },
    GenerateDataKeyWithoutPlaintext: { KeyId, KeySpec: "AES_256" },
    GenerateDataKeyPair: { KeyId, KeyPairSpec: "ECC_NIST_P256" },
    GenerateDataKeyPairWithoutPlaintext: { KeyId, KeyPairSpec: "ECC_NIST_P256" },
    Sign: { KeyId: ec.KeyId, Message: bytes("a"), SigningAlgorithm: "ECDSA_SHA_256" },
    GenerateMac: { KeyId: mac.KeyId, Message: bytes("a"), MacAlgorithm: "HMAC_SHA_256" },
    CreateGrant: { KeyId, GranteePrincipal: arnOf("dave"), Operations: ["Decrypt"] },
  })) {
    await refused("DryRunOperationException", operation, { ...input, DryRun: true });
  }
  assert.deepEqual((await call("ListGrants", { KeyId })).Grants, []);
  const stranger = service.client(service.addUser("dora", { policy: false }));
  await refused("AccessDeniedException", "Encrypt",
    { KeyId, Plaintext: bytes("a"), DryRun: true }, stranger);
});

const PCR0 = "ab".repeat(48);

// What asks each operation that has a Recipient, and which bytes an enclave gets.
async function recipientCases() {
  const condition = { StringEqualsIgnoreCase: { "kms:RecipientAttestation:ImageSha384": PCR0 } };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [
    { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Resource: "*",
      NotAction: ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair",
        "kms:DeriveSharedSecret"] },
    { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Resource: "*",
      Action: "kms:*", Condition: condition }] });
  const { KeyId } = await createKey({ Policy });
  const agreement = await createKey({ Policy, KeySpec: "ECC_NIST_P256",
    KeyUsage: "KEY_AGREEMENT" });
  const published = await call("GetPublicKey", { KeyId: agreement.KeyId });
  const { CiphertextBlob } = await call("Encrypt", { KeyId, Plaintext: bytes("for the enclave") });
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const secret = diffieHellman(
    { publicKey: publicKeyOf(published.PublicKey), privateKey: pair.privateKey });
  const isKeyOf = (answer, opened) => same(createPublicKey(privateKeyOf(opened))
    .export({ type: "spki", format: "der" }), answer.PublicKey);
  return { CiphertextBlob, KeyId, cases: [
    ["Decrypt", { CiphertextBlob }, "Plaintext",
      (answer, opened) => same(opened, "for the enclave")],
    ["GenerateDataKey", { KeyId, KeySpec: "AES_256" }, "Plaintext",
      (answer, opened) => {
        assert.equal(opened.length, 32);
        assert.ok(answer.CiphertextBlob.length > 0);
      }],
    ["GenerateDataKeyPair", { KeyId, KeyPairSpec: "ECC_NIST_P384" }, "PrivateKeyPlaintext", isKeyOf],
    ["GenerateDataKeyPair", { KeyId, KeyPairSpec: "RSA_2048" }, "PrivateKeyPlaintext", isKeyOf],
    ["DeriveSharedSecret", { KeyId: agreement.KeyId, KeyAgreementAlgorithm: "ECDH",
      PublicKey: pair.publicKey.export({ type: "spki", format: "der" }) }, "SharedSecret",
    (answer, opened) => same(opened, secret)],
    ["GenerateRandom", { NumberOfBytes: 1000 }, "Plaintext",
      (answer, opened) => assert.equal(opened.length, 1000)],
  ] };
}

const recipient = (AttestationDocument) =>
  ({ Recipient: { AttestationDocument, KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256" } });

test("an enclave gets what it asks for sealed, and openssl opens it", async () => {
  const { cases } = await recipientCases();
  for (const bits of [2048, 4096]) {
    const enclave = new Enclave(service.directory, bits);
    const good = recipient(await service.document(enclave.spki, { pcrs: { 0: PCR0 } }));
    for (const [operation, input, plaintext, check] of cases) {
      const answer = await call(operation, { ...input, ...good });
      assert.equal(answer[plaintext], undefined, operation);
      check(answer, enclave.open(answer.CiphertextForRecipient));
    }
  }
});

test("others get nothing, whatever they show", async () => {
  const { cases } = await recipientCases();
  const enclave = new Enclave(service.directory);
  const spkiOf = (kind, options) => generateKeyPairSync(kind, options).publicKey
    .export({ type: "spki", format: "der" });
  const bad = {};
  for (const kind of ["old", "strange", "software", "debug", "changed"]) {
    bad[kind] = await service.document(enclave.spki, { kind, pcrs: { 0: PCR0 } });
  }
  const pcrs = { 0: PCR0 };
  bad["no key"] = await service.document(undefined, { pcrs });
  bad["EC key"] = await service.document(spkiOf("ec", { namedCurve: "P-256" }), { pcrs });
  bad["small key"] = await service.document(spkiOf("rsa", { modulusLength: 1024 }), { pcrs });
  bad["exponent 3"] = await service.document(
    spkiOf("rsa", { modulusLength: 2048, publicExponent: 3 }), { pcrs });
  bad["no document"] = randomBytes(3000);
  const good = await service.document(enclave.spki, { pcrs });
  bad.truncated = good.subarray(0, -1);
  const other = await service.document(enclave.spki, { pcrs: { 0: "cd".repeat(48) } });
  for (const [operation, input] of cases) {
    for (const [kind, document] of Object.entries(bad)) {
      const error = await refused("ValidationException", operation,
        { ...input, ...recipient(document) });
      assert.match(error.message, /attestation document/, kind);
    }
    if (operation !== "GenerateRandom") {
      await refused("AccessDeniedException", operation, { ...input, ...recipient(other) });
      await refused("AccessDeniedException", operation, input);
    }
    await refused("ValidationException", operation, { ...input, Recipient: {
      AttestationDocument: good, KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_1" } });
  }
});

test("callers that are none", async () => {
  await refused("UnrecognizedClientException", "ListKeys", {},
    service.client({ ...service.admin, AccessKeyId: "AKIAIOSFODNN7EXAMPLE" }));
  await refused("InvalidSignatureException", "ListKeys", {},
    service.client({ ...service.admin, SecretAccessKey: "wrong" }));
  await refused("InvalidSignatureException", "ListKeys", {},
    service.client(service.admin, { region: "eu-west-1" }));
  for (const systemClockOffset of [-3_600_000, 3_600_000]) {
    await refused("InvalidSignatureException", "ListKeys", {},
      service.client(service.admin, { systemClockOffset }));
    // The SDK knows that error, takes the time from the answer's header and asks again.
    const corrected = service.client(service.admin, { systemClockOffset, maxAttempts: 2 });
    assert.ok((await call("ListKeys", {}, corrected)).Keys.length > 0);
  }
});

test("temporary credentials", async () => {
  const session = service.session("admin");
  const { KeyMetadata } = await call("CreateKey", {}, service.client(session));
  await call("DescribeKey", { KeyId: KeyMetadata.KeyId });
  const invalid = "UnrecognizedClientException";
  const { SessionToken, ...without } = session;
  await refused(invalid, "ListKeys", {}, service.client(without));
  await refused(invalid, "ListKeys", {}, service.client({ ...service.admin, SessionToken }));
  await refused(invalid, "ListKeys", {},
    service.client({ ...session, SessionToken: service.session("admin").SessionToken }));
  await refused("InvalidSignatureException", "ListKeys", {},
    service.client({ ...session, SecretAccessKey: "wrong" }));
});

test("operations and keys that this service does not have", async () => {
  await refused("UnknownOperationException", "DescribeCustomKeyStores", {});
  await refused("UnsupportedOperationException", "CreateKey", { MultiRegion: true });
});

test("no operation was left out", () => {
  const operations = `CancelKeyDeletion CreateAlias CreateGrant CreateKey Decrypt DeleteAlias
    DeleteImportedKeyMaterial DeriveSharedSecret DescribeKey DisableKey DisableKeyRotation EnableKey
    EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyPair
    GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom
    GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey ImportKeyMaterial
    ListAliases ListGrants ListKeyPolicies ListKeyRotations ListKeys ListResourceTags
    ListRetirableGrants PutKeyPolicy ReEncrypt RetireGrant RevokeGrant RotateKeyOnDemand
    ScheduleKeyDeletion Sign TagResource UntagResource UpdateAlias UpdateKeyDescription Verify
    VerifyMac`.split(/\s+/);
  assert.equal(operations.length, 45);
  for (const operation of operations) {
    assert.ok(answered.has(operation), `${operation} has not succeeded`);
    assert.ok(refusals.has(operation), `${operation} has not been refused`);
  }
});
