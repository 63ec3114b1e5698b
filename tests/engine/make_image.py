#!/usr/bin/env python3
"""Makes small OCI layouts, good and bad, from busybox: `make_image.py FOLDER`.

Each is a folder below FOLDER; what is wrong with a bad one is its name. The good ones hold busybox
as /bin/busybox with a few names for it, in one or more layers. Prints nothing.
"""

import gzip
import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
NAMES = ["sh", "cat", "echo", "id", "ls", "mount", "ps", "sleep", "stat", "true", "touch", "env",
         "dd", "kill", "test", "head", "wc", "grep", "hostname", "mkdir", "pwd"]
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "unknown")
TAR = "application/vnd.oci.image.layer.v1.tar"


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=0o755, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(data)
    info.uid = info.gid = 0
    return info, data


def folder(name, mode=0o755):
    return entry(name, tarfile.DIRTYPE, mode=mode)


def tar(entries, fmt=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if data else None)
    return out.getvalue()


def base():
    """The layer that all good images begin with."""
    made = [folder(name) for name in ("bin", "etc", "proc", "sys", "dev", "home")]
    made += [folder("tmp", 0o1777)]
    made += [entry("bin/busybox", data=BUSYBOX.read_bytes(), mode=0o4755)]
    made += [entry("bin/" + name, tarfile.SYMTYPE, link="busybox") for name in NAMES]
    made += [entry("etc/passwd", data=b"root:x:0:0:root:/:/bin/sh\n", mode=0o644)]
    return made


