"""Prints what an image is made of, so that two of them can be compared line by line: the files of its layers put together (an archive of docker save on
standard input), or with --config its configuration (docker image inspect)."""
import hashlib
import json
import sys
import tarfile
import tempfile


def config():
    image = json.load(sys.stdin)[0]
    for key in ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Healthcheck", "OnBuild", "Shell"):
        value = image["Config"].get(key)
        if isinstance(value, list) and key == "Env":
            value = sorted(value)
        # Newer builders say what everybody assumes.
        if key == "WorkingDir" and value == "/":
            value = None
        print(key, json.dumps(value or None, sort_keys=True))
    print("Author", image.get("Author") or None)
    print("Os", image["Os"], image["Architecture"])


def remove(files, path, itself):
    for name in [n for n in files if n.startswith(path + "/") or (itself and n == path)]:
        del files[name]


def apply(files, layer):
    added = {}
    for entry in layer:
        name = entry.name.strip("/").removeprefix("./")
        if name in ("", "."):
            continue
        parent, _, base = name.rpartition("/")
        if base == ".wh..wh..opq":
            remove(files, parent, False)
        elif base.startswith(".wh."):
            remove(files, (parent + "/" if parent else "") + base[4:], True)
        else:
            content = hashlib.sha256(layer.extractfile(entry).read()).hexdigest()[:16] if entry.isreg() else ""
            line = f"{entry.type.decode()} {entry.mode & 0o7777:o} {entry.uid}:{entry.gid} {entry.size if entry.isreg() else 0} {entry.linkname if entry.issym() else ''!r} {content} {sorted(k for k in entry.pax_headers if 'xattr' in k)}"
            if entry.islnk():
                target = entry.linkname.strip("/").removeprefix("./")
                line = added.get(target) or files[target]
            added[name] = line
            if not entry.isdir():
                remove(files, name, True)
    files.update(added)


def main():
    with tempfile.TemporaryFile() as file:
        while chunk := sys.stdin.buffer.read(1 << 20):
            file.write(chunk)
        file.seek(0)
        files = {}
        with tarfile.open(fileobj=file) as archive:
            for path in json.load(archive.extractfile("manifest.json"))[0]["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(path), mode="r:*") as layer:
                    apply(files, layer)
        # The legacy builder leaves what its containers' own files were mounted on.
        for name in ("etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ".dockerenv", "dev/console", "dev/pts", "dev/shm", "dev", "proc", "sys"):
            files.pop(name, None)
        for name in sorted(files):
            print(repr(name), files[name])


config() if sys.argv[1:] == ["--config"] else main()
