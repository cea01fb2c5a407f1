#!/usr/bin/env bash
# Our engine with other people's runtimes: Debian's runc and crun, and our own as a program, each by `--runtime`.
. "$(dirname "$0")/lib.sh"

# crun refuses the mixed layout of cgroup v1 with a v2 tree beside it: in this mount namespace the tree goes.
umount /sys/fs/cgroup/unified 2>/dev/null
start() {
  start_engine --data-root "$work/data" --add-runtime runc=/usr/sbin/runc --add-runtime crun=/usr/bin/crun --add-runtime "program=$bin/cais-runtime"
}
start
tar -C "$rootfs" -c . | d import - tiny >/dev/null

for runtime in runc crun program; do
  tool r "exec docker -H unix:///run/engine.sock run --runtime $runtime \"\$@\""
  expect "$runtime: run passes output and exit code" 7 '^hello$' r --rm tiny sh -c 'echo hello; exit 7'
  expect "$runtime: run passes input" 0 '^typed$' bash -c 'echo typed | r --rm -i tiny cat'
  expect "$runtime: a missing program is code 127" 127 'nonesuch' r --rm tiny nonesuch
  expect "$runtime: a terminal with the client's size" 3 '30 100' on-terminal 'r --rm -it tiny sh -c "stty size; exit 3"'
  expect "$runtime: network" 0 'inet 172\.' r --rm tiny ip addr show eth0
  expect "$runtime: limits" 0 "^33554432 50000 $half 20 " r --rm -m 32m --cpus 0.5 --cpu-shares 512 --pids-limit 20 tiny limits
  expect "$runtime: capabilities, filter, user" 0 '0000000000000000 2 1000' r --rm --cap-drop ALL -u 1000 tiny \
    sh -c 'echo $(sed -n "s/^CapEff:.//p; s/^Seccomp:.//p" /proc/self/status) $(id -u)'
  expect "$runtime: volume" 0 '^kept$' bash -c 'r --rm -v vol:/v tiny sh -c "echo kept > /v/f" && r --rm -v vol:/v tiny cat /v/f'
  timeout 100 docker -H unix:///run/engine.sock events >"$work/events" 2>&1 &
  events=$!
  r -d --name main tiny sh -c 'trap "exit 42" TERM; echo begun; while true; do sleep 0.05; done' >/dev/null
  eventually "$runtime: logs" '^begun$' d logs main
  expect "$runtime: exec passes output and exit code" 3 '^from exec$' d exec main sh -c 'echo from exec; exit 3'
  expect "$runtime: exec with a terminal" 0 '/dev/pts/0' on-terminal 'd exec -it main tty'
  expect "$runtime: exec of a missing program" '!0' 'nonesuch' d exec main nonesuch
  expect "$runtime: top" 0 'while true' d top main
  expect "$runtime: stats" 0 '^main [1-9]' d stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' main
  expect "$runtime: pause" 0 '' d pause main
  expect "$runtime: paused" 0 '^paused$' d inspect -f '{{.State.Status}}' main
  expect "$runtime: unpause" 0 '' d unpause main
  expect "$runtime: update" 0 '' d update -m 64m --memory-swap 64m --cpu-shares 256 main
  expect "$runtime: updated" 0 "^67108864 [^ ]* $quarter " d exec main limits
  kill -9 $daemon; wait $daemon 2>/dev/null
  start
  expect "$runtime: it survives the daemon" 0 '^still here$' d exec main echo still here
  timeout 100 docker -H unix:///run/engine.sock events >>"$work/events" 2>&1 &
  again=$!
  expect "$runtime: stop" 0 '' d stop -t 5 main
  expect "$runtime: its exit code is kept" 0 '^42$' d inspect -f '{{.State.ExitCode}}' main
  expect "$runtime: out of memory" 137 '' r --name oom -m 8m --memory-swap 8m tiny tail /dev/zero
  expect "$runtime: out of memory is told" 0 '^true 137$' d inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom
  eventually "$runtime: out of memory is an event" 'container oom' cat "$work/events"
  expect "$runtime: kill" 0 '' bash -c 'r -d --name killed tiny sleep 1000 && d kill killed && d wait killed | grep -x 137'
  expect "$runtime: all are removed" 0 '' bash -c 'd rm -fv $(d ps -aq)'
  kill $events $again 2>/dev/null
done

end_engine
rm -rf /run/crun /run/runc
finish