class Layout:
    """One image in a layout of its own."""

    def __init__(self, path):
        self.path = path
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests = []

    def blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs/sha256" / digest).write_bytes(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def image(self, layers, tag=None, zipped=False, config=None, diff_ids=None, kind=None):
        ids, blobs = [], []
        for layer in layers:
            ids.append("sha256:" + hashlib.sha256(layer).hexdigest())
            data = gzip.compress(layer, mtime=0) if zipped else layer
            blobs.append({"mediaType": kind or TAR + ("+gzip" if zipped else ""), **self.blob(data)})
        inner = {"Env": ["PATH=/bin", "FROM_IMAGE=yes", "GIVEN=image"], "WorkingDir": "/home",
                 **(config or {})}
        whole = {"architecture": ARCH, "os": "linux", "config": inner,
                 "rootfs": {"type": "layers", "diff_ids": diff_ids or ids}}
        manifest = {"schemaVersion": 2, "layers": blobs, "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            **self.blob(json.dumps(whole).encode())}}
        found = {"mediaType": "application/vnd.oci.image.manifest.v1+json",
                 **self.blob(json.dumps(manifest).encode())}
        if tag:
            found["annotations"] = {"org.opencontainers.image.ref.name": tag}
        self.manifests.append(found)
        return self

    def done(self):
        index = {"schemaVersion": 2, "manifests": self.manifests}
        (self.path / "index.json").write_text(json.dumps(index))

    def largest(self):
        return max((self.path / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)


def good(out):
    Layout(out / "plain").image([tar(base())]).done()
    Layout(out / "zipped").image([tar(base())], zipped=True).done()
    Layout(out / "tags").image([tar(base())], tag="one").image(
        [tar(base() + [entry("etc/two", data=b"2\n")])], tag="two").done()
    lower = base() + [folder("data"), folder("data/kept"), folder("gone"), folder("gone/deep"),
                      entry("data/hidden", data=b"1"), entry("data/kept/old", data=b"old"),
                      entry("gone/deep/file", data=b"x"), entry("data/replaced", data=b"old"),
                      entry("link", tarfile.SYMTYPE, link="/data"), folder("opaque"),
                      entry("opaque/below", data=b"1"),
                      entry("up", tarfile.SYMTYPE, link="../../../../../../etc")]
    upper = [entry("data/.wh.hidden"), entry(".wh.gone"), entry("data/replaced", data=b"new"),
             entry("link/through", data=b"t"), entry("data/hard", tarfile.LNKTYPE,
                                                     link="data/replaced"),
             entry("opaque/above", data=b"2"), entry("opaque/.wh..wh..opq"),
             entry("up/inside", data=b"not the machine's"),
             entry("a" * 150 + "/" + "b" * 200, data=b"long")]
    Layout(out / "layers").image([tar(lower), tar(upper, tarfile.GNU_FORMAT)], zipped=True).done()


def bundle(out):
    """A bundle whose config.json asks for far more than anybody may have."""
    root = out / "bundle/rootfs"
    (root / "bin").mkdir(parents=True)
    for name in ("proc", "sys", "dev", "tmp", "etc", "home"):
        (root / name).mkdir()
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in NAMES:
        (root / "bin" / name).symlink_to("busybox")
    (out / "bundle/config.json").write_text(json.dumps({
        "ociVersion": "1.0.2", "root": {"path": "rootfs"},
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/home",
                    "env": ["PATH=/bin", "FROM_IMAGE=bundle"], "noNewPrivileges": False,
                    "capabilities": {"bounding": ["CAP_SYS_ADMIN"]}},
        "hooks": {"prestart": [{"path": "/bin/touch", "args": ["touch", str(out / "hooked")]}]},
        "mounts": [{"destination": "/host", "type": "bind", "source": "/", "options": ["rbind"]}],
        "linux": {"devices": [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]}}))


def bad(out):
    one = [folder("x")]
    cases = {
        "absolute": [entry("/tmp/granary-escaped", data=b"x")],
        "upwards": [entry("a/../../granary-escaped", data=b"x")],
        "hard-link-out": [entry("x", tarfile.LNKTYPE, link="../../../etc/passwd")],
        "hard-link-absolute": [entry("x", tarfile.LNKTYPE, link="/etc/passwd")],
        "hard-link-to-nothing": [entry("x", tarfile.LNKTYPE, link="no/such")],
        "hard-link-to-folder": one + [entry("y", tarfile.LNKTYPE, link="x")],
        "device": [entry("x", tarfile.CHRTYPE)],
        "whiteout-upwards": [entry("x/.wh...")],
        "file-as-folder": [entry("x", data=b"1"), entry("x/y", data=b"2")],
    }
    for name, entries in cases.items():
        Layout(out / name).image([tar(entries)]).done()
    Layout(out / "wrong-diff-id").image([tar(one)], diff_ids=["sha256:" + "0" * 64]).done()
    Layout(out / "no-digest").image([tar(one)], diff_ids=["md5:abc"]).done()
    Layout(out / "too-few-diff-ids").image([tar(one), tar(one)], diff_ids=["sha256:" + "0" * 64]) \
        .done()
    Layout(out / "unknown-type").image([tar(one)], kind=TAR + "+zstd").done()
    Layout(out / "cut-off").image([tar(base())[:5000]]).done()
    Layout(out / "no-end").image([tar(one)[:512]]).done()
    Layout(out / "no-tar").image([b"x" * 1024]).done()
    Layout(out / "wrong-env").image([tar(one)], config={"Env": ["NOVALUE"]}).done()
    Layout(out / "relative-cwd").image([tar(one)], config={"WorkingDir": "x"}).done()
    Layout(out / "two-images").image([tar(one)], tag="a").image([tar(one + one)], tag="b").done()
    Layout(out / "no-images").done()
    layout = Layout(out / "damaged-blob").image([tar(base() + [folder("b")])])
    layout.done()
    blob = bytearray(layout.largest().read_bytes())
    blob[200000] ^= 1
    layout.largest().write_bytes(blob)
    layout = Layout(out / "damaged-gzip").image([tar(base() + [folder("g")])], zipped=True)
    layout.done()
    blob = bytearray(layout.largest().read_bytes())
    blob[len(blob) // 2] ^= 0x55
    layout.largest().write_bytes(blob)
    layout = Layout(out / "damaged-manifest").image([tar(one)])
    layout.done()
    path = layout.path / "blobs/sha256" / layout.manifests[0]["digest"][7:]
    path.write_bytes(path.read_bytes().replace(b"layers", b"loyers"))
    layout = Layout(out / "missing-blob").image([tar(base() + [folder("m")])])
    layout.done()
    layout.largest().unlink()
    layout = Layout(out / "doubled-key").image([tar(one)])
    (layout.path / "index.json").write_text('{"manifests": [], "manifests": []}')
    (out / "nothing").mkdir()


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    good(out)
    bundle(out)
    bad(out)


if __name__ == "__main__":
    main()
