#!/usr/bin/env bash
# Checkpoint and restore with a real criu (CRIU: another program), by command line and through containerd with both shims.
cd "$(dirname "$0")/../.." || exit 1
bin=${CAIS_BIN:-$PWD/artifacts/bin}
work=/var/tmp/cais-criu
rm -rf "$work" && mkdir -p "$work/bundle/rootfs"/{bin,proc,sys,dev,tmp,etc}
cp /bin/busybox "$work/bundle/rootfs/bin/busybox"
for name in sh sleep cat true echo; do ln -s busybox "$work/bundle/rootfs/bin/$name"; done
criu=${CRIU:-criu}
r() { "$bin/cais-runtime" --criu "$criu" --root /run/cais-criu "$@"; }
failed=0
ok() { echo "ok   criu: $1"; }
bad() { echo "FAIL criu: $1"; shift; printf '     %s\n' "$@"; failed=$((failed + 1)); }
count() { tail -1 "$work/bundle/rootfs/count" 2>/dev/null; }
counts_on() { local before; before=$(count); before=${before:-0}; for _ in $(seq 300); do [ "$(count)" -gt "$before" ] 2>/dev/null && return 0; sleep 0.1; done; return 1; }
echo "VM: $("$criu" --version | head -1); criu check: $("$criu" check 2>&1 | tail -1)"

r spec -b "$work/bundle"
jq '.process.terminal = false | .root.readonly = false | .linux.cgroupsPath = "/cais-criu"
  | .process.args = ["sh", "-c", "i=0; while true; do i=$((i+1)); echo $i >> /count; sleep 0.1; done"]' "$work/bundle/config.json" >"$work/c" && mv "$work/c" "$work/bundle/config.json"
r run -d -b "$work/bundle" one </dev/null >"$work/out" 2>&1 || bad "run" "$(cat "$work/out")"
counts_on && ok "it counts" || bad "it counts"

memory=1
"$criu" check --feature mem_dirty_track >/dev/null 2>&1 || { memory=; echo "skip criu: pre-dump: this kernel does not track changes of memory"; }
parent=()
[ -z "$memory" ] || parent=(--parent-path ../pre)
if [ -n "$memory" ]; then
  r checkpoint --pre-dump --image-path "$work/pre" one >"$work/out" 2>&1 && ok "pre-dump" || bad "pre-dump" "$(cat "$work/out")"
  counts_on && ok "it counts on after a pre-dump" || bad "it counts on after a pre-dump"
fi
r checkpoint --leave-running --image-path "$work/image0" one >"$work/out" 2>&1 && ok "checkpoint --leave-running" || bad "checkpoint --leave-running" "$(cat "$work/out")"
counts_on && ok "it counts on after that" || bad "it counts on after that"
r checkpoint --image-path "$work/image" "${parent[@]}" --work-path "$work/w" --file-locks --manage-cgroups-mode soft one >"$work/out" 2>&1 && ok "checkpoint" || bad "checkpoint" "$(cat "$work/out")"
[ -z "$(r list -q)" ] && ok "the container is gone" || bad "the container is gone" "$(r list)"
before=$(count)
r restore -d --image-path "$work/image" --work-path "$work/w" -b "$work/bundle" --pid-file "$work/pid" two </dev/null >"$work/out" 2>&1 && ok "restore" || bad "restore" "$(cat "$work/out")"
counts_on && [ "$(sed -n "$((before + 1))p" "$work/bundle/rootfs/count")" = $((before + 1)) ] && ok "it goes on where it was" || bad "it goes on where it was" "$before $(count)"
[ "$(r state two | jq -r .status)" = running ] && ok "it runs" || bad "it runs"
[ "$(cat "$work/pid")" = "$(r state two | jq .pid)" ] && ok "pid file" || bad "pid file"
grep -q cais-criu "/proc/$(cat "$work/pid")/cgroup" && ok "it is in its cgroup" || bad "it is in its cgroup" "$(cat "/proc/$(cat "$work/pid")/cgroup")"
[ "$(r exec two echo inside)" = inside ] && ok "exec in it" || bad "exec in it"
r kill two KILL; r delete --force two && ok "delete" || bad "delete"
(r restore --image-path "$work/image" -b "$work/bundle" three </dev/null >"$work/out" 2>&1; echo $? >"$work/code") &
for _ in $(seq 300); do [ "$(r state three 2>/dev/null | jq -r .status)" = running ] && break; sleep 0.1; done
r kill three KILL; wait
[ "$(cat "$work/code")" = 137 ] && ok "restore in the foreground, with its exit code" || bad "restore in the foreground" "$(cat "$work/code" "$work/out")"
r --criu /nonesuch restore --image-path "$work/image" -b "$work/bundle" four </dev/null 2>&1 | grep -q 'need criu' && ok "a missing criu is named" || bad "a missing criu is named"
r restore --image-path "$work/nothing" -b "$work/bundle" five </dev/null 2>&1 | grep -q 'is no checkpoint' && ok "a missing image is named" || bad "a missing image is named"
[ -z "$(r list -q)" ] && ok "nothing is left" || bad "nothing is left" "$(r list)"

