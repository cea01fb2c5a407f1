#!/usr/bin/env bash
# Real programs on Cais's networks: nginx, redis and postgres from Debian, dig and iperf3, docker-compose with several networks, beside a firewall
# of firewalld's kind and one of ufw's. Prints one line per check; the exit code is the number of those that failed.
# Usage: networks.sh [CLIENT]     CLIENT: docker (default) or cais. Needs root, ./build.sh, docker-compose and a Debian mirror for its first run.
set -uo pipefail
cd "$(dirname "$0")/../.."
client=${1:-docker}
cache=${CAIS_TEST_CACHE:-/var/cache/cais-tests}
if [ "${CAIS_INSIDE-}" != 1 ]; then
  tests/debian-root.sh "$cache" debian-servers nginx-light,redis-server,postgresql,iproute2,dnsutils,iperf3,curl || exit 99
  CAIS_INSIDE=1 exec tests/isolate.sh "$0" "$@"
fi

bin=${CAIS_BIN:-$PWD/artifacts/bin}
work=$CAIS_TEST_DISK/networks
mkdir -p "$work" /run/cais-networks
export DOCKER_HOST=unix:///run/cais-networks/docker.sock DOCKER_CONFIG=$work/client COMPOSE_PROJECT_NAME=shop
failed=0
check() { # what, command...
  local what=$1 i
  shift
  for i in $(seq 40); do
    if "$@" >"$work/out" 2>&1; then printf 'ok    %s\n' "$what"; return; fi
    sleep 0.25
  done
  printf 'FAIL  %s: %s\n' "$what" "$(tail -3 "$work/out" | tr '\n' ' ')"
  failed=$((failed + 1))
}
refuse() { # what, command... that must not succeed
  local what=$1
  shift
  if timeout 5 "$@" >"$work/out" 2>&1; then printf 'FAIL  %s\n' "$what"; failed=$((failed + 1)); else printf 'ok    %s\n' "$what"; fi
}
says() { # text, command...
  local text=$1
  shift
  "$@" 2>&1 | grep -qE -- "$text"
}
if [ "$client" = cais ]; then run() { "$bin/cais" "$@"; }; else run() { docker "$@"; }; fi
in_() { run exec "shop_$1_1" "${@:2}"; }
start() {
  "$bin/caisd" --data-root "$work/data" --exec-root /run/cais-networks/run --pidfile /run/cais-networks/pid -H "$DOCKER_HOST" >>"$work/log" 2>&1 &
  daemon=$!
  until docker version >/dev/null 2>&1; do kill -0 $daemon || { cat "$work/log"; exit 99; }; sleep 0.1; done
}

# A machine outside.
ip netns add outside
ip link add uplink type veth peer name eth0 netns outside
ip address add 198.51.100.1/24 dev uplink
ip address add 2001:db8:1::1/64 dev uplink nodad
ip link set uplink up
ip -n outside address add 198.51.100.2/24 dev eth0
ip -n outside address add 2001:db8:1::2/64 dev eth0 nodad
ip -n outside link set eth0 up
ip -n outside link set lo up
ip -n outside route add default via 198.51.100.1
out() { nsenter --net=/run/netns/outside "$@"; }

start
run import "$cache/debian-servers.tar" servers >/dev/null

