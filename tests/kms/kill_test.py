"""SIGKILL of casemate-kms at random moments under load: whatever was answered for is there after the
restart and opens what it had closed; whatever was not is there as a whole or not at all."""

import base64
import os
import pathlib
import random
import tempfile
import threading
import unittest

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from harness import CUT_OFF, ACCOUNT, Client, Postgresql, Service, kms

WORKERS = 4


def base64_of(data):
    return base64.b64encode(data).decode()


class Worker:
    """One connection's load, and what it has been promised. Nobody else changes its keys, so that of
    each thing at most one change is open when the service dies. `keys` can all be used; the one that
    is imported is not among them."""

    def __init__(self, number, seed):
        self.number = number
        self.random = random.Random(seed)
        # Key id → its spec.
        self.keys = {}
        # Names: the keys they may stand for; None: it may be deleted.
        self.aliases = {}
        # Key id → rotations that were answered, and those that may have been done.
        self.rotations = {}
        self.grants = {}
        # (key id, kind, what it belongs to, what the service made of it)
        self.made = []
        self.request_ids = []
        self.unanswered_keys = 0
        # The key whose material is imported and deleted in turns.
        self.imported = None
        self.importing = None
        self.imported_states = set()
        self.client = None

    def ask(self, operation, **fields):
        status, answer, request_id = self.client.call(operation, fields)
        if status != 200:
            raise AssertionError(f"{operation}: expected success, found {status} {answer}")
        self.request_ids.append(request_id)
        return answer

    # --- load ---

    def some_key(self, spec):
        return self.random.choice([key for key, of in self.keys.items() if of == spec] or [None])

    def create(self):
        spec, usage = self.random.choice([("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
                                          ("HMAC_256", "GENERATE_VERIFY_MAC"),
                                          ("ECC_NIST_P256", "SIGN_VERIFY")])
        self.unanswered_keys += 1
        key = self.ask("CreateKey", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
        self.unanswered_keys -= 1
        self.keys[key] = spec
        self.use(key)

    def use(self, key=None):
        key = key or self.random.choice(list(self.keys))
        message = base64_of(self.random.randbytes(32))
        spec = self.keys.get(key, "SYMMETRIC_DEFAULT")
        if spec == "SYMMETRIC_DEFAULT":
            made = self.ask("Encrypt", KeyId=key, Plaintext=message)["CiphertextBlob"]
        elif spec == "HMAC_256":
            made = self.ask("GenerateMac", KeyId=key, Message=message,
                            MacAlgorithm="HMAC_SHA_256")["Mac"]
        else:
            made = self.ask("Sign", KeyId=key, Message=message,
                            SigningAlgorithm="ECDSA_SHA_256")["Signature"]
        self.made.append((key, spec, message, made))

    def rotate(self):
        key = self.some_key("SYMMETRIC_DEFAULT")
        if key and self.rotations.get(key, (0, 0))[1] < 8:
            done, begun = self.rotations.get(key, (0, 0))
            self.rotations[key] = (done, begun + 1)
            self.ask("RotateKeyOnDemand", KeyId=key)
            self.rotations[key] = (done + 1, begun + 1)
            self.use(key)

    def alias(self):
        name = f"alias/kill/{self.number}/{self.random.randrange(8)}"
        key = self.some_key("SYMMETRIC_DEFAULT")
        before = self.aliases.get(name, {None})
        if key is None or len(before) != 1:
            return
        exists = before != {None}
        if exists and self.random.random() < 0.3:
            self.aliases[name] = before | {None}
            self.ask("DeleteAlias", AliasName=name)
            self.aliases[name] = {None}
        else:
            self.aliases[name] = before | {key}
            self.ask("UpdateAlias" if exists else "CreateAlias", AliasName=name, TargetKeyId=key)
            self.aliases[name] = {key}

    def grant(self):
        key = self.random.choice(list(self.keys))
        granted = self.ask("CreateGrant", KeyId=key, Operations=["DescribeKey"],
                           GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:user/other")
        self.grants.setdefault(key, set()).add(granted["GrantId"])

    def prepare_import(self):
        """Once: making the wrapping key takes longer than all the rest."""
        created = self.ask("CreateKey", Origin="EXTERNAL")
        key = created["KeyMetadata"]["KeyId"]
        given = self.ask("GetParametersForImport", KeyId=key, WrappingKeySpec="RSA_2048",
                         WrappingAlgorithm="RSAES_OAEP_SHA_256")
        wrapping = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        self.importing = {"KeyId": key, "ImportToken": given["ImportToken"],
                          "EncryptedKeyMaterial": base64_of(wrapping.encrypt(os.urandom(32), oaep)),
                          "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
        self.imported, self.imported_states = key, {"PendingImport"}

    def import_in_turns(self):
        if self.imported_states == {"PendingImport"}:
            self.imported_states = {"PendingImport", "Enabled"}
            self.ask("ImportKeyMaterial", **self.importing)
            self.imported_states = {"Enabled"}
            self.use(self.imported)
        elif self.imported_states == {"Enabled"}:
            self.imported_states = {"PendingImport", "Enabled"}
            self.ask("DeleteImportedKeyMaterial", KeyId=self.imported)
            self.imported_states = {"PendingImport"}

    def work(self, service, ready):
        """Until the service is dead."""
        self.client = Client(service)
        try:
            if self.imported is None:
                self.prepare_import()
            if not self.keys:
                self.create()
            ready()
            while True:
                self.random.choices([self.create, self.use, self.rotate, self.alias, self.grant,
                                     self.import_in_turns], [2, 3, 2, 2, 1, 2])[0]()
        except CUT_OFF:
            pass
        finally:
            self.client.close()

    # --- judgement ---

    def judge(self, client, everything):
        some = self.made if everything else self.made[-8:] + self.random.choices(self.made, k=4)
        self.judge_imported(client)
        for key, spec, message, made in some:
            judge_made(client, key, spec, message, made)
        for name in list(self.aliases):
            self.judge_alias(client, name)
        keys = [key for key in self.keys if everything or self.random.random() < 0.1]
        for key in {*keys, *list(self.keys)[-2:]}:
            expect(client.ask("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"], {"Enabled"}, key)
            if key in self.rotations:
                self.judge_rotations(client, key)
            found = {grant["GrantId"] for grant in pages(client, "ListGrants", "Grants", KeyId=key)}
            if not self.grants.get(key, set()) <= found:
                raise AssertionError(f"a grant of {key} is lost")

    def judge_imported(self, client):
        state = client.ask("DescribeKey", KeyId=self.imported)["KeyMetadata"]["KeyState"]
        expect(state, self.imported_states, self.imported)
        if state == "PendingImport":
            client.ask("ImportKeyMaterial", **self.importing)
        self.imported_states = {"Enabled"}

    def judge_alias(self, client, name):
        status, answer, _ = client.call("DescribeKey", {"KeyId": name})
        found = answer["KeyMetadata"]["KeyId"] if status == 200 else None
        if status not in (200, 400):
            raise AssertionError(f"{name}: {status} {answer}")
        expect(found, self.aliases[name], name)
        self.aliases[name] = {found}

    def judge_rotations(self, client, key):
        done, begun = self.rotations[key]
        found = len(client.ask("ListKeyRotations", KeyId=key)["Rotations"])
        if not done <= found <= begun:
            raise AssertionError(f"{key}: expected {done} to {begun} rotations, found {found}")
        self.rotations[key] = (found, found)


def expect(found, expected, of):
    if found not in expected:
        raise AssertionError(f"{of}: expected one of {expected}, found {found}")


def judge_made(client, key, spec, message, made):
    if spec == "SYMMETRIC_DEFAULT":
        found = client.ask("Decrypt", CiphertextBlob=made)["Plaintext"]
        expect(found, {message}, key)
    elif spec == "HMAC_256":
        client.ask("VerifyMac", KeyId=key, Message=message, Mac=made, MacAlgorithm="HMAC_SHA_256")
    else:
        client.ask("Verify", KeyId=key, Message=message, Signature=made,
                   SigningAlgorithm="ECDSA_SHA_256")


def pages(client, operation, member, **fields):
    marker = {}
    while True:
        answer = client.ask(operation, Limit=100, **fields, **marker)
        yield from answer[member]
        if not answer["Truncated"]:
            return
        marker = {"Marker": answer["NextMarker"]}


class Killed(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="casemate-kms-kill.")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        seed = os.urandom(4).hex()
        print(f"seed {seed}", flush=True)
        self.random = random.Random(seed)
        self.workers = [Worker(number, self.random.random()) for number in range(WORKERS)]

    def serve(self, *options):
        service = Service(self.directory / "data", *options)
        self.addCleanup(service.kill)
        return service.start()

    def kill_under_load(self, service, others=()):
        """others: workers that go on elsewhere, and are waited for by whoever started them."""
        mine = [worker for worker in self.workers if worker not in others]
        barrier = threading.Barrier(len(mine) + 1)
        failures = []

        def run(worker):
            try:
                worker.work(service, barrier.wait)
            except BaseException as problem:  # noqa: B902: it is the test's to tell
                failures.append(problem)
                barrier.abort()
        threads = [threading.Thread(target=run, args=(worker,)) for worker in mine]
        for thread in threads:
            thread.start()
        try:
            barrier.wait(timeout=60)
            threading.Event().wait(self.random.uniform(0, 0.12))
        except threading.BrokenBarrierError:
            pass
        service.kill()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def judge_whole(self, client):
        """Everything that is listed can be used, and there is no more than was asked for."""
        known = {key for worker in self.workers for key in [*worker.keys, worker.imported]}
        listed = {key["KeyId"] for key in pages(client, "ListKeys", "Keys")}
        self.assertLessEqual(known, listed)
        strangers = listed - known
        self.assertLessEqual(len(strangers), sum(worker.unanswered_keys for worker in self.workers))
        for key in strangers:
            found = client.ask("DescribeKey", KeyId=key)["KeyMetadata"]
            self.assertEqual(found["KeyState"], "Enabled")
            if found["KeySpec"] == "SYMMETRIC_DEFAULT":
                sealed = client.ask("Encrypt", KeyId=key, Plaintext="AAAA")["CiphertextBlob"]
                client.ask("Decrypt", CiphertextBlob=sealed)
        for alias in pages(client, "ListAliases", "Aliases"):
            self.assertIn(alias["TargetKeyId"], listed)

    def judge_audit(self, *directories):
        told = ""
        for directory in directories:
            verified = kms("audit", "verify", "--data", self.directory / "data",
                           *(["--audit-directory", directory] if directory else []))
            self.assertTrue(verified.startswith("verified: "), verified)
            place = directory or self.directory / "data/audit"
            told += "".join(path.read_text() for path in place.iterdir() if path.is_file())
        for worker in self.workers:
            for request_id in worker.request_ids:
                self.assertIn(request_id, told)
            worker.request_ids.clear()

    def tell(self, kills):
        workers = self.workers
        print(f"{kills} kills: {sum(len(worker.keys) for worker in workers)} keys, "
              f"{sum(len(worker.made) for worker in workers)} ciphertexts, codes and signatures, "
              f"{sum(done for worker in workers for done, _ in worker.rotations.values())} rotations, "
              f"{sum(len(ids) for worker in workers for ids in worker.grants.values())} grants, "
              f"{sum(worker.unanswered_keys for worker in workers)} keys unanswered", flush=True)

    def test_on_sqlite(self):
        kills = 100
        service = self.serve()
        for kill in range(kills):
            self.kill_under_load(service)
            service.start()
            client = Client(service)
            last = kill == kills - 1
            for worker in self.workers:
                worker.judge(client, everything=last)
            if last:
                self.judge_whole(client)
            client.close()
        service.end()
        self.judge_audit(None)
        self.tell(kills)

    @unittest.skipIf(Postgresql.binaries() is None, "SKIPPED: PostgreSQL is not installed")
    def test_on_postgresql_with_another_service_beside(self):
        server = Postgresql()
        self.addCleanup(server.end)
        logs = [self.directory / f"audit-{number}" for number in range(2)]
        steady, killed = (self.serve("--store", server.url, "--audit-directory", log)
                          for log in logs)
        beside, kills = self.workers[:1], 15
        going_on = threading.Thread(target=beside[0].work, args=(steady, lambda: None))
        going_on.start()
        for _ in range(kills):
            self.kill_under_load(killed, others=beside)
            # The other one knows all that was answered, at once.
            for service in (steady, killed.start()):
                client = Client(service)
                for worker in self.workers[1:]:
                    worker.judge(client, everything=False)
                client.close()
            self.assertTrue(going_on.is_alive(), "the other service did not bear it")
        steady.kill()
        going_on.join()
        client = Client(killed)
        for worker in self.workers:
            worker.judge(client, everything=True)
        self.judge_whole(client)
        client.close()
        killed.end()
        self.judge_audit(*logs)
        self.tell(kills)


if __name__ == "__main__":
    unittest.main(verbosity=2)
