"""Debian's python3-docker: a nightly job of a small firm, and the corners of the library that scripts use."""
import contextlib
import io
import socket
import sys
import tarfile
import threading
import time
import traceback

import docker
from docker.errors import APIError, BuildError, ContainerError, ImageNotFound, NotFound
from docker.types import Healthcheck, LogConfig, Mount, RestartPolicy, Ulimit

failed = 0


@contextlib.contextmanager
def check(name):
    global failed
    try:
        yield
        print("ok", name, flush=True)
    except Exception as e:
        failed += 1
        print(f"FAIL {name}: {type(e).__name__}: {str(e)[:500]}".replace("\n", " "), flush=True)
        traceback.print_exc()


def equal(expected, got):
    assert expected == got, f"expected {expected!r}, got {got!r}"


def raises(kind, text, action):
    try:
        action()
    except kind as e:
        assert text in str(e), f"{text!r} is not in {e}"
        return e
    raise AssertionError(f"no {kind.__name__}")


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755
            tar.addfile(info, io.BytesIO(content))
    buffer.seek(0)
    return buffer


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def work(client, version):
    modern = tuple(map(int, client.api.api_version.split("."))) >= (1, 52)

    def named(name):
        return check(f"{version}: {name}")

    with named("version and info"):
        equal("linux", client.version()["Os"])
        info = client.info()
        assert info["Containers"] >= 0 and info["ServerVersion"] and info["Driver"], info
        equal(True, client.ping())

    with named("run returns what was written"):
        equal(b"hello\n", client.containers.run("tiny", "echo hello", remove=True))
        equal(b"both\n", client.containers.run("tiny", ["sh", "-c", "echo both >&2"], remove=True, stderr=True))

    with named("run with a failure"):
        e = raises(ContainerError, "returned non-zero exit status 3", lambda: client.containers.run("tiny", "sh -c 'echo why >&2; exit 3'", remove=True))
        equal((3, b"why\n"), (e.exit_status, e.stderr))

    with named("an image that is not there"):
        raises(ImageNotFound, "nonesuch", lambda: client.images.get("nonesuch:1"))
        raises(NotFound, "No such container", lambda: client.containers.get("nonesuch"))

    with named("build from a context in memory, with its messages"):
        context = archive({"Dockerfile": b"FROM tiny\nARG who\nLABEL made.by=python\nCOPY say /bin/say\nRUN say $who > /said\nCMD [\"cat\", \"/said\"]\n",
                           "say": b"#!/bin/sh\necho I am $1\n"})
        image, messages = client.images.build(fileobj=context, custom_context=True, tag="built:1", buildargs={"who": "built"}, rm=True, labels={"k": "v"})
        messages = list(messages)
        assert any("Step 1/6" in m.get("stream", "") for m in messages), messages
        assert any("Successfully built" in m.get("stream", "") for m in messages), messages
        equal({"made.by": "python", "k": "v"}, image.labels)
        equal(b"I am built\n", client.containers.run("built:1", remove=True))

    with named("a build that fails"):
        raises(BuildError, "returned a non-zero code: 4", lambda: client.images.build(fileobj=io.BytesIO(b"FROM tiny\nRUN exit 4\n"), rm=True))

    with named("images: list, tag, history, save and load, remove"):
        assert "built:1" in [t for i in client.images.list(filters={"label": "made.by=python"}) for t in i.tags]
        image = client.images.get("built:1")
        equal(True, image.tag("built", "2"))
        image.reload()
        assert len(image.history()) >= 5
        saved = b"".join(image.save(named="built:2"))
        client.images.remove("built:2")
        client.images.remove("built:1")
        raises(ImageNotFound, "built:1", lambda: client.images.get("built:1"))
        loaded = client.images.load(saved)
        equal(["built:2"], loaded[0].tags)
        client.images.remove(loaded[0].id, force=True)

    network = client.networks.create("py-net", driver="bridge", labels={"k": "v"},
                                     ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.87.0.0/24", gateway="10.87.0.1")]))
    volume = client.volumes.create("py-data", labels={"k": "v"})
    server = client.containers.run(
        "tiny", ["sh", "-c", "trap 'echo bye; exit 9' TERM; echo ready; httpd -p 80 -h /srv; while true; do sleep 0.1; done"], name="py-server", detach=True,
        ports={"80/tcp": ("127.0.0.1", None)}, environment={"MODE": "test"}, labels={"app": "py"}, network="py-net", hostname="srv",
        mounts=[Mount("/srv", "py-data")], volumes={"/usr/share": {"bind": "/host", "mode": "ro"}}, tmpfs={"/scratch": "size=1m"}, mem_limit="64m", cpu_shares=512,
        pids_limit=50, ulimits=[Ulimit(name="nofile", soft=99, hard=100)], sysctls={"net.ipv4.ip_forward": "1"}, cap_drop=["NET_RAW"], dns=["192.0.2.1"], extra_hosts={"there": "192.0.2.9"},
        shm_size="8m", log_config=LogConfig(type="json-file", config={"max-size": "1m"}), restart_policy={"Name": "on-failure", "MaximumRetryCount": 1},
        healthcheck=Healthcheck(test=["CMD-SHELL", "test -d /srv"], interval=200_000_000, timeout=2_000_000_000, retries=2), stop_signal="TERM", user="0:0", working_dir="/srv", init=False,
        read_only=True, group_add=["77"], security_opt=["no-new-privileges"], oom_score_adj=100)
    api = client.api
    try:
        with named("a server: what was asked is what there is"):
            server.reload()
            attrs = server.attrs
            equal("running", server.status)
            host = attrs["HostConfig"]
            equal((64 << 20, 512, 50, 8 << 20), (host["Memory"], host["CpuShares"], host["PidsLimit"], host["ShmSize"]))
            equal([{"Name": "nofile", "Soft": 99, "Hard": 100}], host["Ulimits"])
            equal("srv", attrs["Config"]["Hostname"])
            equal({"/srv": "volume", "/host": "bind"}, {m["Destination"]: m["Type"] for m in attrs["Mounts"]})
            assert attrs["NetworkSettings"]["Networks"]["py-net"]["IPAddress"].startswith("10.87.0."), attrs["NetworkSettings"]
            for name in () if modern else ("Bridge", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress", "SandboxID", "Ports"):
                assert name in attrs["NetworkSettings"], name

        with named("exec: output apart, exit code, environment, tty"):
            code, (out, err) = server.exec_run(["sh", "-c", "echo $MODE $A; echo oops >&2; exit 6"], demux=True, environment={"A": "1"})
            equal((6, b"test 1\n", b"oops\n"), (code, out, err))
            equal((0, b"/dev/pts/0\r\n"), tuple(server.exec_run("tty", tty=True)))
            equal("65534", server.exec_run("id -u", user="65534").output.decode().strip())
            equal(b"first\nsecond\n", b"".join(server.exec_run("sh -c 'echo first; sleep 0.1; echo second'", stream=True).output))

        with named("exec with a socket: input and its end"):
            made = api.exec_create(server.id, "cat", stdin=True)["Id"]
            stream = api.exec_start(made, socket=True)
            stream._sock.sendall(b"through the socket")
            stream._sock.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := stream.read(4096):
                data += chunk
            assert data.endswith(b"through the socket") and data[0] == 1, data
            stream.close()
            until(lambda: not api.exec_inspect(made)["Running"])
            equal(0, api.exec_inspect(made)["ExitCode"])

        with named("files in and out"):
            assert server.put_archive("/srv", archive({"index.html": b"<p>python</p>"}))
            chunks, stat = server.get_archive("/srv/index.html")
            equal(("index.html", 13), (stat["name"], stat["size"]))
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
                equal(b"<p>python</p>", tar.extractfile("index.html").read())
            raises(NotFound, "", lambda: server.get_archive("/nonesuch"))

        with named("a published port"):
            server.reload()
            port = server.ports["80/tcp"][0]["HostPort"]
            import http.client
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
            connection.request("GET", "/index.html")
            equal(b"<p>python</p>", connection.getresponse().read())

        with named("health becomes healthy"):
            until(lambda: api.inspect_container(server.id)["State"]["Health"]["Status"] == "healthy")

        with named("logs: whole, tail, since, stream"):
            equal(b"ready\n", server.logs())
            equal(b"ready\n", server.logs(tail=1, timestamps=False))
            assert b"Z ready\n" in server.logs(timestamps=True)
            equal(b"ready\n", next(iter(server.logs(stream=True, follow=True))))

        with named("statistics: once and as a stream"):
            once = server.stats(stream=False)
            for name in ("read", "cpu_stats", "memory_stats", "networks", "pids_stats", "blkio_stats"):
                assert name in once, name
            stream = server.stats(decode=True, stream=True)
            first, second = next(stream), next(stream)
            assert second["cpu_stats"]["system_cpu_usage"] > first["cpu_stats"]["system_cpu_usage"]
            stream.close()

        with named("top, changes, rename, update"):
            assert any("httpd" in " ".join(p) for p in server.top()["Processes"])
            assert server.diff() is None or isinstance(server.diff(), list)
            server.rename("py-renamed")
            equal("py-renamed", client.containers.get("py-renamed").name)
            server.update(mem_limit="96m", memswap_limit="96m")
            server.reload()
            equal(96 << 20, server.attrs["HostConfig"]["Memory"])

        with named("pause, unpause, kill -0, restart"):
            server.pause()
            server.reload()
            equal("paused", server.status)
            server.unpause()
            server.kill("CONT")
            server.restart(timeout=2)
            server.reload()
            equal("running", server.status)

        with named("lists and filters"):
            equal(["py-renamed"], [c.name for c in client.containers.list(filters={"label": "app=py"})])
            equal([], client.containers.list(filters={"status": "exited", "label": "app=py"}))
            equal(["py-net"], [n.name for n in client.networks.list(names=["py-net"])])
            equal(["py-data"], [v.name for v in client.volumes.list(filters={"label": "k=v"})])

        with named("a second network, with an alias"):
            other = client.networks.create("py-other")
            other.connect(server, aliases=["the-server"])
            equal(b"<p>python</p>", client.containers.run("tiny", "wget -qO- http://the-server/index.html", network="py-other", remove=True))
            other.reload()
            equal([server.id], [c.id for c in other.containers])
            raises(APIError, "has active endpoints", other.remove)
            other.disconnect(server)
            other.remove()

        with named("a conflict of names"):
            raises(APIError, "is already in use by container", lambda: client.containers.create("tiny", "true", name="py-renamed"))

        with named("commit"):
            image = server.commit("committed", "1", message="as it is", changes="ENV COMMITTED=yes")
            assert "COMMITTED=yes" in image.attrs["Config"]["Env"]
            client.images.remove("committed:1")

        with named("export"):
            with tarfile.open(fileobj=io.BytesIO(b"".join(server.export()))) as tar:
                assert "bin/busybox" in tar.getnames()

        with named("stop and wait"):
            waited = []
            thread = threading.Thread(target=lambda: waited.append(server.wait(timeout=30)))
            thread.start()
            server.stop(timeout=5)
            thread.join(30)
            equal(9, waited[0]["StatusCode"])
            assert server.logs().endswith(b"bye\n")
    finally:
        server.remove(force=True, v=True)
        volume.remove()
        network.remove()

    with named("attach before the start sees all"):
        container = client.containers.create("tiny", "sh -c 'read line; echo got $line'", stdin_open=True)
        stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        container.start()
        stream._sock.sendall(b"typed\n")
        data = b""
        while chunk := stream.read(4096):
            data += chunk
        equal(b"got typed\n", data[8:])
        stream.close()
        container.remove()

    with named("a terminal, resized"):
        container = client.containers.create("tiny", "sh -c 'read line; stty size'", stdin_open=True, tty=True)
        stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        container.resize(41, 123)
        stream._sock.sendall(b"\n")
        data = b""
        while chunk := stream.read(4096):
            data += chunk
        assert b"41 123" in data, data
        stream.close()
        container.remove()

    with named("events of a life"):
        since = time.time()
        client.containers.run("tiny", "true", name="py-event", remove=True)
        seen = []
        for event in client.events(since=since, until=time.time() + 1, decode=True, filters={"type": "container"}):
            seen.append(event)
        actions = [e["Action"] for e in seen if e["Actor"]["Attributes"].get("name") == "py-event"]
        equal(["create", "start", "die", "destroy"], [a for a in actions if a != "attach"])
        assert modern or all(e["status"] == e["Action"] and e["id"] == e["Actor"]["ID"] for e in seen), seen

    with named("disk usage and prunes"):
        usage = client.df()
        for name in ("LayersSize", "Images", "Containers", "Volumes"):
            assert name in usage, name
        client.containers.create("tiny", "true", labels={"prune": "me"})
        equal(1, len(client.containers.prune(filters={"label": "prune=me"})["ContainersDeleted"]))
        client.volumes.create("py-pruned", labels={"prune": "me"})
        client.networks.create("py-pruned", labels={"prune": "me"})
        equal(["py-pruned"], client.networks.prune(filters={"label": "prune=me"})["NetworksDeleted"])
        with contextlib.suppress(NotFound):
            client.volumes.get("py-pruned").remove()

    with named("many at once"):
        done = []
        threads = [threading.Thread(target=lambda i=i: done.append(client.containers.run("tiny", f"echo {i}", remove=True))) for i in range(8)]
        [t.start() for t in threads]
        [t.join(60) for t in threads]
        equal(sorted(f"{i}\n".encode() for i in range(8)), sorted(done))


def old_work(client, version):
    """What the library does not refuse by itself in the oldest version."""
    with check(f"{version}: a life"):
        equal("1.24", client.api.api_version)
        container = client.containers.create("tiny", "sh -c 'echo out; echo err >&2; exit 5'", name="py-old", mem_limit="64m", environment=["A=1"], volumes=["/data"])
        container.start()
        equal(5, container.wait() if isinstance(container.wait(), int) else container.wait()["StatusCode"])
        equal((b"out\n", b"err\n"), (container.logs(stderr=False), container.logs(stdout=False)))
        attrs = container.attrs
        for name in ("Image", "Driver", "GraphDriver", "HostConfig", "NetworkSettings", "Mounts", "Config", "State", "LogPath", "ResolvConfPath"):
            assert name in attrs, name
        equal(["/py-old"], [n for c in client.api.containers(all=True, filters={"name": "py-old"}) for n in c["Names"]])
        container.remove(v=True)
    with check(f"{version}: an image and the machine"):
        image = client.images.get("tiny")
        for name in ("Config", "ContainerConfig", "Container", "DockerVersion", "GraphDriver", "Parent", "VirtualSize", "Author", "Comment"):
            assert name in image.attrs, name
        assert all("=" not in o for o in client.info()["SecurityOptions"])
        assert client.images.list()[0].attrs["VirtualSize"] > 0


# The library's own version, older ones, and the newest that both know.
for version in sys.argv[1:] or [docker.constants.DEFAULT_DOCKER_API_VERSION, "1.30", "auto"]:
    work(docker.from_env(version=version, timeout=60), version)
old_work(docker.from_env(version="1.24", timeout=60), "1.24")
sys.exit(1 if failed else 0)
