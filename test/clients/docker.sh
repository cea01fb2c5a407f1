# The docker client 28.2: a small release, from the sources to the running service and back.
v=docker
release=$work/release
mkdir -p "$release/site"
cd "$release" || exit 1
echo "one" >site/index.html
printf 'FROM tiny AS build\nWORKDIR /src\nCOPY site .\nRUN tr a-z A-Z <index.html >out.html\nFROM tiny\nCOPY --from=build /src/out.html /www/index.html\nHEALTHCHECK --interval=200ms CMD wget -qO- http://127.0.0.1/ >/dev/null\nEXPOSE 80\nCMD ["httpd", "-f", "-p", "80", "-h", "/www"]\n' >Dockerfile
expect "$v: build" 0 '' docker build -t site:1 .
echo "two" >site/index.html
expect "$v: build with buildx" 0 '' docker buildx build --load -t site:2 .
expect "$v: a network and a volume" 0 '' bash -c 'docker network create releases && docker volume create notes'
expect "$v: run" 0 '^[0-9a-f]{64}$' docker run -d --name blue --network releases --network-alias site -v notes:/notes -p 127.0.0.1:8088:80 --restart unless-stopped -m 64m site:1
eventually "$v: healthy" '^healthy$' docker inspect -f '{{.State.Health.Status}}' blue
expect "$v: it serves" 0 '^ONE$' curl -sf http://127.0.0.1:8088/
expect "$v: and inside" 0 '^ONE$' docker run --rm --network releases tiny wget -qO- http://site/
expect "$v: the old goes, the new comes" 0 '' bash -c 'docker rm -f blue && docker run -d --name green --network releases --network-alias site -v notes:/notes -p 127.0.0.1:8088:80 site:2'
eventually "$v: it serves the new" '^TWO$' curl -sf http://127.0.0.1:8088/
expect "$v: exec" 0 '^noted$' bash -c 'docker exec green sh -c "echo noted >/notes/file" && docker run --rm -v notes:/n:ro tiny cat /n/file'
expect "$v: exec -i" 0 '^3$' bash -c 'printf "a\nb\nc\n" | docker exec -i green wc -l'
expect "$v: exec -t" 0 '/dev/pts/0' script -qec 'docker exec -it green tty' /dev/null
expect "$v: cp in and out" 0 '^THREE$' bash -c 'echo THREE >three.html && docker cp three.html green:/www/three.html && curl -sf http://127.0.0.1:8088/three.html && docker cp green:/www/three.html - | tar -xO | grep THREE'
expect "$v: diff" 0 '^A /www/three.html$' docker diff green
expect "$v: commit" 0 '^sha256:' docker commit -m three -c 'LABEL n=3' green site:3
expect "$v: history" 0 'three' docker history site:3
expect "$v: save and load" 0 'Loaded image: site:3' bash -c 'docker save site:3 -o site.tar && docker rmi -f site:3 >/dev/null && docker load -i site.tar'
expect "$v: ps" 0 '^green site:2 Up .*127.0.0.1:8088->80/tcp$' docker ps --format '{{.Names}} {{.Image}} {{.Status}} {{.Ports}}'
expect "$v: port" 0 '^127.0.0.1:8088$' docker port green 80
expect "$v: stats" 0 '^green [0-9.]+%' docker stats --no-stream --format '{{.Name}} {{.CPUPerc}}' green
expect "$v: top" 0 'httpd' docker top green
expect "$v: update" 0 '' docker update -m 80m --memory-swap 80m --restart always green
expect "$v: rename, restart, pause, unpause" 0 '' bash -c 'docker rename green lime && docker restart -t 1 lime && docker pause lime && docker unpause lime'
expect "$v: logs" 0 '^line 9$' bash -c 'docker run --name talk tiny sh -c "for i in 1 2 3 4 5 6 7 8 9; do echo line \$i; done" >/dev/null; docker logs -n 1 talk'
expect "$v: wait" 0 '^4$' bash -c 'docker wait $(docker run -d --rm tiny sh -c "sleep 0.3; exit 4")'
expect "$v: run passes the exit code" 42 '' docker run --rm tiny sh -c 'exit 42'
expect "$v: a command that is not there" 127 'not found' docker run --rm tiny nonesuch
expect "$v: a container that is not there" 1 'No such container: nonesuch' docker start nonesuch
expect "$v: events" 0 'container rename .*name=lime' docker events --since 1h --until 0s --filter container=lime
expect "$v: system df" 0 '^Local Volumes' docker system df
expect "$v: info" 0 'Server Version' docker info
expect "$v: prune" 0 'Total reclaimed space' docker container prune -f
expect "$v: export, import" 0 'sha256:' bash -c 'docker export lime | docker import - flat'
expect "$v: all goes" 0 '' bash -c 'docker rm -fv lime && docker volume rm notes && docker network rm releases && docker rmi site:1 site:2 site:3 flat'
cd "$work" || exit 1
