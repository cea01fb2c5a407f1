#!/usr/bin/env bash
# Measures the network of Cais beside that of the newest Docker that Debian has (bench/peers.sh), in one run on one machine.
# Usage: bench/network.sh [RUNS]     RUNS per measurement, default 30. CONTAINERS: how many on one bridge (default 1000). Needs root and ./build.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-30}
many=${CONTAINERS:-1000}
bin=${CAIS_BIN:-$PWD/artifacts/bin}
work=$(mktemp -d /var/tmp/cais-bench-XXXXXX)
namespace=cais-bench-$$

for program in iperf3 dnsperf curl jq python3; do
  command -v "$program" >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends iperf3 dnsperf curl jq python3 >/dev/null; break; }
done
peer=$(bench/peers.sh)
ours=$work/docker.sock
peer_net=/run/netns/cais-peer
our_net=/run/netns/$namespace

# Our engine in a network namespace of its own, as the peer; beside each a machine outside, on a cable.
ip netns add "$namespace"
ip -n "$namespace" link set lo up
nsenter --net="$our_net" "$bin/caisd" --data-root "$work/data" --exec-root "$work/run" --pidfile "$work/pid" -H "unix://$ours" >"$work/log" 2>&1 &
daemon=$!
d() { docker -H "unix://$peer" "$@"; }
c() { "$bin/cais" -H "unix://$ours" "$@"; }
cleanup() {
  c ps -aq | xargs -r -n 50 "$bin/cais" -H "unix://$ours" rm -f >/dev/null || true
  d ps -aq --filter label=cais-bench | xargs -r docker -H "unix://$peer" rm -f >/dev/null || true
  d network rm bench bench2 >/dev/null 2>&1 || true
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || true
  ip netns delete "$namespace-out" 2>/dev/null || true
  ip netns delete "$namespace-peer" 2>/dev/null || true
  ip netns delete "$namespace" || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
until c version >/dev/null 2>&1; do kill -0 "$daemon" || { cat "$work/log"; exit 1; }; sleep 0.05; done
outside() { # namespace of the engine, name of the outside, /30 prefix
  ip netns add "$2"
  ip -n "$2" link set lo up
  ip link add eth0 netns "$2" type veth peer name "out$$" netns "$1"
  ip -n "$2" address add "$3.2/30" dev eth0
  ip -n "$2" link set eth0 up
  ip -n "$1" address add "$3.1/30" dev "out$$"
  ip -n "$1" link set "out$$" up
}
outside "$namespace" "$namespace-out" 192.0.2
outside cais-peer "$namespace-peer" 198.51.100

# The same image for both: busybox, iperf3 and dnsperf with their libraries.
root=$work/image
mkdir -p "$root/bin" "$root/etc" "$root/tmp"
cp "$(command -v busybox)" "$root/bin/"
for applet in sh true sleep cat ping nslookup; do ln -s busybox "$root/bin/$applet"; done
for program in iperf3 dnsperf; do
  cp "$(command -v "$program")" "$root/bin/"
  for library in $(ldd "$(command -v "$program")" | grep -o '/[^ )]*'); do
    mkdir -p "$root$(dirname "$library")"
    cp -Ln "$library" "$root$library"
  done
done
echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
tar -C "$root" -cf "$work/image.tar" .
c import "$work/image.tar" bench >/dev/null
d import "$work/image.tar" bench >/dev/null

row() { printf '%-52s %12s %12s %8s\n' "$@"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2fx", a / b; else print "-" }'; }
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f\n", (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
api() { # socket, method, path, body: milliseconds
  curl -s -o "$work/answer" -w '%{time_total} %{http_code}\n' --unix-socket "$1" -X "$2" -H 'Content-Type: application/json' -d "$4" "http://engine$3" |
    awk '{ if ($2 >= 300) exit 1; printf "%.3f\n", $1 * 1000 }' || { cat "$work/answer" >&2; return 1; }
}

row "" "docker $(d version -f '{{.Server.Version}}')" cais "docker/cais"

# Time of the API's start call alone, with a network and without; the difference is the network's share.
start_ms() { # socket, mode
  local id i
  for i in $(seq "$runs"); do
    curl -s --unix-socket "$1" -X POST -H 'Content-Type: application/json' \
      -d "{\"Image\":\"bench\",\"Cmd\":[\"sleep\",\"1000\"],\"Labels\":{\"cais-bench\":\"\"},\"HostConfig\":{\"NetworkMode\":\"$2\"}}" http://engine/containers/create >"$work/created"
    id=$(jq -r .Id "$work/created")
    api "$1" POST "/containers/$id/start" ''
    curl -s --unix-socket "$1" -X DELETE "http://engine/containers/$id?force=1" >/dev/null
  done | median
}
a0=$(start_ms "$peer" none) b0=$(start_ms "$ours" none)
a1=$(start_ms "$peer" bridge) b1=$(start_ms "$ours" bridge)
row "start, network none, ms" "$a0" "$b0" "$(ratio "$a0" "$b0")"
row "start, network bridge, ms" "$a1" "$b1" "$(ratio "$a1" "$b1")"
a=$(awk -v x="$a1" -v y="$a0" 'BEGIN { printf "%.2f", x - y }') b=$(awk -v x="$b1" -v y="$b0" 'BEGIN { printf "%.2f", x - y }')
row "network's share of a start, ms (goal < 4)" "$a" "$b" "$(ratio "$a" "$b")"

# Connect and disconnect of a running container.
for engine in d c; do
  $engine network create bench >/dev/null
  $engine network create bench2 >/dev/null
  $engine run -d --label cais-bench --name server --network bench --network-alias server -p 5201:5201 bench iperf3 -s >/dev/null
  $engine run -d --label cais-bench --name client --network bench bench sleep 1000000 >/dev/null
done
link_ms() { # socket, connect or disconnect
  local i
  for i in $(seq "$runs"); do
    if [ "$2" = connect ]; then
      api "$1" POST /networks/bench2/connect '{"Container":"client"}'
      api "$1" POST /networks/bench2/disconnect '{"Container":"client"}' >/dev/null
      sleep 0.1 # what is put away behind the answer is not this call's
    else
      api "$1" POST /networks/bench2/connect '{"Container":"client"}' >/dev/null
      api "$1" POST /networks/bench2/disconnect '{"Container":"client"}'
    fi
  done | median
}
for verb in connect disconnect; do
  a=$(link_ms "$peer" $verb) b=$(link_ms "$ours" $verb)
  row "network $verb, ms (goal < 5)" "$a" "$b" "$(ratio "$a" "$b")"
done

# Throughput: the best of three runs each, in turn, as other work on the machine only ever slows one down.
gbits() { jq -r '.end.sum_received.bits_per_second / 1e9'; }
best() { sort -n | tail -1 | awk '{ printf "%.2f\n", $1 }'; }
inner() { "$1" exec client iperf3 -c server -t 3 -J | gbits; }
outer() { nsenter --net="/run/netns/$1" iperf3 -c "$2" -t 3 -J | gbits; }
for i in 1 2 3; do
  inner d >>"$work/d-inner"; inner c >>"$work/c-inner"
  outer "$namespace-peer" 198.51.100.1 >>"$work/d-outer"; outer "$namespace-out" 192.0.2.1 >>"$work/c-outer"
  outer cais-peer 127.0.0.1 >>"$work/d-local"; outer "$namespace" 127.0.0.1 >>"$work/c-local"
done
for what in inner outer local; do
  case $what in inner) text="container to container" ;; outer) text="from outside through a published port" ;; local) text="from 127.0.0.1 through a published port" ;; esac
  a=$(best <"$work/d-$what") b=$(best <"$work/c-$what")
  row "iperf3 $text, Gbit/s" "$a" "$b" "$(ratio "$b" "$a") *"
