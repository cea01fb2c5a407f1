#!/usr/bin/env bash
# Networks at the sizes that the test suites have no time for. Run by hand, as root, after ./build.sh:
#   test/conformance/scale.sh [CASE...]       cases: ports containers
#
#   ports       one container publishes 10,000 ports (PORTS); reached from outside, from here and over IPv6; a crash; its removal
#   containers  1,000 containers on one network (CONTAINERS); each finds the others by name and address; a crash; their removal
. "$(dirname "$0")/lib.sh"
ports=${PORTS:-10000} many=${CONTAINERS:-1000}
[ $# -gt 0 ] || set -- ports containers

start() {
  begin=$(date +%s%N)
  "$bin/caisd" --data-root "$work/data" --exec-root /run/e -p /run/e.pid -H unix:///run/e.sock >>"$work/log" 2>&1 &
  daemon=$!
  wait_for d version || { tail -20 "$work/log"; exit 1; }
  say "the daemon answers after"
}
say() { printf 'time %s: %s: %s ms\n' "$suite" "$1" "$((($(date +%s%N) - begin) / 1000000))"; }
memory() { printf 'memory %s: %s: %s MB, %s descriptors\n' "$suite" "$1" "$(awk '/^VmRSS/ { print int($2 / 1024) }' /proc/$daemon/status)" "$(ls /proc/$daemon/fd | wc -l)"; }
tool d 'exec docker -H unix:///run/e.sock "$@"'
export DOCKER_CONFIG=$work/client

# A machine outside.
ip netns add outside
ip link add uplink type veth peer name eth0 netns outside
ip address add 198.51.100.1/24 dev uplink && ip address add 2001:db8:1::1/64 dev uplink nodad && ip link set uplink up
ip -n outside address add 198.51.100.2/24 dev eth0 && ip -n outside address add 2001:db8:1::2/64 dev eth0 nodad
ip -n outside link set eth0 up && ip -n outside link set lo up
tool out 'exec nsenter --net=/run/netns/outside "$@"'
tool fetch 'exec curl -sf -m 5 "$1"'
# elements MAP: how many there are.
tool elements 'nft -j list map inet cais "$1" | grep -o "\"concat\"" | wc -l | awk "{ print \$1 / 2 }"'

start
tar -C "$rootfs" -c . | d import - tiny >/dev/null

case_ports() {
  local first=20001 last=$((20000 + ports)) middle=$((20000 + ports / 2)) port
  # The container listens at three of them.
  begin=$(date +%s%N)
  LIMIT=60 expect "publish $ports ports" 0 '' d run -d --name ports -p "$first-$last:$first-$last" tiny sh -c \
    "mkdir /w; for p in $first $middle $last; do mkdir /w/\$p; echo \$p >/w/\$p/port; httpd -p \$p -h /w/\$p; done; sleep 100000"
  say "start of a container with $ports published ports"
  memory "with $ports published ports"
  expect "one element a port: IPv4" 0 "^$ports\$" elements publish4_any
  expect "one socket a port" 0 "^$ports\$" bash -c "ss -Htln sport ge :$first and sport le :$last | wc -l"
  expect "docker port lists them" 0 "^$((2 * ports))\$" bash -c 'd port ports | wc -l'
  for port in $first $middle $last; do
    eventually "port $port from outside" "^$port\$" out fetch "http://198.51.100.1:$port/port"
    eventually "port $port from here" "^$port\$" fetch "http://127.0.0.1:$port/port"
    eventually "port $port over IPv6" "^$port\$" out fetch "http://[2001:db8:1::1]:$port/port"
  done
  expect "a port of these is taken" 125 "port is already allocated" d run --rm -p "$middle:80" tiny true
  begin=$(date +%s%N)
  expect "another container beside it" 0 'connected' d run --rm -p 80:80 tiny echo connected
  say "start to end of a container beside it"
  kill -9 $daemon; wait $daemon 2>/dev/null
  expect "without a daemon they answer" 0 "^$middle\$" out fetch "http://198.51.100.1:$middle/port"
  nft flush ruleset
  start
  eventually "after a crash they answer" "^$last\$" out fetch "http://198.51.100.1:$last/port"
  expect "after a crash they are held" 0 "^$ports\$" bash -c "ss -Htln sport ge :$first and sport le :$last | wc -l"
  begin=$(date +%s%N)
  LIMIT=60 expect "remove it" 0 '' d rm -f ports
  say "its removal"
  expect "nothing of it is left in the filter" 0 '^0$' elements publish4_any
  expect "nothing of it is held" 0 '^0$' bash -c "ss -Htln sport ge :$first and sport le :$last | wc -l"
  memory "afterwards"
}

case_containers() {
  local i
  d network create --subnet 10.200.0.0/16 crowd >/dev/null
  begin=$(date +%s%N)
  seq "$many" | xargs -P 2 -I{} docker -H unix:///run/e.sock run -d --network crowd --name crowd{} tiny sleep 1000000 >"$work/ids" 2>"$work/errors"
  say "$many containers, started by two clients"
  expect "all of them run" 0 "^$many\$" bash -c 'd ps -q | wc -l'
  [ ! -s "$work/errors" ] || head -3 "$work/errors"
  memory "with $many containers"
  expect "all of them are ports of one bridge" 0 "^$many\$" bash -c 'ip -o link show type veth | grep -c "master br-"'
  for i in 1 $((many / 2)) "$many"; do
    expect "container $i is found by name and reached" 0 '0% packet loss' d exec crowd1 ping -c 2 -w 10 "crowd$i"
    expect "container $i reaches the first" 0 '0% packet loss' d exec "crowd$i" ping -c 2 -w 10 crowd1
  done
  expect "the network tells them all" 0 "^$many\$" d network inspect -f '{{len .Containers}}' crowd
  begin=$(date +%s%N)
  expect "one more comes and goes" 0 'here' d run --rm --network crowd tiny echo here
  say "start to end of one more"
  kill -9 $daemon; wait $daemon 2>/dev/null
  start
  expect "after a crash all of them run" 0 "^$many\$" bash -c 'd ps -q | wc -l'
  eventually "after a crash names are answered" "crowd$many" d exec crowd1 nslookup "crowd$many"
  begin=$(date +%s%N)
  d ps -q | xargs -P 2 -n 20 docker -H unix:///run/e.sock rm -f >/dev/null
  say "their removal"
  expect "none is left" 0 '^0$' bash -c 'd ps -aq | wc -l'
  eventually "no interface of theirs is left" '^0$' bash -c 'ip -o link show type veth | grep -c "master br-"'
  d network rm crowd >/dev/null
  memory "afterwards"
}

for one in "$@"; do "case_$one"; done

kill $daemon; wait $daemon 2>/dev/null
ip link delete docker0 2>/dev/null
ip link delete uplink && ip netns delete outside
nft delete table inet cais 2>/dev/null
umount /run/netns 2>/dev/null
rm -rf /run/netns /run/e /run/e.*
finish
