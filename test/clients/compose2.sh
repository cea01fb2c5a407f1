# docker compose 2.40 (forky), a plug-in of the docker client; once as a plug-in of ours.
v=compose2
tool c 'exec docker compose --ansi never --progress plain "$@"'
. "$clients/compose.sh"
expect "$v: through cais" 0 'web' "$bin/cais" compose ps
expect "$v: ls" 0 'compose2 +running' docker compose ls
expect "$v: ps as json" 0 '"Health":"healthy"' c ps --format json redis
expect "$v: cp out" 0 '' c cp worker:/done/orders orders.txt
expect "$v: and what it holds" 0 '^5$' tail -1 orders.txt
expect "$v: up --wait" 0 '' c up -d --wait
expect "$v: stats" 0 'redis' c stats --no-stream
expect "$v: volumes" 0 'compose2_store' c volumes
expect "$v: down with all" 0 '' c down -v --rmi local --remove-orphans
docker image rm shop-web shop-worker >/dev/null 2>&1
cd "$work" || exit 1
