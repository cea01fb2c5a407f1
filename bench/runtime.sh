#!/usr/bin/env bash
# Times `run` of `true` with cais-runtime, crun and runc: one bundle, one configuration, with cgroups, Docker's seccomp filter and all
# namespaces, one run on one machine; then counts the system calls of each. First Debian 12's crun and runc, then, in a root of its own
# (bench/peers.sh makes it), the newest that Debian has. Usage (root): bench/runtime.sh [RUNS]
# Needs: ./build.sh, and Debian's hyperfine, jq, strace, runc, crun, busybox-static.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/.." && pwd)
runs=${1:-100}
bin=${CAIS_BIN:-$project/artifacts/bin}
forky=${PEERS:-$HOME/peers}/forky
if [ -z "${CAIS_BENCH_INSIDE-}" ]; then
  CAIS_BENCH_INSIDE=1 exec "$project/tests/isolate.sh" "$0" "$@"
fi

# crun refuses the mixed layout of cgroup v1 with a v2 tree beside it.
umount /sys/fs/cgroup/unified 2>/dev/null || true
work=$CAIS_TEST_DISK/bench
mkdir -p "$work"/{bin,bundle/rootfs/{bin,proc,sys,dev,tmp,etc}}
trap 'rm -rf "$work" /run/crun /run/runc' EXIT
cp /bin/busybox "$work/bundle/rootfs/bin/true"
cp "$bin/cais-runtime" "$(command -v hyperfine)" "$work/bin/"
# strace with all that it loads, so that it runs in the other root, too.
mkdir "$work/strace"
cp "$(command -v strace)" $(ldd "$(command -v strace)" | awk '$3 ~ /^\// { print $3 }') "$work/strace/"
cp "$(ldd "$(command -v strace)" | awk '$1 ~ /^\/.*ld-linux/ { print $1 }')" "$work/strace/loader"
"$bin/cais-runtime" spec -b "$work/bundle"
jq --slurpfile profile "$project/src/Cais.Engine/Specs/seccomp-default.json" '
  .process.terminal = false | .process.args = ["/bin/true"] | .linux.cgroupsPath = "/cais-bench"
  | .linux.resources += { memory: { limit: 268435456 }, cpu: { shares: 512, quota: 100000, period: 100000 }, pids: { limit: 100 } }
  | .linux.seccomp = {
      defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
      syscalls: [$profile[0].syscalls[] | select(.includes.caps == null and ((.includes.arches // ["amd64"]) | index("amd64")) and (.excludes.arches // [] | index("amd64") | not)) | { names, action } + (if .args then { args } else {} end)] }
  ' "$work/bundle/config.json" >"$work/config.json"
mv "$work/config.json" "$work/bundle/config.json"

# measure WORK RUNS: in whichever root it is called.
cat >"$work/measure.sh" <<'MEASURE'
set -eu
work=$1 runs=$2
cd "$work"
for program in "$work/bin/cais-runtime" crun runc; do
  "$program" --version | head -1
done
"$work/bin/hyperfine" --style none --shell none --warmup 5 --runs "$runs" --export-json "$work/times.json" \
  -n cais-runtime "$work/bin/cais-runtime --root $work/state run -b $work/bundle bench-a" \
  -n crun "crun --root $work/state-crun run -b $work/bundle bench-b" \
  -n runc "runc --root $work/state-runc run -b $work/bundle bench-c" >/dev/null
rm -f "$work/calls"
for name in cais-runtime crun runc; do
  program=$(PATH=$work/bin:$PATH command -v $name)
  "$work/strace/loader" --library-path "$work/strace" "$work/strace/strace" -f -c -o "$work/trace" \
    "$program" --root "$work/state-$name" run -b "$work/bundle" "bench-$name"
  awk -v name=$name '$NF == "total" { printf "  %-14s %6d calls\n", name, $4 == "total" ? $3 : $4 }' "$work/trace" >>"$work/calls"
done
MEASURE
report() {
  jq -r '.results as $r | $r[] | "  \(.command)\t\(.median * 1000 | . * 10 | round / 10) ms median\t\(.min * 1000 | . * 10 | round / 10) ms best\t\((.user + .system) * 10000 | round / 10) ms CPU\t\(.median / $r[0].median * 100 | round / 100) x"' "$work/times.json" | column -t -s$'\t'
  echo "  system calls of one run (strace -f -c):"
  sed 's/^/  /' "$work/calls"
}

echo "== Debian 12"
sh "$work/measure.sh" "$work" "$runs"
report
if [ -e "$forky/.complete" ]; then
  echo "== Debian forky"
  mkdir -p "$work/root"
  unshare --mount --propagation private sh -c "
    set -e
    mount --bind '$forky' '$work/root'
    for m in proc sys dev; do mount --rbind /\$m '$work/root'/\$m; done
    mount -t tmpfs tmpfs '$work/root/run' && mkdir -p '$work/root/run/bench'
    mount --bind '$work' '$work/root/run/bench'
    cd '$work/root' && pivot_root . .old && umount -l /.old && cd /
    sh /run/bench/measure.sh /run/bench $runs"
  report
fi
find /sys/fs/cgroup -mindepth 2 -depth -type d -name cais-bench -exec rmdir {} + 2>/dev/null || true
