#!/usr/bin/env bash
# Debian's containerd with ctr, with two shims: ours, and containerd's own for runc pointed at our runtime.
. "$(dirname "$0")/lib.sh"

mkdir -p "$work/etc"
cat >"$work/etc/config.toml" <<TOML
version = 2
root = "$work/root"
state = "/run/containerd-test"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/c.sock"
[ttrpc]
  address = "/run/c.sock.ttrpc"
TOML
PATH=$bin:$PATH containerd -c "$work/etc/config.toml" >"$work/log" 2>&1 &
daemon=$!
tool c "exec ctr -a /run/c.sock \"\$@\""
wait_for c version || { cat "$work/log"; exit 1; }

# Every scenario with one shim. $shim: its flags of `ctr run`.
scenarios() {
  local name=$1
  shift
  # run [FLAG...] ID COMMAND...: flags are of the form --flag=value.
  tool run "
    flags=(); while [[ \$1 == -* ]]; do flags+=(\"\$1\"); shift; done
    exec ctr -a /run/c.sock run $* \"\${flags[@]}\" --cgroup /conformance/\$1 --rootfs $rootfs \"\$@\""
  expect "$name: run passes output and exit code" 7 '^hello$' bash -c 'run --rm t1 sh -c "echo hello; exit 7"'
  expect "$name: run passes input" 0 '^typed$' bash -c '(echo typed; sleep 0.5) | run --rm t2 cat'
  expect "$name: errors are told apart" 0 '^err$' bash -c 'run --rm t3 sh -c "echo out; echo err >&2" 2>&1 >/dev/null'
  expect "$name: a missing program is named" '!0' 'no-such-program.*(not found|no such file)' bash -c 'run --rm t4 no-such-program'
  expect "$name: a terminal with its size" 5 '/dev/pts/0.*' on-terminal "run --rm -t t5 sh -c \"tty; exit 5\""
  expect "$name: a terminal has the client's size" 0 '30 100' on-terminal "run --rm -t t6 sh -c \"until stty size 2>/dev/null | grep 100; do sleep 0.1; done\""
  expect "$name: environment and directory" 0 '^x /tmp$' bash -c 'run --rm --env=A=x --cwd=/tmp t7 sh -c "echo \$A \$(pwd)"'
  expect "$name: read-only root" '!0' 'Read-only' bash -c 'run --rm --read-only t8 touch /x'
  expect "$name: host namespace" 0 "^$(readlink /proc/self/ns/net | sed 's/[][]/\\&/g')\$" bash -c 'run --rm --net-host t9 readlink /proc/self/ns/net'

  bash -c 'run -d main sh -c "trap \"exit 42\" TERM; echo begun; while true; do sleep 0.05; done"' >/dev/null
  expect "$name: exec passes output and exit code" 3 '^from exec$' c task exec --exec-id e1 main sh -c 'echo from exec; exit 3'
  expect "$name: exec with a terminal" 0 '/dev/pts/0' on-terminal "c task exec -t --exec-id e2 main tty"
  expect "$name: exec of a missing program" '!0' 'nonesuch' c task exec --exec-id e3 main nonesuch
  expect "$name: exec as another user and in another directory" 0 '^1000 /tmp$' c task exec --exec-id e4 --user 1000 --cwd /tmp main sh -c 'echo $(id -u) $(pwd)'
  expect "$name: processes" 0 '^[0-9]+ ' c task ps main
  expect "$name: metrics" 0 '(memory.usage_in_bytes|memory.usage) +[1-9]' c task metrics main
  expect "$name: pause" 0 '' c task pause main
  expect "$name: paused" 0 'main +[0-9]+ +PAUSED' c task ls
  expect "$name: resume" 0 '' c task resume main
  expect "$name: running again" 0 'main +[0-9]+ +RUNNING' c task ls
  expect "$name: kill" 0 '' c task kill -s SIGTERM main
  eventually "$name: stopped" 'main +[0-9]+ +STOPPED' c task ls
  expect "$name: its exit code is kept" 0 'exit code 42' c task rm main
  expect "$name: container removed" 0 '' c container rm main

  timeout 60 ctr -a /run/c.sock events >"$work/events" 2>&1 &
  local events=$!
  wait_for sh -c "run --rm e0 true; grep -q tasks/exit $work/events"
  expect "$name: out of memory ends it by SIGKILL" 137 '' bash -c 'run --rm --memory-limit=8388608 oom tail /dev/zero'
  eventually "$name: out of memory is an event" 'tasks/oom.*oom' cat "$work/events"
  kill $events; wait $events 2>/dev/null
  for topic in create start exit delete; do
    if grep -q "/tasks/$topic .*\"oom\"" "$work/events"; then pass "$name: event $topic"; else fail "$name: event $topic" "$(cat "$work/events")"; fi
  done

  bash -c 'run -d killed sleep 1000' >/dev/null
  c task exec --exec-id long killed sleep 2000 >/dev/null 2>&1 &
  local exec=$!
  wait_for sh -c "c task ps killed | grep -c '^[0-9]' | grep -qx 2"
  expect "$name: kill of everything in it" 0 '' c task kill --all -s 9 killed
  wait $exec
  if [ $? = 137 ]; then pass "$name: an exec that is killed"; else fail "$name: an exec that is killed"; fi
  eventually "$name: SIGKILL ends it" 'STOPPED' c task ls
  c task rm killed >/dev/null 2>&1
  c container rm killed >/dev/null
  eventually "$name: no shim is left" '^0$' sh -c 'pgrep -fc "containerd-[s]him" || true'
}

scenarios cais-shim --runtime io.containerd.cais.v2
scenarios runc-shim --runtime io.containerd.runc.v2 --runc-binary "$bin/cais-runtime"

kill $daemon; wait $daemon 2>/dev/null
find /sys/fs/cgroup -depth -type d -path '*conformance*' -exec rmdir {} + 2>/dev/null
rm -rf /run/containerd* /run/c.sock* /run/cais /run/runc
finish
