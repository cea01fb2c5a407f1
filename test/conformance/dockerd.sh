#!/usr/bin/env bash
# Debian's dockerd, whole, with our runtime as its default: dockerd -> containerd -> its runc shim -> cais-runtime.
. "$(dirname "$0")/lib.sh"

dockerd --data-root "$work/data" --exec-root /run/docker-test -H unix:///run/d.sock -p /run/d.pid --add-runtime "cais=$bin/cais-runtime" \
  --default-runtime cais --iptables=false --ip6tables=false --live-restore --userland-proxy=false >"$work/log" 2>&1 &
daemon=$!
tool d 'exec docker -H unix:///run/d.sock "$@"'
export DOCKER_CONFIG=$work/client
wait_for d version || { tail -20 "$work/log"; exit 1; }
tar -C "$rootfs" -c . | d import - tiny >/dev/null

expect "the default runtime is ours" 0 'cais-runtime.*|cais' d info -f '{{.DefaultRuntime}}'
expect "run passes output and exit code" 7 '^hello$' d run --rm tiny sh -c 'echo hello; exit 7'
expect "run passes input" 0 '^typed$' bash -c 'echo typed | d run --rm -i tiny cat'
expect "a missing program is code 127" 127 'executable file not found in \$PATH' d run --rm tiny nonesuch
expect "a file that is no program is code 126" 126 'permission denied' d run --rm tiny /etc/passwd
expect "a directory that is missing is made" 0 '^/a/b$' d run --rm -w /a/b tiny pwd
expect "a terminal" 3 '/dev/pts/0' on-terminal 'd run --rm -it tiny sh -c "tty; exit 3"'
expect "a terminal has the client's size" 0 '30 100' on-terminal 'd run --rm -it tiny sh -c "until stty size 2>/dev/null | grep 100; do sleep 0.1; done"'
expect "network: bridge, with addresses" 0 'inet 172\.' d run --rm tiny ip addr show eth0
expect "network: none" 0 '^1$' d run --rm --network none tiny sh -c 'ls /sys/class/net | wc -l'
expect "network: host" 0 'docker0' d run --rm --network host tiny ls /sys/class/net
expect "host's processes" 0 'dockerd' d run --rm --pid host tiny ps
expect "limits of memory, CPU and processes" 0 "^33554432 50000 $half 20 " d run --rm -m 32m --cpus 0.5 --cpu-shares 512 --pids-limit 20 tiny limits
expect "limit to some CPUs" 0 'Cpus_allowed_list:.0$' d run --rm --cpuset-cpus 0 tiny grep Cpus_allowed_list /proc/self/status
expect "capabilities" 0 'CapEff:.*0000000000000001$' d run --rm --cap-drop ALL --cap-add CHOWN tiny grep CapEff /proc/self/status
expect "privileged" 0 '^ok$' d run --rm --privileged tiny sh -c 'mount -t tmpfs x /tmp && [ -e /dev/vda ] || [ -e /dev/kmsg ] && echo ok'
expect "the default seccomp filter" 0 'Seccomp:.*2' d run --rm tiny grep -w Seccomp: /proc/self/status
expect "no seccomp filter" 0 'Seccomp:.*0' d run --rm --security-opt seccomp=unconfined tiny grep -w Seccomp: /proc/self/status
expect "no new privileges" 0 'NoNewPrivs:.*1' d run --rm --security-opt no-new-privileges tiny grep NoNewPrivs /proc/self/status
expect "user and groups" 0 'uid=1000 gid=1001 groups=.*7' d run --rm -u 1000:1001 --group-add 7 tiny id
expect "read-only root with a tmpfs" 0 'Read-only' d run --rm --read-only --tmpfs /x:size=1m,mode=1777 tiny sh -c 'touch /x/y && touch /z; true'
expect "bind mount, read-only" 0 'Read-only' d run --rm -v "$work/etc:/mnt:ro" tiny sh -c 'touch /mnt/x; true'
expect "volume" 0 '^kept$' bash -c 'd run --rm -v vol:/v tiny sh -c "echo kept > /v/f" && d run --rm -v vol:/v tiny cat /v/f'
expect "ulimit" 0 '^100$' d run --rm --ulimit nofile=100:100 tiny sh -c 'ulimit -n'
expect "sysctl" 0 '^1$' d run --rm --sysctl net.ipv4.ip_forward=1 tiny cat /proc/sys/net/ipv4/ip_forward
expect "device" 0 '^c' bash -c 'd run --rm --device /dev/null:/dev/mine tiny ls -l /dev/mine'
expect "hostname and hosts" 0 '^here 10.9.8.7' d run --rm -h here --add-host there:10.9.8.7 tiny sh -c 'echo $(hostname) $(grep there /etc/hosts)'
expect "shared memory" 0 ' 65536 ' d run --rm tiny df /dev/shm
expect "out-of-memory score" 0 '^500$' d run --rm --oom-score-adj 500 tiny cat /proc/self/oom_score_adj
expect "masked paths" 0 '^0$' d run --rm tiny sh -c 'cat /proc/kcore /proc/keys | wc -c'

