# What both composes do with the shop (compose/compose.yml): sourced by compose1.sh and compose2.sh, which make the command `c`. $v is the client's name.
shop=$work/$v
cp -r "$clients/compose" "$shop"
cd "$shop" || exit 1
export COMPOSE_PROJECT_NAME=$v
tool order 'curl -sf -m 5 "http://$(c port web 80 | sed s/^0.0.0.0/127.0.0.1/)/cgi-bin/order"'
containers() { docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$v" | sort; }

LIMIT=60 expect "$v: config" 0 'shop-worker' c config
LIMIT=60 expect "$v: build" 0 '' c build
LIMIT=60 expect "$v: up" 0 '' c up -d
expect "$v: the store is healthy before others start" 0 '^healthy$' bash -c 'docker inspect -f "{{.State.Health.Status}}" $(c ps -q redis)'
expect "$v: a published port answers" 0 '^welcome order 1$' order
expect "$v: again" 0 '^welcome order 2$' order
expect "$v: a bound file" 0 '^open all day$' bash -c 'curl -sf "http://127.0.0.1:$(c port web 80 | cut -d: -f2)/notice.txt"'
eventually "$v: the worker has done them" 'did order 2' c logs worker
expect "$v: logs of one service, last lines" 0 'did order 2' c logs --tail 1 --no-color worker
expect "$v: exec" 0 '^2$' c exec -T redis redis-cli get orders
expect "$v: exec gives the exit code" 7 '' c exec -T worker sh -c 'exit 7'
expect "$v: exec as a user, with variables" 0 '^65534 x$' c exec -T -u 65534 -e A=x worker sh -c 'echo $(id -u) $A'
expect "$v: exec on a terminal" 0 '/dev/pts/0' on-terminal c exec worker tty
expect "$v: limits of the file" 0 '^1000 512$' c exec -T redis sh -c 'echo $(ulimit -n) $(cat /proc/sys/net/core/somaxconn)'
expect "$v: an internal network reaches nothing outside" '!0' '' c exec -T worker nc -w 1 192.0.2.1 80
LIMIT=60 expect "$v: scale" 0 '' c up -d --no-recreate --scale web=3
expect "$v: three of one name" 0 '^3$' bash -c 'c exec -T worker nslookup web | grep -A 20 "^Name" | grep -c "^Address"'
expect "$v: ps" 0 'web.*' c ps
LIMIT=60 expect "$v: scale down" 0 '' c up -d --scale web=1
old=$(containers)
LIMIT=60 expect "$v: recreate all" 0 '' c up -d --force-recreate
[ "$(comm -12 <(echo "$old") <(containers) | wc -l)/$(containers | wc -l)" = 0/3 ] && pass "$v: all are new" || fail "$v: all are new" "$old" "$(containers)"
expect "$v: volumes outlive containers" 0 'order 3$' order
eventually "$v: of the worker too" '^1 2 3 $' c exec -T worker sh -c 'tr "\n" " " </done/orders'
LIMIT=60 expect "$v: a change of the environment makes one new" 0 '' env GREETING=hello c up -d
expect "$v: and is seen" 0 '^hello order 4$' order
expect "$v: run once" 0 '^once$' c run --rm -T worker echo once
expect "$v: run gives the exit code" 5 '' c run --rm -T worker sh -c 'exit 5'
expect "$v: run takes input" 0 '^typed$' bash -c 'echo typed | timeout 20 c run --rm -T worker cat'
expect "$v: restart" 0 '' c restart worker
eventually "$v: it said so" 'closing' c logs worker
expect "$v: pause" 0 '' c pause worker
expect "$v: unpause" 0 '' c unpause worker
expect "$v: top" 0 'redis-server' c top redis
expect "$v: images" 0 'shop-web' c images
expect "$v: stop" 0 '' c stop worker
expect "$v: start" 0 '' c start worker
expect "$v: kill" 0 '' c kill -s KILL web
expect "$v: rm" 0 '' c rm -f web
expect "$v: down keeps volumes" 0 '' c down
[ -z "$(containers)" ] && docker volume inspect "${v}_store" >/dev/null 2>&1 && pass "$v: volumes are kept" || fail "$v: volumes are kept"
LIMIT=60 expect "$v: up again" 0 '' c up -d
expect "$v: with what was stored" 0 'order 5$' order
