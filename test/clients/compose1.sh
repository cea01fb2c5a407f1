# docker-compose 1.29 (bookworm), which speaks through python3-docker 5.0.
v=compose1
tool c 'exec /usr/bin/docker-compose "$@"'
. "$clients/compose.sh"
expect "$v: scale's own command" 0 '' c scale web=2
expect "$v: events of the project are told" 0 '' bash -c 'timeout 3 c events >events.txt 2>errors.txt & sleep 0.5; c restart worker; wait; grep -q "container stop" events.txt && ! grep Traceback errors.txt'
expect "$v: down with all" 0 '' c down -v --rmi local --remove-orphans
docker image rm shop-web shop-worker >/dev/null 2>&1
cd "$work" || exit 1
