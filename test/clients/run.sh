#!/usr/bin/env bash
# Other people's clients, unmodified, each doing a piece of work against one caisd: what they print is counted as the scripts of test/conformance count.
# Usage: run.sh [CLIENT...]    docker python compose1 compose2 docker-dotnet testcontainers dockerode; none is all of them. VERBOSE=1 prints each check.
# Needs root, ./build.sh, and from Debian: python3-docker docker-compose nodejs npm curl. The first run fetches the rest (NuGet, npm, Debian) into the test cache.
clients=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CAIS_TEST_CACHE=${CAIS_TEST_CACHE:-/var/cache/cais-tests}
if [ -z "${CAIS_CONFORMANCE-}" ]; then
  set -e
  cd "$clients/../.."
  tests/debian-root.sh "$CAIS_TEST_CACHE"
  tests/forky-packages.sh "$CAIS_TEST_CACHE" >/dev/null
  wanted() { [ "$all" ] || [[ " $asked " == *" $1 "* ]]; }
  all=$([ $# -gt 0 ] || echo 1) asked=$*
  for project in docker-dotnet testcontainers; do
    ! wanted $project || [ -n "$(find test/clients/$project/bin/Release -name '*Client.dll' -newer test/clients/$project/Program.cs 2>/dev/null)" ] ||
      dotnet build "test/clients/$project" -c Release -v quiet -clp:ErrorsOnly -nologo
  done
  if wanted dockerode && { ! cmp -s test/clients/dockerode/package.json "$CAIS_TEST_CACHE/dockerode/package.json" || [ ! -e "$CAIS_TEST_CACHE/dockerode/.complete" ]; }; then
    rm -rf "$CAIS_TEST_CACHE/dockerode"
    mkdir -p "$CAIS_TEST_CACHE/dockerode"
    cp test/clients/dockerode/package.json "$CAIS_TEST_CACHE/dockerode/"
    npm --prefix "$CAIS_TEST_CACHE/dockerode" install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null
    touch "$CAIS_TEST_CACHE/dockerode/.complete"
  fi
  set +e
fi
suite=clients
. "$clients/../conformance/lib.sh"

# One daemon for all of them, as on a developer's machine.
socket=/run/clients/docker.sock
export DOCKER_HOST=unix://$socket DOCKER_CONFIG=$work/client
mkdir -p /run/clients "$DOCKER_CONFIG"
"$bin/caisd" --data-root "$work/data" --exec-root /run/clients/exec --pidfile /run/clients/pid -H "$DOCKER_HOST" >"$work/log" 2>&1 &
daemon=$!
wait_for docker version || { tail -20 "$work/log"; exit 1; }
ln -s "$CAIS_TEST_CACHE/forky/usr/libexec/docker/cli-plugins" "$DOCKER_CONFIG/cli-plugins"
tar -C "$rootfs" -c . | docker import - tiny >/dev/null
docker import "$CAIS_TEST_CACHE/debian-redis.tar" debian-redis >/dev/null
# A store as the well-known image of it is: a port, a volume, a health check.
docker build -q -t redis:7 - >/dev/null <<'DOCKERFILE' || exit 1
FROM debian-redis
EXPOSE 6379
VOLUME /data
WORKDIR /data
HEALTHCHECK --interval=500ms --timeout=5s CMD redis-cli ping | grep -q PONG
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--appendonly", "yes"]
DOCKERFILE

# program CLIENT COMMAND...: a program that prints `ok NAME` and `FAIL NAME: DETAIL`, one line a check.
program() {
  local client=$1 line checks=0 status
  shift
  timeout -k 5 "${LIMIT:-180}" "$@" >"$work/$client.out" 2>"$work/$client.err" </dev/null
  status=$?
  while IFS= read -r line; do
    case $line in
      'ok '*) checks=$((checks + 1)); pass "$client: ${line#ok }" ;;
      'FAIL '*) checks=$((checks + 1)); fail "$client: ${line#FAIL }" ;;
    esac
  done <"$work/$client.out"
  [ $status = 0 ] && [ $checks -gt 0 ] || fail "$client: ends with code 0 after its checks" "code $status after $checks checks" "$(tail -30 "$work/$client.err")"
}

# Nothing of a client's work may be there when it has cleaned up.
inventory_of_engine() { docker ps -aq; docker network ls -q --filter type=custom; docker volume ls -q; docker images --format '{{.Repository}}:{{.Tag}}' | sort; }
before=$(inventory_of_engine)
for client in "${@:-docker python compose1 compose2 docker-dotnet testcontainers dockerode}"; do
  for client in $client; do
    started=$SECONDS
    case $client in
      python) program python /usr/bin/python3 "$clients/python.py" ;;
      dockerode) NODE_PATH=$CAIS_TEST_CACHE/dockerode/node_modules program dockerode node "$clients/dockerode/client.js" ;;
      docker-dotnet) program docker-dotnet dotnet exec "$clients/docker-dotnet/bin/Release/net10.0/DockerDotNetClient.dll" ;;
      testcontainers) TESTCONTAINERS_RYUK_DISABLED=true program testcontainers dotnet exec "$clients/testcontainers/bin/Release/net10.0/TestcontainersClient.dll" ;;
      docker | compose1 | compose2) . "$clients/$client.sh" ;;
      *) fail "there is no client '$client'" ;;
    esac
    after=$(inventory_of_engine)
    if [ "$before" = "$after" ]; then pass "$client: leaves nothing"; else fail "$client: leaves nothing" "$(diff <(echo "$before") <(echo "$after"))"; fi
    [ -z "${VERBOSE-}" ] || echo "     $client: $((SECONDS - started)) s"
  done
done

[ -z "$(docker ps -aq)" ] || docker rm -fv $(docker ps -aq) >/dev/null
docker network prune -f >/dev/null
kill $daemon; wait $daemon 2>/dev/null
for link in $(ip -o link show type bridge | grep -oE '(docker0|br-[0-9a-f]+)'); do ip link delete "$link"; done
for table in $(nft list tables | awk '/cais/ { print $2 "/" $3 }'); do nft delete table "${table%/*}" "${table#*/}"; done
rm -rf /run/clients
finish