# Through containerd: the Task API's Checkpoint, and Create from a checkpoint.
mkdir -p "$work/cd"
cat >"$work/cd/config.toml" <<TOML
version = 2
root = "$work/cd/root"
state = "/run/cd-criu"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/cd-criu.sock"
[ttrpc]
  address = "/run/cd-criu.sock.ttrpc"
TOML
PATH=$bin:$PATH containerd -c "$work/cd/config.toml" >"$work/cd/log" 2>&1 &
daemon=$!
c() { ctr -a /run/cd-criu.sock "$@"; }
for _ in $(seq 300); do c version >/dev/null 2>&1 && break; sleep 0.2; done
for runtime in cais runc; do
  rm -f "$work/bundle/rootfs/count"
  flags=(--runtime "io.containerd.$runtime.v2")
  [ $runtime = cais ] || flags+=(--runc-binary "$bin/cais-runtime")
  c run -d "${flags[@]}" --rootfs "$work/bundle/rootfs" "task-$runtime" sh -c 'i=0; while true; do i=$((i+1)); echo $i >> /count; sleep 0.1; done' >"$work/out" 2>&1 || bad "$runtime shim: run" "$(cat "$work/out")"
  counts_on && ok "$runtime shim: it counts" || bad "$runtime shim: it counts"
  if [ $runtime = cais ]; then # ctr 1.6 passes a folder to runc's shim only: from any other the checkpoint becomes an image
    c task checkpoint "task-$runtime" >"$work/out" 2>&1 && c image ls -q 2>&1 | grep -q "checkpoint/task-$runtime" && ok "$runtime shim: checkpoint" || bad "$runtime shim: checkpoint" "$(cat "$work/out"; c image ls)"
  else
    c task checkpoint --image-path "$work/task-$runtime" "task-$runtime" >"$work/out" 2>&1 && [ -e "$work/task-$runtime/descriptors.json" ] && ok "$runtime shim: checkpoint" || bad "$runtime shim: checkpoint" "$(cat "$work/out")"
  fi
  counts_on && ok "$runtime shim: it counts on" || bad "$runtime shim: it counts on"
  c task kill -s 9 "task-$runtime"; sleep 1; c task rm "task-$runtime" >/dev/null 2>&1; c container rm "task-$runtime"
done
kill $daemon; wait $daemon 2>/dev/null
[ $failed = 0 ] || for log in "$work"/w/*.log /run/cais-criu/*/criu.work/*.log; do [ -e "$log" ] && echo "     $log:" && grep -E 'Error|Warn' "$log" | tail -8 | sed 's/^/     /'; done
rm -rf "$work" /run/cais-criu /run/cd-criu*
[ $failed = 0 ]
