#!/usr/bin/env bash
# Measures Cais beside the newest Docker that Debian has (bench/peers.sh), in one run on one machine, and prints ratios.
# Usage: bench/run.sh [RUNS]     RUNS per command, default 20. Needs root, hyperfine and the built programs (./build.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20}
bin=$PWD/artifacts/bin
work=$(mktemp -d /var/tmp/cais-bench-XXXXXX)
namespace=cais-bench-$$

command -v hyperfine >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends hyperfine jq >/dev/null; }
peer=unix://$(bench/peers.sh)
ours=unix://$work/docker.sock

# Our engine in a network namespace of its own, as the peer, and with a run directory in memory, as the peer's and everybody's /run.
mkdir "$work/run"
mount -t tmpfs tmpfs "$work/run"
ip netns add "$namespace"
ip -n "$namespace" link set lo up
nsenter --net="/run/netns/$namespace" "$bin/caisd" --data-root "$work/data" --exec-root "$work/run" --pidfile "$work/pid" -H "$ours" >"$work/log" 2>&1 &
daemon=$!
cleanup() {
  "$bin/cais" -H "$ours" ps -aq | xargs -r "$bin/cais" -H "$ours" rm -f >/dev/null || true
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || true
  ip netns delete "$namespace"
  umount "$work/run"
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
until "$bin/cais" -H "$ours" version >/dev/null 2>&1; do kill -0 "$daemon" || { cat "$work/log"; exit 1; }; sleep 0.02; done

# The same image for both.
root=$work/busybox
mkdir -p "$root/bin"
cp "$(command -v busybox)" "$root/bin/"
for applet in sh true sleep cat echo; do ln -s busybox "$root/bin/$applet"; done
tar -C "$root" -cf "$work/busybox.tar" .
"$bin/cais" -H "$ours" import "$work/busybox.tar" busybox >/dev/null
docker -H "$peer" import "$work/busybox.tar" busybox >/dev/null

median_ms() { # name of the result file, command...
  hyperfine --shell=none --warmup 3 --runs "$runs" --export-json "$work/$1.json" "$2" >/dev/null 2>&1 || { echo "failed: $2" >&2; echo nan; return; }
  jq -r '.results[0].median * 1000' "$work/$1.json"
}
row() { printf '%-44s %10s %10s %8s\n' "$@"; }
compare() { # what, peer's command, our command
  local a b
  a=$(median_ms peer "$2")
  b=$(median_ms ours "$3")
  row "$1" "$(printf '%.1f' "$a")" "$(printf '%.1f' "$b")" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.1fx", a / b }')"
}
rss_kb() { local sum=0 pid; for pid in "$@"; do sum=$((sum + $(awk '/^Rss:/ { print $2 }' "/proc/$pid/smaps_rollup"))); done; echo $sum; }

d="docker -H $peer" c="$bin/cais -H $ours"
row "median of $runs, ms" "docker $($d version -f '{{.Server.Version}}')" "cais" "ratio"
compare "client --version" "docker --version" "$bin/cais --version"
compare "run --rm busybox true (bridge)" "$d run --rm busybox true" "$c run --rm busybox true"
compare "run --rm --net=host busybox true" "$d run --rm --net=host busybox true" "$c run --rm --net=host busybox true"
compare "run --rm --net=none busybox true" "$d run --rm --net=none busybox true" "$c run --rm --net=none busybox true"
compare "run --rm -p 18080:80 busybox true" "$d run --rm -p 18080:80 busybox true" "$c run --rm -p 18080:80 busybox true"
pc=$($d run -d busybox sleep 1000000)
oc=$($c run -d busybox sleep 1000000)
compare "exec true" "$d exec $pc true" "$c exec $oc true"
compare "ps -a" "$d ps -a" "$c ps -a"
compare "inspect" "$d inspect $pc" "$c inspect $oc"
compare "run --rm by the docker client on both" "$d run --rm busybox true" "docker -H $ours run --rm busybox true"

shim=$(pgrep -P "$daemon" -f containerd-shim-cais-v2 | head -1 || true)
[ -n "$shim" ] || shim=$(awk '/^PPid:/ { print $2 }' "/proc/$($c inspect -f '{{.State.Pid}}' "$oc")/status")
printf '\nmemory, resident: caisd %s kB, a shim %s kB\n' "$(rss_kb "$daemon")" "$(rss_kb "$shim")"

parallel() { # client...: 40 at once
  seq 40 | xargs -P 40 -I{} "$@" run -d busybox sleep 1000000 >"$work/ids"
}
timed() { local begin end; begin=$(date +%s%N); "$@" >/dev/null; end=$(date +%s%N); echo $(((end - begin) / 1000000)); }
a=$(timed parallel docker -H "$peer"); peer_ids=$(cat "$work/ids")
b=$(timed parallel "$bin/cais" -H "$ours"); our_ids=$(cat "$work/ids")
row "40 x run -d at once" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.1fx", a / b }')"
# shellcheck disable=SC2086
a=$(timed $d rm -f $peer_ids)
# shellcheck disable=SC2086
b=$(timed $c rm -f $our_ids)
row "rm -f of 40" "$a" "$b" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.1fx", a / b }')"
$d rm -f "$pc" >/dev/null