done

# Names.
qps() { # client
  "$1" exec client sh -c 'echo "server A" >/tmp/queries'
  "$1" exec client dnsperf -s 127.0.0.11 -d /tmp/queries -l 3 -c 4 -q 50 2>/dev/null | tee "$work/dns-$1" | awk '/Queries per second/ { printf "%.0f\n", $4 }'
}
latency() { awk '/Average Latency/ { printf "%.3f\n", $4 * 1000 }' "$work/dns-$1"; }
one() { # a single question at a time
  "$1" exec client dnsperf -s 127.0.0.11 -d /tmp/queries -l 2 -c 1 -q 1 2>/dev/null | awk '/Average Latency/ { printf "%.3f\n", $4 * 1000 }'
}
a=$(qps d) b=$(qps c)
row "DNS, questions per second" "$a" "$b" "$(ratio "$b" "$a") *"
a=$(one d) b=$(one c)
row "DNS, one question at a time, ms" "$a" "$b" "$(ratio "$a" "$b")"
echo "* cais/docker: above 1 is faster"

# What follows docker cannot do in reasonable time.
echo
flows_us() { # port: mean time of a request and its answer in a flow of its own, microseconds
  nsenter --net="/run/netns/$namespace-out" python3 - "$1" <<'PY'
import socket, sys, time
times = []
for i in range(6000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    begin = time.perf_counter()
    s.sendto(b"x", ("192.0.2.1", int(sys.argv[1])))
    s.recv(16)
    times.append(time.perf_counter() - begin)
    s.close()
times.sort()
print("%.1f" % (times[len(times) // 2] * 1e6))
PY
}
echo_server() { # container
  nsenter --net="/proc/$(c inspect -f '{{.State.Pid}}' "$1")/ns/net" python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 20000))
while True:
    data, peer = s.recvfrom(16); s.sendto(data, peer)' &
  echo $! >>"$work/servers"
}
# Every published port holds a socket, which a low limit of descriptors does not allow.
limit=$(ulimit -Hn)
ports=$([ "$limit" = unlimited ] && echo 10000 || awk -v l="$limit" 'BEGIN { p = l - 2000; printf "%d", (p > 10000) ? 10000 : (p < 100) ? 100 : p }')
c run -d --name one -p 20000:20000/udp bench sleep 1000000 >/dev/null
echo_server one
sleep 0.5
one=$(flows_us 20000)
begin=$(date +%s%N)
c run -d --name ports -p "30001-$((30000 + ports)):30001-$((30000 + ports))/udp" bench sleep 1000000 >/dev/null
end=$(date +%s%N)
ten=$(flows_us 20000)
printf '%-52s %12s\n' "a new flow to a published port, 1 published, us" "$one" "the same with $((ports + 1)) published, us" "$ten" \
  "start of a container that publishes $ports ports, ms" "$(((end - begin) / 1000000))"
begin=$(date +%s%N)
c rm -f ports >/dev/null
end=$(date +%s%N)
printf '%-52s %12s\n' "its removal, ms" "$(((end - begin) / 1000000))"
xargs -r kill <"$work/servers"

c network create crowd --subnet 10.200.0.0/16 >/dev/null
begin=$(date +%s%N)
seq "$many" | xargs -P 4 -I{} "$bin/cais" -H "unix://$ours" run -d --network crowd --name crowd{} bench sleep 1000000 >/dev/null
end=$(date +%s%N)
printf '%-52s %12s\n' "$many containers on one bridge, started in, s" "$(((end - begin) / 1000000000))"
c exec crowd1 ping -c 3 -w 10 "crowd$many" | tail -1
b=$(for i in $(seq "$runs"); do api "$ours" POST /networks/bench2/connect '{"Container":"crowd1"}'; api "$ours" POST /networks/bench2/disconnect '{"Container":"crowd1"}' >/dev/null; done | median)
printf '%-52s %12s\n' "network connect beside them, ms" "$b"
b=$(c exec crowd1 sh -c "echo 'crowd$many A' >/tmp/q; dnsperf -s 127.0.0.11 -d /tmp/q -l 2 -c 1 -q 1" 2>/dev/null | awk '/Average Latency/ { printf "%.3f\n", $4 * 1000 }')
printf '%-52s %12s\n' "DNS, one question at a time beside them, ms" "$b"
