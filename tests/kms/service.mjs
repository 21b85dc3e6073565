// casemate-kms itself for tests in JavaScript: a service of their own on loopback TLS, users, AWS's SDK
// pointed at it, and attestation documents.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BINARIES = process.env.CASEMATE_BINARY_DIR;
const PROGRAM = join(BINARIES, "bin/casemate-kms");
export const ACCOUNT = "111122223333";
export const REGION = "us-east-1";

// packages.require takes what ./with_node has installed.
export const packages = createRequire(join(process.env.CASEMATE_NODE_PACKAGES, "package.json"));
const { KMSClient } = packages("@aws-sdk/client-kms");

// first_line waits for a line of a program's output and hands on what follows, line by line.
function lines(stream) {
  const waiting = [];
  const ready = [];
  createInterface({ input: stream }).on("line", (line) => {
    const next = waiting.shift();
    if (next) next(line);
    else ready.push(line);
  });
  return () => (ready.length > 0 ? Promise.resolve(ready.shift())
    : new Promise((resolve) => waiting.push(resolve)));
}

export class Service {
  static async start() {
    const service = new Service();
    service.directory = mkdtempSync(join(tmpdir(), "casemate-kms-peers."));
    service.data = join(service.directory, "data");
    service.children = [];
    // Documents come first: the service reads their root when it starts.
    const forger = service.spawn(join(BINARIES, "tests/kms/forge-document"), [service.directory],
      ["pipe", "pipe", "inherit"]);
    const next = lines(forger.stdout);
    service.document = async (publicKey, { kind = "good", pcrs = {} } = {}) => {
      const key = publicKey === undefined ? "-" : publicKey.toString("hex");
      const registers = Object.entries(pcrs).map(([index, value]) => ` ${index}=${value}`);
      forger.stdin.write(`${kind} ${key}${registers.join("")}\n`);
      return Buffer.from(await next(), "base64");
    };
    await service.document();
    service.admin = service.addUser("admin");
    service.ca = execFileSync(PROGRAM, ["export-ca", "--data", service.data]);
    service.agent = new Agent({ ca: service.ca, keepAlive: true });
    const log = openSync(join(service.directory, "log"), "a");
    const program = service.spawn(PROGRAM, ["serve", "--data", service.data,
      "--listen", "127.0.0.1:0", "--attestation-root", join(service.directory, "root.pem")],
    ["ignore", "pipe", log]);
    closeSync(log);
    const listening = await Promise.race([lines(program.stdout)(),
      new Promise((resolve) => program.once("exit", () => resolve("it ended")))]);
    assert.match(listening, /^listening on https:/, service.log());
    service.endpoint = listening.slice("listening on ".length);
    service.kms = service.client(service.admin);
    return service;
  }

  spawn(program, args, stdio) {
    const child = spawn(program, args, { stdio });
    child.ended = new Promise((resolve) => child.once("exit", resolve));
    this.children.push(child);
    return child;
  }

  // addUser makes a caller, whose own policy allows all; { policy: false }: none.
  addUser(name, { policy = true } = {}) {
    return JSON.parse(execFileSync(PROGRAM, ["user", "add", name, "--account", ACCOUNT,
      "--data", this.data, ...(policy ? [] : ["--no-policy"])],
    { stdio: ["ignore", "pipe", "ignore"] }));
  }

  // session makes temporary credentials of a caller; more: further options.
  session(name, ...more) {
    return JSON.parse(execFileSync(PROGRAM, ["user", "session", name, "--data", this.data, ...more]));
  }

  client({ AccessKeyId, SecretAccessKey, SessionToken }, options = {}) {
    return new KMSClient({
      endpoint: this.endpoint, region: REGION, maxAttempts: 1,
      credentials: {
        accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken,
      },
      requestHandler: { httpsAgent: this.agent, requestTimeout: 60_000 }, ...options,
    });
  }

  log() {
    return readFileSync(join(this.directory, "log"), "utf8");
  }

  // stop ends the service; what it has logged has to be whole.
  async stop() {
    this.agent.destroy();
    for (const child of this.children.reverse()) {
      child.kill("SIGTERM");
      await child.ended;
    }
    const verified = execFileSync(PROGRAM, ["audit", "verify", "--data", this.data],
      { encoding: "utf8" });
    assert.match(verified, /^verified: /);
    rmSync(this.directory, { recursive: true });
  }
}

export function arnOf(name) {
  return `arn:aws:iam::${ACCOUNT}:user/${name}`;
}

// An enclave's key, and openssl to open what KMS has sealed for it.
export class Enclave {
  constructor(directory, bits = 2048) {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: bits });
    this.spki = publicKey.export({ type: "spki", format: "der" });
    this.file = join(directory, `enclave-${bits}-${process.hrtime.bigint()}.pem`);
    writeFileSync(this.file, privateKey.export({ type: "pkcs8", format: "pem" }));
  }

  open(sealed) {
    return execFileSync("openssl", ["cms", "-decrypt", "-inform", "DER", "-inkey", this.file],
      { input: Buffer.from(sealed) });
  }
}
