#!/usr/bin/env bash
# Builds that run programs for another machine, by emulation: `cais build`, the classic door, and buildx, for two platforms into one index. Run by hand, as root, after ./build.sh.
# Needs Debian packages: qemu-user-static mmdebstrap. The kernel's binfmt_misc is the whole machine's: the format is registered under a name of this script's own, and taken away again.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CAIS_TEST_CACHE=${CAIS_TEST_CACHE:-/var/cache/cais-tests}
if [ -z "${CAIS_CONFORMANCE-}" ]; then # A mirror is not to be reached from inside.
  plugins=$("$here/../../tests/forky-packages.sh" "$CAIS_TEST_CACHE") || exit 99
  export plugins
  for machine in amd64 arm64; do
    [ -e "$CAIS_TEST_CACHE/busybox-$machine.tar" ] && continue
    mmdebstrap --quiet --arch=$machine --variant=extract --include=busybox-static bookworm "$CAIS_TEST_CACHE/busybox-$machine.new.tar" || exit 99
    mv "$CAIS_TEST_CACHE/busybox-$machine.new.tar" "$CAIS_TEST_CACHE/busybox-$machine.tar"
  done
fi
. "$here/lib.sh"
[ -e /usr/lib/binfmt.d/qemu-aarch64.conf ] || { echo "$suite: install qemu-user-static" >&2; exit 99; }

export DOCKER_CONFIG=$work/client DOCKER_HOST=unix:///run/cais/docker.sock PATH=$bin:$PATH
mkdir -p "$DOCKER_CONFIG" /run/cais
ln -s "$plugins" "$DOCKER_CONFIG/cli-plugins"
"${CAISD:-$bin/caisd}" --data-root "$work/data" --exec-root /run/cais/exec --pidfile /run/cais/pid -H "$DOCKER_HOST" >"$work/log" 2>&1 &
daemon=$!
registry=/proc/sys/fs/binfmt_misc
format=cais-test-$$
mount -t binfmt_misc binfmt_misc $registry || { echo "$suite: this kernel has no binfmt_misc" >&2; exit 99; }
end() {
  [ ! -e $registry/$format ] || echo -1 >$registry/$format
  umount $registry
}
trap end EXIT
wait_for docker version

# A root file system for each machine, which only says where its one program lies.
for machine in amd64 arm64; do
  mkdir -p "$work/$machine/bin"
  tar -C "$work/$machine" --strip-components=2 --wildcards -xf "$CAIS_TEST_CACHE/busybox-$machine.tar" './*bin/busybox' 2>/dev/null || true
  [ -e "$work/$machine/busybox" ] && mv "$work/$machine/busybox" "$work/$machine/bin/busybox"
  for name in sh uname cat echo; do ln -s busybox "$work/$machine/bin/$name"; done
done
mkdir "$work/context"
cp -r "$work/amd64" "$work/arm64" "$work/context/"
cat >"$work/context/Dockerfile" <<'DOCKERFILE'
FROM scratch
ARG TARGETARCH
COPY $TARGETARCH /
RUN uname -m >/machine && cat /machine
CMD ["cat", "/machine"]
DOCKERFILE
cd "$work/context" || exit 99

expect "without an emulator it is said before anything runs" 1 'cannot run programs for linux/arm64.*qemu-user-static' cais build --progress plain --platform linux/arm64 .

# As Debian registers it, under another name.
sed "s/^:[^:]*:/:$format:/" /usr/lib/binfmt.d/qemu-aarch64.conf >$registry/register || { echo "$suite: the kernel does not take the format" >&2; exit 99; }

# platforms NAME FILE: those that an image has.
tool platforms 'docker save "$1" | tar -xO index.json >"$2"; digest=$(jq -r ".manifests[0].digest" "$2"); docker save "$1" | tar -xO "blobs/${digest/://}" | jq -r ".manifests[].platform.architecture" | sort | paste -sd" "'

expect "cais build runs programs for arm64" 0 'aarch64' cais build --progress plain --platform linux/arm64 -t one .
expect "and the container too" 0 '^aarch64$' docker run --rm --platform linux/arm64 one
expect "the classic door does" 0 'aarch64' env DOCKER_BUILDKIT=0 docker build --platform linux/arm64 --no-cache .
expect "cais build for two platforms" 0 '' cais build --progress plain --platform linux/amd64,linux/arm64 -t ours .
expect "is one index" 0 '^amd64 arm64$' platforms ours "$work/index"
expect "whose images each have their own machine: amd64" 0 '^x86_64$' docker run --rm --platform linux/amd64 ours
expect "whose images each have their own machine: arm64" 0 '^aarch64$' docker run --rm --platform linux/arm64 ours
expect "buildx runs programs for arm64" 0 'aarch64' docker buildx build --progress plain --no-cache --platform linux/amd64,linux/arm64 -t theirs .
expect "is one index (buildx)" 0 '^amd64 arm64$' platforms theirs "$work/index"
expect "arm64 of buildx's" 0 '^aarch64$' docker run --rm --platform linux/arm64 theirs
expect "buildx knows that arm64 can be built" 0 'linux/arm64' docker buildx inspect
expect "an image of several platforms as an archive" 0 '' docker buildx build --platform linux/amd64,linux/arm64 --output "type=oci,dest=$work/both.tar" .
expect "nothing runs any more" 0 '^$' docker ps -aq

kill $daemon
wait $daemon 2>/dev/null
ip link delete docker0 2>/dev/null
nft list tables 2>/dev/null | grep cais | while read -r table; do nft delete $table; done
end
trap - EXIT
rm -rf /run/cais
cd /
finish
