"""Prints an exported file system (a tar archive on standard input), or with --config an image's configuration, so that two of them can be compared line by line."""
import hashlib
import json
import sys
import tarfile

# What the engines themselves put into every container.
OWN = {".dockerenv", "dev/console", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys", "dev"}

if sys.argv[1:] == ["--config"]:
    image = json.load(sys.stdin)[0]
    config = image["Config"]
    for key in ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "Healthcheck", "OnBuild", "Shell"):
        value = config.get(key)
        if isinstance(value, list) and key == "Env":
            value = sorted(value)
        print(key, json.dumps(value or None, sort_keys=True))
    print("Author", image.get("Author") or None)
    print("Os", image["Os"], image["Architecture"])
else:
    lines = []
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for entry in tar:
            name = entry.name.strip("/")
            if name in OWN or not name:
                continue
            content = ""
            if entry.isfile():
                content = hashlib.sha256(tar.extractfile(entry).read()).hexdigest()[:16]
            lines.append(f"{name!r} {entry.type.decode()} {entry.mode:o} {entry.uid}:{entry.gid} {entry.size} {entry.linkname!r} {content}")
    # Which of several hard links is written as the file depends on the order: their names alone say enough.
    print("\n".join(sorted(lines)))
