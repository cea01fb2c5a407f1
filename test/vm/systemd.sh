#!/usr/bin/env bash
# Cgroups made by a real systemd (252 and newer), which must be process 1 here.
cd "$(dirname "$0")/../.." || exit 1
bin=${CAIS_BIN:-$PWD/artifacts/bin}
work=/var/tmp/cais-systemd
rm -rf "$work" && mkdir -p "$work/bundle/rootfs"/{bin,proc,sys,dev,tmp,etc}
cp /bin/busybox "$work/bundle/rootfs/bin/busybox"
for name in sh sleep cat true; do ln -s busybox "$work/bundle/rootfs/bin/$name"; done
r() { "$bin/cais-runtime" --root /run/cais-systemd --systemd-cgroup "$@"; }
failed=0
check() { # check NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then echo "ok   systemd: $1"; else echo "FAIL systemd: $1: expected \"$2\", got \"$3\""; failed=$((failed + 1)); fi
}

r spec -b "$work/bundle"
jq '.process.terminal = false | .root.readonly = false | .process.args = ["sleep", "1000"] | .linux.cgroupsPath = "machine-cais.slice:cais:test"
  | .linux.resources += { memory: { limit: 67108864 }, cpu: { shares: 512, quota: 25000, period: 50000, cpus: "0" }, pids: { limit: 50 } }' \
  "$work/bundle/config.json" >"$work/c" && mv "$work/c" "$work/bundle/config.json"
r run -d -b "$work/bundle" test </dev/null >"$work/out" 2>&1 || { cat "$work/out"; failed=1; }
unit=cais-test.scope
show() { systemctl show -p "$1" --value $unit; }
check "the scope is active" active "$(show ActiveState)"
check "it is in its slice" machine-cais.slice "$(show Slice)"
check "it is delegated" yes "$(show Delegate)"
check "memory" 67108864 "$(show MemoryMax)"
check "weight of CPU" 20 "$(show CPUWeight)"
check "CPU quota" 500ms "$(show CPUQuotaPerSecUSec)"
check "tasks" 50 "$(show TasksMax)"
check "CPUs" 0 "$(show AllowedCPUs)"
pid=$(r state test | jq .pid)
check "the process is in it" "0::/machine.slice/machine-cais.slice/$unit" "$(cat "/proc/$pid/cgroup")"
check "memory, in the kernel" 67108864 "$(cat /sys/fs/cgroup/machine.slice/machine-cais.slice/$unit/memory.max)"
check "nothing else is in it" "$pid" "$(cat /sys/fs/cgroup/machine.slice/machine-cais.slice/$unit/cgroup.procs)"
r update --memory 33554432 --pids-limit 20 test
check "updated memory" 33554432 "$(show MemoryMax)"
check "updated tasks" 20 "$(show TasksMax)"
systemctl daemon-reload
check "it stays so over a reload" 33554432 "$(cat /sys/fs/cgroup/machine.slice/machine-cais.slice/$unit/memory.max)"
check "exec" inside "$(r exec test sh -c 'echo inside')"
r pause test && check "paused" '"paused"' "$(r state test | jq .status)"
r resume test
r delete --force test
check "the unit is gone" inactive "$(show ActiveState)"
check "so is the cgroup" gone "$([ -e /sys/fs/cgroup/machine.slice/machine-cais.slice/$unit ] || echo gone)"
for i in 1 2 3; do r run -b "$work/bundle" -f <(jq '.process.args = ["true"]' "$work/bundle/config.json") test </dev/null || failed=$((failed + 1)); done
check "the same name again and again" inactive "$(show ActiveState)"
jq '.linux.cgroupsPath = "/a/path"' "$work/bundle/config.json" >"$work/bad.json"
r run -b "$work/bundle" -f "$work/bad.json" bad </dev/null 2>&1 | grep -q 'slice:prefix:name' && echo "ok   systemd: another form is refused" || failed=$((failed + 1))
r list -q
rm -rf "$work" /run/cais-systemd
[ $failed = 0 ]
