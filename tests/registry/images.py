"""Container images made by hand: OCI layouts, as small or as broken as a test wants them."""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files):
    """A tar archive of {name: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Store:
    """Blobs by digest, and what they are."""

    def __init__(self):
        self.blobs = {}
        self.types = {}

    def add(self, data, media_type):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        name = digest(data)
        self.blobs[name] = data
        self.types[name] = media_type
        return {"mediaType": media_type, "digest": name, "size": len(data)}

    def image(self, layers, architecture="amd64", docker=False, compress=True):
        """The descriptor of an image of uncompressed layers."""
        config = {"architecture": architecture, "os": "linux",
                  "config": {"Cmd": ["/app", architecture], "Env": ["A=b"]},
                  "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]}}
        kind = DOCKER_LAYER if docker else LAYER + ("+gzip" if compress else "")
        packed = [gzip.compress(data, 1, mtime=0) if compress else data for data in layers]
        manifest = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST if docker else MANIFEST,
                    "config": self.add(config, DOCKER_CONFIG if docker else CONFIG),
                    "layers": [self.add(data, kind) for data in packed]}
        return self.add(manifest, manifest["mediaType"])

    def index(self, entries, docker=False):
        """The descriptor of an index of (descriptor, platform)."""
        kind = DOCKER_LIST if docker else INDEX
        return self.add({"schemaVersion": 2, "mediaType": kind,
                         "manifests": [dict(one, platform=platform) if platform else one
                                       for one, platform in entries]}, kind)

    def write(self, directory, **tags):
        """Writes an OCI layout with {tag: descriptor}."""
        directory = pathlib.Path(directory)
        (directory / "blobs/sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        for name, data in self.blobs.items():
            (directory / "blobs/sha256" / name[7:]).write_bytes(data)
        manifests = [dict(one, annotations={"org.opencontainers.image.ref.name": tag})
                     for tag, one in tags.items()]
        (directory / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": manifests}))
        return directory


def platform(architecture, variant=None):
    return {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