timeout 120 docker -H unix:///run/d.sock events >"$work/events" 2>&1 &
events=$!
d run -d --name main tiny sh -c 'trap "exit 42" TERM; echo begun; while true; do sleep 0.05; done' >/dev/null
eventually "logs" '^begun$' d logs main
expect "exec passes output and exit code" 3 '^from exec$' d exec main sh -c 'echo from exec; exit 3'
expect "exec passes input" 0 '^typed$' bash -c 'echo typed | d exec -i main cat'
expect "exec with a terminal" 0 '/dev/pts/0' on-terminal 'd exec -it main tty'
expect "exec of a missing program" '!0' 'executable file not found' d exec main nonesuch
expect "exec as user, with environment, elsewhere" 0 '^1000 x /tmp$' d exec -u 1000 -e A=x -w /tmp main sh -c 'echo $(id -u) $A $(pwd)'
expect "exec, privileged" 0 'CapEff:.*f[ef]ffffff$' d exec --privileged main grep CapEff /proc/self/status
expect "top" 0 'while true' d top main
expect "stats" 0 '^main [1-9]' d stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' main
expect "pause" 0 '' d pause main
expect "paused" 0 '^paused$' d inspect -f '{{.State.Status}}' main
expect "exec in a paused container is refused" '!0' 'paused' d exec main true
expect "unpause" 0 '' d unpause main
expect "update" 0 '' d update -m 64m --memory-swap 64m --cpu-shares 256 --pids-limit 30 main
expect "updated" 0 "^67108864 [^ ]* $quarter 30 " d exec main limits
expect "copy in and out" 0 '^root:' bash -c 'd cp "$0/etc/passwd" main:/tmp/p && d cp main:/tmp/p - | tar -xO' "$rootfs"
expect "restart" 0 '' d restart -t 5 main
expect "running again" 0 '^true$' d inspect -f '{{.State.Running}}' main

kill -9 $daemon; wait $daemon 2>/dev/null
rm -f /run/d.pid
dockerd --data-root "$work/data" --exec-root /run/docker-test -H unix:///run/d.sock -p /run/d.pid --add-runtime "cais=$bin/cais-runtime" \
  --default-runtime cais --iptables=false --ip6tables=false --live-restore --userland-proxy=false >>"$work/log" 2>&1 &
daemon=$!
wait_for d version
expect "a container survives the daemon" 0 '^true$' d inspect -f '{{.State.Running}}' main
expect "exec in it after that" 0 '^again$' d exec main echo again
timeout 120 docker -H unix:///run/d.sock events >>"$work/events" 2>&1 &
events2=$!
expect "stop" 0 '' d stop -t 5 main
expect "its exit code is kept" 0 '^42$' d inspect -f '{{.State.ExitCode}}' main
expect "kill" 137 '' bash -c 'd run --name killed tiny sleep 1000 & client=$!; for i in $(seq 100); do d kill killed >/dev/null 2>&1 && break; sleep 0.1; done; wait $client'
expect "out of memory" 137 '' d run --name oom -m 8m --memory-swap 8m tiny tail /dev/zero
expect "out of memory is told" 0 '^true 137$' d inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom
eventually "out of memory is an event" 'container oom' cat "$work/events"
for event in create start die 'exec_start' pause unpause update kill stop; do
  eventually "event $event" "container $event" cat "$work/events"
done
expect "health check" 0 '' d run -d --name health --health-cmd 'test -e /tmp' --health-interval 100ms tiny sleep 1000
eventually "healthy" '^healthy$' d inspect -f '{{.State.Health.Status}}' health
expect "restart policy" 0 '' d run -d --name again --restart always tiny sh -c 'sleep 0.2; exit 1'
eventually "restarted" '^[1-9]' d inspect -f '{{.RestartCount}}' again
expect "namespaces of another container" 0 '^same$' bash -c 'a=$(d exec health readlink /proc/self/ns/net); b=$(d run --rm --network container:health tiny readlink /proc/self/ns/net); [ "$a" = "$b" ] && echo same'
mkdir "$work/context"
printf 'FROM tiny\nRUN echo built > /built && mkdir /x\nUSER 1000\nRUN id -u >/tmp/who\nCMD cat /built /tmp/who\n' >"$work/context/Dockerfile"
expect "build" 0 'Successfully tagged' env DOCKER_BUILDKIT=0 docker -H unix:///run/d.sock build -t built "$work/context"
expect "what was built runs" 0 '1000' d run --rm built
expect "all are removed" 0 '' bash -c 'd rm -fv $(d ps -aq)'
eventually "no container is left behind by the runtime" '^$' bash -c 'ls /run/docker-test/runtime-cais/moby 2>/dev/null || ls /run/docker/runtime-runc/moby 2>/dev/null'

kill $events $events2 2>/dev/null; kill $daemon; wait 2>/dev/null
ip link delete docker0 2>/dev/null
umount -l /run/docker-test/netns/* "$work/data" 2>/dev/null
find /sys/fs/cgroup -mindepth 1 -depth -type d -path '*docker*' -exec rmdir {} + 2>/dev/null
rm -rf /run/docker* /run/d.* /run/containerd
finish
