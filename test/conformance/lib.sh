# What the scripts of this folder share. Source it first: the script runs itself again on a machine of its own (tests/isolate.sh), gets
# the programs' folder as $bin, an empty folder on disk as $work and a busybox root file system as $rootfs, and prints a count at its end.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
export bin=${CAIS_BIN:-$project/artifacts/bin}
[ -x "$bin/cais-runtime" ] || { echo "$0: no programs in $bin: run ./build.sh" >&2; exit 1; }
if [ -z "${CAIS_CONFORMANCE-}" ]; then
  CAIS_CONFORMANCE=1 exec "$project/tests/isolate.sh" "$0" "$@"
fi

suite=${suite:-$(basename "$0" .sh)}
passed=0 failed=0 skipped=0
work=$CAIS_TEST_DISK/$suite
rootfs=$work/rootfs
mkdir -p "$rootfs"/{bin,proc,sys,dev,tmp,etc,root}
cp /bin/busybox "$rootfs/bin/busybox"
for name in $("$rootfs/bin/busybox" --list); do [ "$name" = busybox ] || ln -s busybox "$rootfs/bin/$name"; done
chmod 1777 "$rootfs/tmp"
# limits: memory in bytes, CPU quota, share of CPU, most processes, as this machine's cgroups have them.
cat >"$rootfs/bin/limits" <<'LIMITS'
#!/bin/sh
cd /sys/fs/cgroup
if [ -e cgroup.controllers ]; then set -- memory.max cpu.max cpu.weight pids.max; else
  set -- memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares pids/pids.max; fi
for f; do read -r value rest <$f; printf '%s ' "$value"; done
LIMITS
chmod +x "$rootfs/bin/limits"
# 512 and 256 of v1's shares, as v2 weighs them.
v2=
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || v2=1
half=${v2:+20} quarter=${v2:+10}
half=${half:-512} quarter=${quarter:-256}
mkdir "$work/tools" # commands of the script's own, for shells and terminals to find
export PATH=$work/tools:$PATH
echo 'root:x:0:0:root:/root:/bin/sh' >"$rootfs/etc/passwd"
echo 'root:x:0:' >"$rootfs/etc/group"

pass() { passed=$((passed + 1)); [ -z "${VERBOSE-}" ] || echo "ok   $suite: $1"; }
fail() { failed=$((failed + 1)); printf 'FAIL %s: %s\n' "$suite" "$1"; shift; [ $# = 0 ] || printf '     %s\n' "$@"; }
skip() { skipped=$((skipped + 1)); echo "skip $suite: $1"; }

# expect NAME CODE PATTERN COMMAND...: the command ends with this code (`!0`: any but 0), and its output matches the expression.
expect() {
  local name=$1 code=$2 pattern=$3 output status group
  shift 3
  # Into a file: what outlives a time-out must not keep a pipe open.
  timeout -k 2 "${LIMIT:-30}" "$@" >"$work/output" 2>&1 </dev/null &
  group=$!
  wait $group
  status=$?
  [ $status != 124 ] || kill -9 -- -$group 2>/dev/null
  output=$(head -c 2000 "$work/output")
  if { [ "$code" = "$status" ] || { [ "$code" = '!0' ] && [ $status != 0 ]; }; } && grep -qE -e "$pattern" <<<"$output"; then
    pass "$name"
  else
    fail "$name" "command: $*" "expected: code $code, output like $pattern" "got: code $status, output $output"
  fi
}

# eventually NAME PATTERN COMMAND...: within ten seconds (times CAIS_SLOW) the command's output matches.
eventually() {
  local name=$1 pattern=$2 output
  shift 2
  for _ in $(seq $((200 * ${CAIS_SLOW:-1}))); do
    output=$("$@" 2>&1 </dev/null)
    if grep -qE -e "$pattern" <<<"$output"; then pass "$name"; return 0; fi
    sleep 0.05
  done
  fail "$name" "command: $*" "expected: output like $pattern" "got: $output"
  return 1
}

# tool NAME LINE: a command that shells, terminals and the functions above find; the line sees its arguments as "$@".
tool() {
  printf '#!/bin/bash\n%s\n' "$2" >"$work/tools/$1"
  chmod +x "$work/tools/$1"
}

# on-terminal COMMAND: with a pseudo-terminal of 100 columns and 30 rows as its streams.
tool on-terminal 'exec script -qec "stty cols 100 rows 30; $*" /dev/null'

# wait_for COMMAND...: until it succeeds, at most ten seconds.
wait_for() {
  for _ in $(seq $((200 * ${CAIS_SLOW:-1}))); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done
  echo "$suite: waited in vain for: $*" >&2
  return 1
}

# start_engine ARGUMENT...: caisd with these arguments; its number is $daemon, its log $work/log, and `d` is the docker client that asks it. Again after its death: the same one.
start_engine() {
  tool d 'exec docker -H unix:///run/engine.sock "$@"'
  export DOCKER_CONFIG=$work/client
  "$bin/caisd" --exec-root /run/engine -p /run/engine.pid -H unix:///run/engine.sock "$@" >>"$work/log" 2>&1 &
  daemon=$!
  wait_for d version || { tail -20 "$work/log"; exit 1; }
}

# end_engine: and what it leaves where containers may still run.
end_engine() {
  kill $daemon
  wait $daemon 2>/dev/null
  ip link delete docker0 2>/dev/null
  nft delete table inet cais 2>/dev/null
  rm -rf /run/engine /run/engine.*
}

# finish: what a script ends with. Programs that it started are ended before, by their numbers.
finish() {
  rm -rf --one-file-system "$work"
  echo "conformance $suite: $passed passed, $failed failed, $skipped skipped"
  [ $failed = 0 ] && [ $passed -gt 0 ]
  exit
}
