#!/usr/bin/env bash
# Measures builds by Cais beside Debian's docker.io (the legacy builder) and buildah, in one run on one machine.
# Usage: bench/build.sh [RUNS]     Needs root, docker.io, buildah, hyperfine and the built programs (./build.sh). CAIS_BIN: where those are.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
if [ "${1-}" != --inside ]; then exec "$root/tests/isolate.sh" "$here/build.sh" --inside "$@"; fi
shift
runs=${1:-5}
bin=${CAIS_BIN:-$root/artifacts/bin}
base=${BASE:-${CAIS_TEST_CACHE:-/var/cache/cais-tests}/busybox.tar}
disk=$CAIS_TEST_DISK
work=$disk/work
export DOCKER_BUILDKIT=0 DOCKER_CONFIG=$disk/client PATH=$bin:$PATH
mkdir -p "$DOCKER_CONFIG" "$work" "$disk/buildah"
echo '{}' >"$DOCKER_CONFIG/config.json" # buildah wants one to be there
peer=unix:///run/peer.sock
ours=unix:///run/ours.sock
dockerd --data-root "$disk/peer" --exec-root /run/peer --pidfile /run/peer.pid -H $peer --iptables=false --bridge=none --storage-driver=overlay2 >"$disk/peer.log" 2>&1 &
peer_pid=$!
"${CAISD:-$bin/caisd}" --data-root "$disk/ours" --exec-root /run/ours --pidfile /run/ours.pid -H $ours >"$disk/ours.log" 2>&1 &
ours_pid=$!
for host in $peer $ours; do for _ in $(seq 300); do docker -H $host version >/dev/null 2>&1 && break; sleep 0.1; done; done
bud() { buildah --root "$disk/buildah/root" --runroot /run/buildah --storage-driver overlay "$@"; }
docker -H $peer import "$base" base >/dev/null
docker -H $ours import "$base" base >/dev/null
# buildah takes a name without a registry for one of a registry, unless it is told otherwise.
echo 'unqualified-search-registries = ["localhost"]' >"$disk/registries.conf"
export CONTAINERS_REGISTRIES_CONF=$disk/registries.conf
{ c=$(bud from scratch) && bud add -q "$c" "$base" / >/dev/null && bud commit -q "$c" localhost/base:latest >/dev/null; } || echo "buildah cannot make the base image" >&2

once() { # milliseconds of one run
  local begin end
  begin=$(date +%s%N)
  if ! "$@" >"$disk/said" 2>&1; then echo "failed: $*" >&2; tail -5 "$disk/said" >&2; echo nan; return; fi
  end=$(date +%s%N)
  echo $(((end - begin) / 1000000))
}
median() { local values=(); for _ in $(seq "$runs"); do values+=("$(once "$@")"); done; printf '%s\n' "${values[@]}" | sort -n | sed -n "$(((runs + 1) / 2))p"; }
row() { printf '%-46s %9s %9s %9s %9s\n' "$@"; }
compare() { # what, folder, flags...
  local what=$1 folder=$2
  shift 2
  row "$what" "$(median docker -H $peer build --network none "$@" "$folder")" "$(median bud bud --isolation chroot --layers "$@" "$folder")" \
    "$(median docker -H $ours build --network none "$@" "$folder")" "$(median cais -H $ours build -q --network none "$@" "$folder")"
}

mkdir -p "$work"/{steps,runs,stages,copy,many}
{ echo 'FROM base'; for i in $(seq 1 19); do echo "RUN echo $i > /f$i"; done; } >"$work/steps/Dockerfile"
{ echo 'FROM base'; for i in $(seq 1 10); do echo "RUN echo $i"; done; } >"$work/runs/Dockerfile"
for s in a b c d; do printf 'FROM base AS %s\nRUN i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo %s > /out-%s\n' $s $s $s; done >"$work/stages/Dockerfile"
{ echo 'FROM base'; for s in a b c d; do echo "COPY --from=$s /out-$s /"; done; } >>"$work/stages/Dockerfile"
mkdir -p "$work/copy/node_modules" && for p in $(seq 1 200); do mkdir -p "$work/copy/node_modules/p$p/lib" && for f in $(seq 1 20); do echo "module.exports = $f" >"$work/copy/node_modules/p$p/lib/$f.js"; done; done
printf 'FROM base\nCOPY node_modules /app/node_modules\nCOPY . /app/\nRUN echo built > /app/dist\n' >"$work/copy/Dockerfile"
python3 - "$work/many" <<'P'
import os, sys
for d in range(1000):
    folder = f"{sys.argv[1]}/d{d}"
    os.makedirs(folder)
    for f in range(100):
        with open(f"{folder}/f{f}", "w") as file:
            file.write(f"{d} {f}\n")
P
printf 'FROM base\nCOPY . /all/\n' >"$work/many/Dockerfile"

echo "median of $runs runs, milliseconds"
row what docker.io buildah "ours,docker" "ours,cais"
for host in peer ours; do docker -H unix:///run/$host.sock build -q --network none "$work/steps" >/dev/null; done
bud bud --isolation chroot --layers "$work/steps" >/dev/null 2>&1
compare "cached rebuild, 20 steps" "$work/steps"
compare "10 one-line RUNs, no cache" "$work/runs" --no-cache
compare "four independent stages, no cache" "$work/stages" --no-cache
compare "copy of 4,000 files twice, no cache" "$work/copy" --no-cache
if [ -z "${SKIP_MANY-}" ]; then
  row "context of 100,000 files, first" "$(once docker -H $peer build --network none "$work/many")" - "$(once docker -H $ours build --network none "$work/many")" "$(once cais -H $ours build -q "$work/many")"
  row "context of 100,000 files, unchanged" "$(once docker -H $peer build --network none "$work/many")" - "$(once docker -H $ours build --network none "$work/many")" "$(once cais -H $ours build -q "$work/many")"
fi
kill $ours_pid $peer_pid
wait $ours_pid $peer_pid 2>/dev/null
ip link delete docker0 2>/dev/null
nft list tables 2>/dev/null | grep cais | while read -r table; do nft delete $table; done
umount "$disk"/peer/* "$disk"/buildah/root/overlay 2>/dev/null
find /sys/fs/cgroup -mindepth 2 -depth -type d -path "*docker*" -exec rmdir {} + 2>/dev/null
rm -rf --one-file-system "${disk:?}"/* /run/ours /run/peer* /run/docker /run/containerd /run/buildah /run/containers /run/lock /run/xtables.lock
