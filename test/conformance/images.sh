#!/usr/bin/env bash
# Images at sizes, and with tools, that the test suites have no time for. Run by hand, as root, after ./build.sh:
#   test/conformance/images.sh [CASE...]      cases: docker debian layers large many fill
#
#   docker  Debian's docker 20.10 pushes what we pull and pulls what we push, digests identical; save and load both ways
#   debian  Debian root file systems for amd64 and arm64 (debootstrap; the foreign one unpacked only), imported, pushed, pulled
#   layers  an image of 127 layers is loaded, run, pushed and pulled
#   large   a layer of 2 GB goes through import, push, pull and check
#   many    a layer of 100,000 small files goes through import, export and check
#   fill    a disk that is full is a clear error and loses nothing
#
# Prints one line a case and ends with `cases: N passed, N failed`. Everything runs in namespaces of its own (tests/isolate.sh).
set -uo pipefail
cd "$(dirname "$0")/../.."
cache=${CAIS_TEST_CACHE:-/var/cache/cais-tests}
native=$(dpkg --print-architecture)
foreign=arm64
[ "$native" != arm64 ] || foreign=amd64
if [ "${1-}" != --inside ]; then
  # A mirror is not to be reached from inside.
  if [ $# = 0 ] || [[ " $* " = *" debian "* ]]; then
    tests/debian-root.sh "$cache" >/dev/null || exit 99
    if [ ! -e "$cache/debian-$foreign.tar" ]; then
      # No emulation: packages are unpacked, nothing of theirs is run.
      apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends debootstrap >/dev/null || exit 99
      scratch=$(mktemp -d /var/tmp/cais-foreign-XXXXXX)
      debootstrap --foreign --arch=$foreign --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$scratch" \
        "$(awk '/^(URIs:|deb )/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null)" >"$scratch.log" 2>&1 || { tail -5 "$scratch.log"; exit 99; }
      # What is still packed is unpacked, as the packages' own tools would.
      for package in "$scratch"/var/cache/apt/archives/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -C "$scratch" -x --keep-directory-symlink || exit 99; done
      tar -C "$scratch" --xattrs -cf "$cache/debian-$foreign.tar.new" . && mv "$cache/debian-$foreign.tar.new" "$cache/debian-$foreign.tar"
      rm -rf "$scratch" "$scratch.log"
    fi
  fi
  exec tests/isolate.sh "$0" --inside "$@"
fi
shift
[ $# -gt 0 ] || set -- docker debian layers large many fill
bin=${CAIS_BIN:-$PWD/artifacts/bin}
work=$CAIS_TEST_DISK/work
passed=0 failed=0
pids=()

say() { printf '%s\n' "$*"; }
check() { # what, command...: fails the case if the command fails
  local what=$1; shift
  "$@" || { say "    FAILED: $what"; return 1; }
}
same() { [ "$2" = "$3" ] || { say "    FAILED: $1: \"$2\" is not \"$3\""; return 1; }; }

start_engine() { # name -> sets H_name
  mkdir -p "$work/$1"
  "$bin/caisd" --data-root "$work/$1/data" --exec-root "$work/$1/run" --pidfile "$work/$1/pid" -H "unix://$work/$1/s" --bridge none >"$work/$1/log" 2>&1 &
  pids+=($!)
  for _ in $(seq 200); do "$bin/cais" -H "unix://$work/$1/s" version >/dev/null 2>&1 && return 0; sleep 0.1; done
  cat "$work/$1/log"; return 1
}
start_registry() {
  mkdir -p "$work/registry"
  printf 'version: 0.1\nlog: { level: error, accesslog: { disabled: true } }\nstorage: { filesystem: { rootdirectory: %s } }\nhttp: { addr: 127.0.0.1:5000 }\n' "$work/registry" >"$work/registry.yml"
  docker-registry serve "$work/registry.yml" >/dev/null 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do (: </dev/tcp/127.0.0.1/5000) 2>/dev/null && return 0; sleep 0.1; done
  return 1
}
cais() { "$bin/cais" -H "unix://$work/one/s" "$@"; }
second() { "$bin/cais" -H "unix://$work/two/s" "$@"; }
digest_of() { "$@" inspect -f '{{index .RepoDigests 0}}' "$image" | sed 's/.*@//'; }
busybox_tar() {
  mkdir -p "$work/bb/bin"
  cp "$(command -v busybox)" "$work/bb/bin/busybox"
  for a in sh true cat echo ls; do ln -sf busybox "$work/bb/bin/$a"; done
  tar -C "$work/bb" -cf "$work/busybox.tar" .
}
finish() { kill "${pids[@]}" 2>/dev/null; wait "${pids[@]}" 2>/dev/null; nft delete table inet cais 2>/dev/null; rm -rf /run/containerd /run/docker; for g in /sys/fs/cgroup/*/docker; do find "$g" -depth -type d -exec rmdir {} + 2>/dev/null; done; rm -rf --one-file-system "$work"; }
trap finish EXIT

case_docker() {
  local root=$work/docker-root
  mkdir -p "$root"
  containerd --root "$root/c" --state "$root/cs" --address "$root/c.sock" --log-level error >"$work/containerd.log" 2>&1 & pids+=($!)
  for _ in $(seq 100); do [ -S "$root/c.sock" ] && break; sleep 0.1; done
  dockerd --containerd "$root/c.sock" --data-root "$root/d" --exec-root "$root/x" -p "$root/pid" -H "unix://$root/s" --bridge none --iptables=false --storage-driver vfs >"$work/dockerd.log" 2>&1 & pids+=($!)
  local d="docker -H unix://$root/s"
  for _ in $(seq 200); do $d version >/dev/null 2>&1 && break; sleep 0.1; done
  check "docker starts" $d version >/dev/null || { tail -5 "$work/dockerd.log"; return 1; }
  # docker -> us
  image=127.0.0.1:5000/from-docker:1
  $d import "$work/busybox.tar" $image >/dev/null && printf 'FROM %s\nRUN echo built > /built\nCMD ["cat","/built"]\n' $image >"$work/Dockerfile"
  $d build -q -t $image - <"$work/Dockerfile" >/dev/null 2>&1 || $d import -c 'CMD ["echo","built"]' "$work/busybox.tar" $image >/dev/null
  $d push -q $image >/dev/null || return 1
  cais pull -q $image >/dev/null || return 1
  same "digest of docker's push" "$(digest_of cais)" "$(digest_of $d)" || return 1
  same "it runs" "$(cais run --rm --net none $image)" built || return 1
  # us -> docker
  image=127.0.0.1:5000/from-cais:1
  cais import -c 'CMD ["echo","ours"]' "$work/busybox.tar" $image >/dev/null && cais push -q $image >/dev/null || return 1
  $d pull -q $image >/dev/null || return 1
  same "digest of our push" "$(digest_of $d)" "$(digest_of cais)" || return 1
  # archives both ways: what the image is made of stays the same
  local layers; layers=$(cais inspect -f '{{.RootFS.Layers}}' $image)
  cais save -o "$work/ours.tar" $image && $d rmi -f $image >/dev/null && $d load -q -i "$work/ours.tar" >/dev/null || return 1
  same "layers that docker loaded" "$($d inspect -f '{{.RootFS.Layers}}' $image)" "$layers" || return 1
  $d save -o "$work/theirs.tar" $image && cais rmi -f $image >/dev/null && cais load -q -i "$work/theirs.tar" >/dev/null || return 1
  same "layers that we loaded" "$(cais inspect -f '{{.RootFS.Layers}}' $image)" "$layers"
}

case_debian() {
  local arch archive
  for arch in amd64 arm64; do
    archive=$cache/debian-$arch.tar
    [ $arch != "$native" ] || archive=$cache/debian-redis.tar
    image=127.0.0.1:5000/debian:$arch
    cais import --platform linux/$arch "$archive" $image >/dev/null && cais push -q $image >/dev/null || return 1
    second pull -q --platform linux/$arch $image >/dev/null || return 1
    same "digest ($arch)" "$(digest_of second)" "$(digest_of cais)" || return 1
    same "architecture" "$(second inspect -f '{{.Architecture}}' $image)" $arch || return 1
  done
  same "debian runs" "$(second run --rm --net none 127.0.0.1:5000/debian:$(dpkg --print-architecture) sh -c '. /etc/os-release; echo $ID')" debian || return 1
  cais manifest create 127.0.0.1:5000/debian:all 127.0.0.1:5000/debian:amd64 127.0.0.1:5000/debian:arm64 >/dev/null && cais manifest push -p 127.0.0.1:5000/debian:all >/dev/null || return 1
  second pull -q --platform all 127.0.0.1:5000/debian:all >/dev/null || return 1
  same "platforms" "$(second image inspect 127.0.0.1:5000/debian:all -f '{{.Id}}' | wc -l)" 1
}

case_layers() {
  local i layers='' diffs='' blobs=$work/many/blobs/sha256
  mkdir -p "$blobs"
  for i in $(seq 127); do
    if [ "$i" = 1 ]; then cp "$work/busybox.tar" "$work/l.tar"; else
      mkdir -p "$work/l/d" && echo "$i" >"$work/l/d/$i" && echo "$i" >"$work/l/last" && tar -C "$work/l" -cf "$work/l.tar" . && rm -r "$work/l"; fi
    local digest; digest=$(sha256sum <"$work/l.tar" | cut -d' ' -f1)
    layers+="${layers:+,}{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:$digest\",\"size\":$(stat -c %s "$work/l.tar")}"
    diffs+="${diffs:+,}\"sha256:$digest\""
    mv "$work/l.tar" "$blobs/$digest"
  done
  put() { local d; d=$(sha256sum <"$1" | cut -d' ' -f1); cp "$1" "$blobs/$d"; echo "\"digest\":\"sha256:$d\",\"size\":$(stat -c %s "$1")"; }
  printf '{"architecture":"%s","os":"linux","config":{"Cmd":["cat","/last"]},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$(dpkg --print-architecture)" "$diffs" >"$work/j"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[%s]}' "$(put "$work/j")" "$layers" >"$work/j2"
  image=127.0.0.1:5000/deep:127
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",%s,"annotations":{"io.containerd.image.name":"%s"}}]}' "$(put "$work/j2")" $image >"$work/many/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$work/many/oci-layout"
  tar -C "$work/many" -cf "$work/deep.tar" . && cais load -q -i "$work/deep.tar" >/dev/null || return 1
  same "the topmost layer wins" "$(cais run --rm --net none $image)" 127 || return 1
  same "all layers show" "$(cais run --rm --net none $image ls /d | wc -l)" 126 || return 1
  cais push -q $image >/dev/null && second pull -q $image >/dev/null || return 1
  same "digest" "$(digest_of second)" "$(digest_of cais)"
}

case_large() {
  mkdir -p "$work/big" && head -c 2000000000 /dev/urandom >"$work/big/data" && truncate -s 10G "$work/big/hole"
  local sum; sum=$(sha256sum <"$work/big/data")
  image=127.0.0.1:5000/big:1
  tar -C "$work/big" --sparse -cf - . | cais import - $image >/dev/null || return 1
  rm -r "$work/big"
  local peak; peak=$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$(cat "$work/one/pid")/status")
  cais push -q $image >/dev/null && second pull -q $image >/dev/null || return 1
  same "digest" "$(digest_of second)" "$(digest_of cais)" || return 1
  same "content" "$(sha256sum <"$(ls -d "$work"/two/data/snapshots/*/fs/data)")" "$sum" || return 1
  [ "$(stat -c %b "$(ls -d "$work"/two/data/snapshots/*/fs/hole)")" -lt 100 ] || { say "    FAILED: the hole was filled"; return 1; }
  check "the second store is sound" second system check -q || return 1
  say "    peak memory of the daemon: $peak MB"
  [ "$peak" -lt 200 ]
}

case_many() {
  mkdir -p "$work/files"
  (cd "$work/files" && for d in $(seq 100); do mkdir "d$d" && (cd "d$d" && seq 1000 | split -l 1 -a 3 - f); done)
  same "files made" "$(find "$work/files" -type f | wc -l)" 100000 || return 1
  image=127.0.0.1:5000/many:1
  # Not removed before: ext4 gives out no inode that was freed in the last half minute, and searches through all of these for each new file.
  tar -C "$work/files" -cf "$work/files.tar" .
  local begin; begin=$(date +%s%N)
  cais import "$work/files.tar" $image >/dev/null || return 1
  say "    import: $((($(date +%s%N) - begin) / 1000000)) ms"
  same "files unpacked" "$(find "$work/one/data/snapshots/$(cais inspect -f '{{index .RootFS.Layers 0}}' $image | cut -d: -f2)/fs" -type f | wc -l)" 100000 || return 1
  cais create --name many $image x >/dev/null && cais export many | tar -t | grep -c '/f' | { read -r n; same "files exported" "$n" 100000; } || return 1
  cais rm many >/dev/null && rm -r "$work/files"
  check "the store is sound" cais system check -q
}

case_fill() {
  local small=$work/small
  mkdir -p "$small" && mount -t tmpfs -o size=64m tmpfs "$small" || return 1
  "$bin/caisd" --data-root "$small/data" --exec-root "$work/small-run" --pidfile "$work/small-pid" -H "unix://$work/small.sock" --bridge none >"$work/small.log" 2>&1 &
  local pid=$!
  local c="$bin/cais -H unix://$work/small.sock"
  for _ in $(seq 100); do $c version >/dev/null 2>&1 && break; sleep 0.1; done
  $c import "$work/busybox.tar" keep:1 >/dev/null || { kill $pid; umount "$small"; return 1; }
  head -c 100000000 /dev/urandom >"$work/blob" && tar -C "$work" -cf "$work/blob.tar" blob
  local error status=0
  error=$($c import "$work/blob.tar" toobig 2>&1) && { say "    FAILED: 100 MB went into 64"; status=1; }
  grep -qi 'no space left' <<<"$error" || { say "    FAILED: unclear error: $error"; status=1; }
  same "nothing half-made" "$($c images -q | wc -l)" 1 || status=1
  check "still sound" $c system check -q || status=1
  [ "$(find "$small/data/content/ingest" "$small/data/content/partial" -type f | wc -l)" = 0 ] || { say "    FAILED: left-over files"; status=1; }
  $c import "$work/busybox.tar" again:1 >/dev/null || { say "    FAILED: no import afterwards"; status=1; }
  kill $pid; wait $pid 2>/dev/null; umount "$small"
  return $status
}

mkdir -p "$work"
busybox_tar
start_registry && start_engine one && start_engine two || { say "cases: 0 passed, 1 failed"; exit 1; }
for one in "$@"; do
  begin=$SECONDS
  if "case_$one"; then passed=$((passed + 1)); say "ok      $one ($((SECONDS - begin)) s)"; else failed=$((failed + 1)); say "FAILED  $one ($((SECONDS - begin)) s)"; fi
done
say "cases: $passed passed, $failed failed"
[ $failed = 0 ]
