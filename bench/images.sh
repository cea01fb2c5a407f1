#!/usr/bin/env bash
# Measures how fast images come in and go out: load, import, pull and push, by Cais, the newest Docker that Debian has (bench/peers.sh), podman and skopeo, in one run on
# one machine, with each engine's peak of resident memory.
# Usage: bench/images.sh [RUNS]     RUNS of each, default 5; the median is shown. Needs root and the built programs (./build.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-5}
bin=${CAIS_BIN:-$PWD/artifacts/bin}
work=$(mktemp -d /var/tmp/cais-bench-XXXXXX)
namespace=cais-bench-$$

peer=unix://$(bench/peers.sh)
ours=unix://$work/docker.sock
ip netns add "$namespace"
ip -n "$namespace" link set lo up
nsenter --net="/run/netns/$namespace" "$bin/caisd" --data-root "$work/data" --exec-root "$work/run" --pidfile "$work/pid" -H "$ours" >"$work/log" 2>&1 &
daemon=$!
pids=()
cleanup() {
  kill "$daemon" "${pids[@]}" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || true
  podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver overlay rmi -af >/dev/null 2>&1 || true
  ip netns delete "$namespace"
  umount "$work/podman/overlay" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
c="$bin/cais -H $ours" d="docker -H $peer"
p="podman --root $work/podman --runroot $work/podman-run --storage-driver overlay"
until $c version >/dev/null 2>&1; do kill -0 "$daemon" || { cat "$work/log"; exit 1; }; sleep 0.02; done

# A Debian root file system (about 120 MB, 10,000 files), and two smaller layers on it: 213 MB, three layers.
cache=${CAIS_TEST_CACHE:-/var/cache/cais-tests}
tests/debian-root.sh "$cache" >/dev/null
cp "$cache/debian-redis.tar" "$work/root.tar"
mkdir -p "$work/second" "$work/third/opt"
cp -r /usr/share/perl /usr/share/doc /usr/lib/python3* "$work/second/" 2>/dev/null || true
size() { du -sb "$1" | cut -f1; }
rest=$((213000000 - $(stat -c %s "$work/root.tar") - $(size "$work/second")))
[ $rest -gt 1000000 ] || rest=30000000
head -c $((rest * 74 / 100)) /dev/urandom | base64 -w 76 >"$work/third/opt/data"
make_archive() { # name, compressor, media type: an OCI layout that is a docker archive as well, in a tar, made with nothing but Debian's tools
  local layout=$work/layout-$1 compress=$2 media=$3 blobs layers='' diffs='' files=''
  blobs=$layout/blobs/sha256
  mkdir -p "$blobs"
  for layer in root second third; do
    if [ $layer = root ]; then cp "$work/root.tar" "$work/layer.tar"; else tar -C "$work/$layer" -cf "$work/layer.tar" .; fi
    diffs+="${diffs:+,}\"sha256:$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)\""
    $compress <"$work/layer.tar" >"$work/layer"
    local digest; digest=$(sha256sum <"$work/layer" | cut -d' ' -f1)
    layers+="${layers:+,}{\"mediaType\":\"$media\",\"digest\":\"sha256:$digest\",\"size\":$(stat -c %s "$work/layer")}"
    files+="${files:+,}\"blobs/sha256/$digest\""
    mv "$work/layer" "$blobs/$digest"
  done
  rm "$work/layer.tar"
  put() { local digest; digest=$(sha256sum <"$1" | cut -d' ' -f1); cp "$1" "$blobs/$digest"; echo "\"digest\":\"sha256:$digest\",\"size\":$(stat -c %s "$1")"; }
  printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$(dpkg --print-architecture)" "$diffs" >"$work/json"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[%s]}' \
    "$(put "$work/json")" "$layers" >"$work/json2"
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",%s,"annotations":{"io.containerd.image.name":"docker.io/library/bench:%s","org.opencontainers.image.ref.name":"%s"}}]}' \
    "$(put "$work/json2")" "$1" "$1" >"$layout/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  # As docker save writes it: an engine that does not know layouts reads this.
  printf '[{"Config":"blobs/sha256/%s","RepoTags":["bench:%s"],"Layers":[%s]}]' "$(sha256sum <"$work/json" | cut -d' ' -f1)" "$1" "$files" >"$layout/manifest.json"
  tar -C "$layout" -cf "$work/$1.tar" blobs index.json oci-layout manifest.json
}
make_archive plain cat application/vnd.oci.image.layer.v1.tar
make_archive gzip "gzip -6" application/vnd.oci.image.layer.v1.tar+gzip
# Docker and podman read a docker archive best.
skopeo copy -q "oci-archive:$work/plain.tar:plain" "docker-archive:$work/docker.tar:bench:plain"

# One registry, reachable on both engines' own loopback.
port=5000
cat >"$work/registry.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/registry } }
http: { addr: 127.0.0.1:$port }
YAML
# A second one that is emptied before each push.
empty=5001
sed "s|$work/registry|$work/emptied|; s|:$port|:$empty|" "$work/registry.yml" >"$work/emptied.yml"
for ns in "$namespace" cais-peer; do
  for config in registry emptied; do nsenter --net="/run/netns/$ns" docker-registry serve "$work/$config.yml" >/dev/null 2>&1 & pids+=($!); done
done
in_ours() { nsenter --net="/run/netns/$namespace" "$@"; }
until in_ours skopeo copy -q --dest-tls-verify=false "oci-archive:$work/gzip.tar:gzip" docker://127.0.0.1:$port/bench:gzip 2>/dev/null; do sleep 0.2; done

rss() { # pid...: peak since the last reset, in MB
  local sum=0 pid; for pid in "$@"; do sum=$((sum + $(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status" 2>/dev/null || echo 0))); done; echo $((sum / 1024)); }
reset() { local pid; for pid in "$@"; do echo 5 >"/proc/$pid/clear_refs" 2>/dev/null || true; done; }
peer_pids() { pgrep -f "^dockerd --data-root /peer" || true; pgrep -f 'containerd --config /run/peer' || true; }
median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

measure() { # pids (or empty: the command's own memory), clean-up, command... -> "seconds MB"
  local watched=$1 clean=$2 times=() peaks=() i begin end
  shift 2
  for i in $(seq "$runs"); do
    eval "$clean" >/dev/null 2>&1 || true
    sync
    # shellcheck disable=SC2086
    reset $watched
    begin=$(date +%s%N)
    if [ -n "$watched" ]; then
      "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2; return 1; }
      end=$(date +%s%N)
      # shellcheck disable=SC2086
      peaks+=("$(rss $watched)")
    else
      /usr/bin/time -f %M -o "$work/time" "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2; return 1; }
      end=$(date +%s%N)
      peaks+=("$(($(tail -1 "$work/time") / 1024))")
    fi
    times+=($(((end - begin) / 1000000)))
  done
  echo "$(printf '%s\n' "${times[@]}" | median | awk '{ printf "%.2f", $1 / 1000 }') $(printf '%s\n' "${peaks[@]}" | median)"
}

row() { printf '%-26s %14s %14s %14s %14s %8s\n' "$@"; }
shown() { awk '{ if ($1 == "-") print "-"; else printf "%s s %s MB", $1, $2 }' <<<"$1"; }
compare() { # what, then the four results; the ratio is against the better of the engines: skopeo copies and unpacks nothing
  local best; best=$(printf '%s\n' "$2" "$3" | awk '$1 != "-" { print $1 }' | sort -n | head -1)
  row "$1" "$(shown "$2")" "$(shown "$3")" "$(shown "$4")" "$(shown "$5")" "$(awk -v b="$best" -v o="${5%% *}" 'BEGIN { printf "%.1fx", b / o }')"
}
own=$daemon
docker_pids=$(peer_pids | tr '\n' ' ')
row "median of $runs" "docker $($d version -f '{{.Server.Version}}')" "podman $(podman --version | awk '{ print $3 }')" "skopeo" "cais" "ratio"
clean_d="$d rmi -f bench:plain bench:gzip bench 127.0.0.1:$port/bench:gzip; $d image prune -f"
clean_c="$c rmi -f bench:plain bench:gzip bench 127.0.0.1:$port/bench:gzip; $c image prune -f"
clean_p="$p rmi -af"
compare "load, layers plain" \
  "$(measure "$docker_pids" "$clean_d" $d load -i "$work/docker.tar")" \
  "$(measure "" "$clean_p" $p load -i "$work/docker.tar")" \
  "$(measure "" "rm -rf $work/copied" skopeo copy -q "docker-archive:$work/docker.tar:bench:plain" "oci:$work/copied:1")" \
  "$(measure "$own" "$clean_c" $c load -i "$work/docker.tar")"
compare "load, layers gzip" \
  "$(measure "$docker_pids" "$clean_d" $d load -i "$work/gzip.tar")" \
  "$(measure "" "$clean_p" $p load -i "$work/gzip.tar")" \
  "-" \
  "$(measure "$own" "$clean_c" $c load -i "$work/gzip.tar")"
compare "import of a root" \
  "$(measure "$docker_pids" "$clean_d" $d import "$work/root.tar" bench)" \
  "$(measure "" "$clean_p" $p import -q "$work/root.tar" bench)" \
  "-" \
  "$(measure "$own" "$clean_c" $c import "$work/root.tar" bench)"
compare "pull from loopback" \
  "$(measure "$docker_pids" "$clean_d" $d pull -q 127.0.0.1:$port/bench:gzip)" \
  "$(measure "" "$clean_p" nsenter --net="/run/netns/$namespace" $p pull -q --tls-verify=false 127.0.0.1:$port/bench:gzip)" \
  "$(measure "" "rm -rf $work/copied" nsenter --net="/run/netns/$namespace" skopeo copy -q --src-tls-verify=false docker://127.0.0.1:$port/bench:gzip "oci:$work/copied:1")" \
  "$(measure "$own" "$clean_c" $c pull -q 127.0.0.1:$port/bench:gzip)"

# Pushes, each to a registry that has nothing. Docker compressed what it imported at once, Cais does when it is sent: so the two go together.
to=127.0.0.1:$empty
$d load -i "$work/gzip.tar" >/dev/null && $d tag bench:gzip $to/bench:gzip
$c load -q -i "$work/gzip.tar" >/dev/null && $c tag bench:gzip $to/bench:gzip
$p tag "$($p load -q -i "$work/gzip.tar" | sed "s/.*: //")" $to/bench:gzip
compare "push, layers gzip" \
  "$(measure "$docker_pids" "rm -rf $work/emptied" $d push -q $to/bench:gzip)" \
  "$(measure "" "rm -rf $work/emptied" nsenter --net="/run/netns/$namespace" $p push -q --tls-verify=false $to/bench:gzip)" \
  "$(measure "" "rm -rf $work/emptied" nsenter --net="/run/netns/$namespace" skopeo copy -q --dest-tls-verify=false "oci-archive:$work/gzip.tar:gzip" "docker://$to/bench:gzip")" \
  "$(measure "$own" "rm -rf $work/emptied" $c push -q $to/bench:gzip)"
import_and_push() { $1 import "$work/root.tar" $to/root:1 >/dev/null && $1 push -q $to/root:1; }
compare "import and push of a root" \
  "$(measure "$docker_pids" "rm -rf $work/emptied; $d rmi -f $to/root:1" import_and_push "$d")" \
  "-" \
  "-" \
  "$(measure "$own" "rm -rf $work/emptied; $c rmi -f $to/root:1" import_and_push "$c")"
