#!/usr/bin/env python3
"""Writes an OCI layout of one layer: a root directory and how to start it.

    make_image.py ROOT LAYOUT [--tag TAG] [--user USER] [--workdir DIR] [--env NAME=VALUE]... [ARGUMENT...]

The arguments are its ENTRYPOINT (the first) and CMD (the others). The bytes depend on the files alone.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import shutil
import tarfile


def layer_of(root):
    """A tar of the root directory: sorted, owned by root, without times."""
    def plain(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, str(path.relative_to(root)), recursive=False, filter=plain)
    return out.getvalue()


def main():
    parser = argparse.ArgumentParser(description="Write an OCI layout of a root directory.")
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("layout", type=pathlib.Path)
    parser.add_argument("--tag", default="latest")
    parser.add_argument("--user")
    parser.add_argument("--workdir")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()

    aside = options.layout.with_name(options.layout.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    blobs = aside / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}",
                "size": len(data)}

    def document(value):
        return json.dumps(value, sort_keys=True).encode()

    layer = blob(layer_of(options.root), "layer.v1.tar")
    config = {"Entrypoint": options.arguments[:1], "Cmd": options.arguments[1:], "Env": options.env}
    if options.user:
        config["User"] = options.user
    if options.workdir:
        config["WorkingDir"] = options.workdir
    manifest = blob(document({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(document({
            "architecture": "amd64", "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}), "config.v1+json"),
        "layers": [layer]}), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": options.tag}
    (aside / "index.json").write_bytes(document({"schemaVersion": 2, "manifests": [manifest]}))
    (aside / "oci-layout").write_bytes(document({"imageLayoutVersion": "1.0.0"}))
    shutil.rmtree(options.layout, ignore_errors=True)
    os.rename(aside, options.layout)


if __name__ == "__main__":
    main()
