#!/usr/bin/env bash
# Builds every case of this folder with Debian's docker.io (the legacy builder) and with Cais, through the same docker client, and compares the resulting
# file systems and configurations. Needs root, docker.io, python3 and a base root file system as a tar archive.
#   test/conformance/dockerfiles/run.sh [CASE...]
# CAIS_BIN: the programs (artifacts/bin); BASE: the base's archive (as tests/debian-root.sh makes it); KEEP: a folder for the results.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
if [ "${1-}" != --inside ]; then exec "$root/tests/isolate.sh" "$here/run.sh" --inside "$@"; fi
shift
export CAIS_BIN=${CAIS_BIN:-$root/artifacts/bin}
base=${BASE:-${CAIS_TEST_CACHE:-/var/cache/cais-tests}/debian-redis.tar}
disk=$CAIS_TEST_DISK
keep=${KEEP:-$disk/results}
mkdir -p "$keep"
export DOCKER_BUILDKIT=0 DOCKER_CONFIG=$disk/client PATH=$CAIS_BIN:$PATH
mkdir -p "$DOCKER_CONFIG"

wait_for() { for _ in $(seq 300); do docker -H "unix://$1" version >/dev/null 2>&1 && return; sleep 0.1; done; echo "no daemon at $1" >&2; exit 1; }

dockerd --data-root "$disk/peer" --exec-root /run/peer --pidfile /run/peer.pid -H unix:///run/peer.sock --iptables=false --bridge=none --storage-driver=overlay2 >"$disk/peer.log" 2>&1 &
peer=$!
"${CAISD:-$CAIS_BIN/caisd}" --data-root "$disk/ours" --exec-root /run/ours --pidfile /run/ours.pid -H unix:///run/ours.sock >"$disk/ours.log" 2>&1 &
ours=$!
wait_for /run/peer.sock
wait_for /run/ours.sock
for who in peer ours; do docker -H "unix:///run/$who.sock" import "$base" base >/dev/null || exit 1; done

failed=0
count=0
for folder in "$here"/*/; do
  name=$(basename "$folder")
  if [ $# -gt 0 ] && ! [[ " $* " == *" $name "* ]]; then continue; fi
  count=$((count + 1))
  read -r -a arguments < <(cat "$folder/arguments" 2>/dev/null; echo)
  for who in peer ours; do
    host=unix:///run/$who.sock
    if ! docker -H "$host" build -q --network none "${arguments[@]}" -t "case-$name" "$folder/context" >"$keep/$name.$who.log" 2>&1; then
      echo "$name: $who failed to build" >&2
      tail -5 "$keep/$name.$who.log" >&2
      continue
    fi
    docker -H "$host" save "case-$name" | python3 "$here/listing.py" >"$keep/$name.$who.files"
    docker -H "$host" image inspect "case-$name" | python3 "$here/listing.py" --config >"$keep/$name.$who.config"
  done
  if diff "$keep/$name.peer.files" "$keep/$name.ours.files" >"$keep/$name.diff" && diff "$keep/$name.peer.config" "$keep/$name.ours.config" >>"$keep/$name.diff"; then
    echo "$name: equal"
  else
    echo "$name: different"
    sed 's/^/    /' "$keep/$name.diff" | head -20
    failed=$((failed + 1))
  fi
done
kill "$ours" "$peer"
wait "$ours" "$peer" 2>/dev/null
ip link delete docker0 2>/dev/null
nft list tables 2>/dev/null | grep cais | while read -r table; do nft delete $table; done
umount "$disk"/peer/* 2>/dev/null
find /sys/fs/cgroup -mindepth 2 -depth -type d -path "*docker*" -exec rmdir {} + 2>/dev/null
rm -rf --one-file-system "${disk:?}"/* /run/ours /run/peer* /run/docker /run/containerd /run/xtables.lock
echo "$count cases, $failed different"
[ "$failed" -eq 0 ]