cat >"$work/nginx.conf" <<'CONF'
daemon off; worker_processes 1; error_log stderr; pid /tmp/nginx.pid;
events {}
http {
  access_log off;
  server { listen 80; listen [::]:80; location / { root /www; } location /app/ { resolver 127.0.0.11 valid=1s; set $app app; proxy_pass http://$app:80/; } }
}
CONF
cat >"$work/compose.yml" <<'CONF'
version: "3.7"
services:
  web:
    image: servers
    command: sh -c "mkdir -p /www && echo front >/www/index.html && exec nginx -c /etc/site.conf"
    volumes: ["./nginx.conf:/etc/site.conf:ro"]
    ports: ["8080:80"]
    networks: {edge: {}, middle: {}}
  app:
    image: servers
    command: sh -c "mkdir -p /www && hostname >/www/index.html && exec nginx -c /etc/site.conf"
    volumes: ["./nginx.conf:/etc/site.conf:ro"]
    networks: {middle: {aliases: [application]}, data: {}}
  cache:
    image: servers
    command: redis-server --protected-mode no --save ""
    networks: {data: {ipv4_address: 10.30.0.77}}
  db:
    image: servers
    command: sh -c "chown -R postgres /var/lib/postgresql && exec su postgres -c 'cd && { [ -e data ] || { /usr/lib/postgresql/*/bin/initdb -A trust -D data >/dev/null && echo host all all all trust >>data/pg_hba.conf; }; } && exec /usr/lib/postgresql/*/bin/postgres -D data -h 0.0.0.0 -k /tmp'"
    networks: [data]
    volumes: ["tables:/var/lib/postgresql"]
networks:
  edge: {}
  middle: {}
  data: {internal: true, ipam: {config: [{subnet: 10.30.0.0/24}]}}
volumes: {tables: {}}
CONF
cd "$work" || exit 99
docker-compose -f compose.yml up -d --scale app=3 >"$work/up" 2>&1 || cat "$work/up"

check "nginx answers from outside at the published port" says '^front$' out curl -sf -m 3 http://198.51.100.1:8080/
check "nginx answers on localhost" says '^front$' curl -sf -m 3 http://127.0.0.1:8080/
check "nginx answers over IPv6" says '^front$' out curl -sf -m 3 'http://[2001:db8:1::1]:8080/'
check "nginx finds the application by its service's name" out curl -sf -m 3 http://198.51.100.1:8080/app/
check "three containers of one service take turns" test "$(for _ in $(seq 12); do in_ web dig +short app | head -1; done | sort -u | wc -l)" = 3
check "an alias is found" says '^172' in_ web dig +short application
check "an address is found backwards" says 'shop_cache_1' in_ app dig +short -x 10.30.0.77
check "names are answered over TCP" says '^10.30.0.77$' in_ app dig +tcp +short cache
check "a fixed address is kept" says '10.30.0.77' in_ cache ip -4 -o address show eth0
check "redis answers by name" says PONG in_ app redis-cli -h cache ping
check "postgres answers by name" says '^ *42' in_ app psql -h db -U postgres -tc 'select 42'
refuse "a name of another network is not found" sh -c "docker exec shop_web_1 dig +short +tries=1 +time=1 db | grep ."
refuse "another network's address is not reached" in_ web redis-cli -h 10.30.0.77 -t 2 ping
refuse "an internal network has no way out" in_ cache curl -s -m 2 http://198.51.100.2:7000/
out busybox httpd -p 7000 -h /usr/share 2>/dev/null
check "a network that is not internal has one" says 'HTTP/1' in_ web curl -sI -m 3 http://198.51.100.2:7000/
run exec -d shop_app_1 iperf3 -s >/dev/null
check "iperf3 runs between containers" in_ web iperf3 -c shop_app_1 -t 1
out busybox nc -lk -p 7001 -e true 2>/dev/null &
listener=$!

# Firewalls of others, as they stand when they are told to let forwarded packets through (docs/networking.md).
nft -f - <<'NFT'
table inet firewalld {
  chain filter_PREROUTING { type filter hook prerouting priority filter + 10; policy accept; }
  chain filter_INPUT { type filter hook input priority filter + 10; policy accept; ct state { established, related } accept; ct status dnat accept; iifname "lo" accept; tcp dport 22 accept; reject with icmpx admin-prohibited; }
  chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept; ct state { established, related } accept; ct status dnat accept; iifname "lo" accept; iifname "docker0" accept; iifname "br-*" accept; reject with icmpx admin-prohibited; }
}
table ip filter {
  chain ufw-user-forward { }
  chain INPUT { type filter hook input priority filter; policy drop; ct state established,related accept; iifname "lo" accept; }
  chain FORWARD { type filter hook forward priority filter; policy accept; jump ufw-user-forward; }
}
NFT
check "beside firewalld's and ufw's rules: from outside" says '^front$' out curl -sf -m 3 http://198.51.100.1:8080/
check "beside them: outwards" says 'HTTP/1' in_ web curl -sI -m 3 http://198.51.100.2:7000/
check "beside them: names and neighbours" says PONG in_ app redis-cli -h cache ping
nft delete table inet firewalld
nft delete table ip filter
nft add rule inet cais user_published tcp dport 8080 ip saddr 198.51.100.2 drop
refuse "a rule in user_published sees the published port" out curl -sf -m 2 http://198.51.100.1:8080/
check "and only what it names" says '^front$' curl -sf -m 3 http://127.0.0.1:8080/
nft flush chain inet cais user_published
nft flush ruleset
check "after nft flush ruleset everything comes back" says '^front$' out curl -sf -m 3 http://198.51.100.1:8080/
ip link delete "$(ip -o link show type bridge | grep -o 'br-[0-9a-f]*' | head -1)"
check "after somebody deleted a bridge" says '^front$' out curl -sf -m 3 http://198.51.100.1:8080/
check "after it: names and neighbours" says PONG in_ app redis-cli -h cache ping

kill -9 $daemon
wait $daemon 2>/dev/null
check "without a daemon ports still answer" says '^front$' out curl -sf -m 3 http://198.51.100.1:8080/
start
check "after a crash names are answered again" says PONG in_ app redis-cli -h cache ping
in_ app psql -h db -U postgres -qc 'create table kept (x int); insert into kept values (7)' >/dev/null 2>&1
docker-compose -f compose.yml restart -t 20 db >"$work/up" 2>&1 || cat "$work/up"
check "tables outlive a restart in their volume" says '^ *7' in_ app psql -h db -U postgres -tc 'select x from kept'
run network disconnect shop_edge shop_web_1
check "off its network the port leads by the other one" says '^front$' out curl -sf -m 3 http://198.51.100.1:8080/
run network connect --alias w --ip 172.30.9.9 "$(run network create --subnet 172.30.0.0/16 late)" shop_web_1
check "a container joins a network while it runs" says '172.30.9.9' in_ web ip -4 -o address

docker-compose -f compose.yml down -v -t 1 >"$work/down" 2>&1 || { cat "$work/down"; failed=$((failed + 1)); }
check "down leaves no network, container or volume" test -z "$(run ps -aq)$(run network ls -q -f name=shop_)$(run volume ls -q)"

# Everything back as it was.
run network rm late >/dev/null
kill $daemon $listener 2>/dev/null
wait 2>/dev/null
for pid in $(ip netns pids outside); do kill "$pid"; done
ip link delete docker0
ip link delete uplink
ip netns delete outside
nft delete table inet cais
umount /run/netns 2>/dev/null
rm -rf /run/netns /run/cais-networks "$work"
exit $failed
