#!/usr/bin/env bash
# The runtime by itself: one bundle, every command, every kind of limit, on whichever cgroups this machine has.
. "$(dirname "$0")/lib.sh"
r=$bin/cais-runtime
tool r "exec $r --root /run/smoke \"\$@\""
mkdir -p "$work/bundle"
r spec -b "$work/bundle"
write() { # write JQ-FILTER COMMAND...
  local filter=$1
  shift
  local words
  words=$(printf '%s\n' "$@" | jq -R . | jq -s .)
  jq --argjson words "$words" --arg root "$rootfs" '.root.path = $root | .root.readonly = false | .process.terminal = false | .process.args = $words | .linux.cgroupsPath = "/smoke" | '"$filter" \
    <"$work/bundle/config.json" >"$work/bundle/run.json"
}
declare -x work r

write '.' sh -c 'echo hello; exit 7'
expect "run passes output and exit code" 7 '^hello$' r run -b "$work/bundle" -f "$work/bundle/run.json" smoke
write '.linux.resources += {memory: {limit: 33554432}, cpu: {quota: 50000, period: 100000, shares: 512, cpus: "0"}, pids: {limit: 20}}' limits
expect "limits" 0 "^33554432 50000 $half 20 " r run -b "$work/bundle" -f "$work/bundle/run.json" smoke
write '.linux.resources += {memory: {limit: 8388608, swap: 8388608}}' tail /dev/zero
expect "out of memory" 137 '' r run -b "$work/bundle" -f "$work/bundle/run.json" smoke
write '.' sh -c 'mknod /tmp/loop b 7 0; head -c1 /tmp/loop; echo x >/dev/null && echo null works'
expect "device rules" 0 'null works' r run -b "$work/bundle" -f "$work/bundle/run.json" smoke
expect "device rules refuse" 0 '([Oo]peration not permitted|[Pp]ermission denied)' r run -b "$work/bundle" -f "$work/bundle/run.json" smoke
write '.' sh -c 'cat /proc/self/cgroup; ls -d /sys/fs/cgroup/*'
expect "its own view of cgroups" 0 ':/$' r run -b "$work/bundle" -f "$work/bundle/run.json" smoke
write '.' sh -c 'while true; do sleep 0.05; done'
r run -d -b "$work/bundle" -f "$work/bundle/run.json" smoke >/dev/null 2>&1 </dev/null
expect "exec" 3 '^inside$' r exec smoke sh -c 'echo inside; exit 3'
expect "pause" 0 '' r pause smoke
expect "paused" 0 '"status": "paused"' r state smoke
expect "exec in a paused container is refused" 255 'paused' r exec smoke true
expect "resume" 0 '' r resume smoke
expect "update" 0 '' r update --memory 67108864 --cpu-share 256 --pids-limit 30 smoke
expect "updated" 0 "^67108864 [^ ]* $quarter 30 " r exec smoke limits
expect "statistics" 0 '"usage":\{"limit":67108864,"usage":[1-9]' r events --stats smoke
expect "processes" 0 'sleep 0.05' r ps smoke
if [ -n "$v2" ]; then
  expect "v2: unified resources" 0 '' bash -c 'echo "{\"unified\":{\"memory.high\":\"50000000\"}}" >'"$work/u.json; r update -r $work/u.json smoke"
  expect "v2: they are there" 0 '^49999872$' r exec smoke cat /sys/fs/cgroup/memory.high
  expect "v2: a cgroup below" 0 '/below$' bash -c 'mkdir /sys/fs/cgroup/smoke/below 2>/dev/null; r exec --cgroup below smoke cat /proc/self/cgroup || true; rmdir /sys/fs/cgroup/smoke/below'
fi
expect "kill" 0 '' r kill --all smoke 9
eventually "stopped" '"status": "stopped"' r state smoke
expect "delete" 0 '' r delete smoke
expect "no cgroup is left" 0 '^$' find /sys/fs/cgroup -type d -name smoke -exec false {} +
rm -rf /run/smoke
finish
