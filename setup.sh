#!/usr/bin/env bash
# Builds Cais, installs it under PREFIX (default /usr/local), starts the daemon and runs a first container from an image
# made of what is on this machine. Needs root; needs neither a registry nor, once built, a network.
# Usage: setup.sh              install and start
#        setup.sh --uninstall  stop the daemon and remove what was installed (images and containers stay in /var/lib/cais)
set -euo pipefail
cd "$(dirname "$0")"
prefix=${PREFIX:-/usr/local}
library=$prefix/lib/cais
programs=(cais caisd containerd-shim-cais-v2 cais-runtime)
unit=/etc/systemd/system/caisd.service
pidfile=/run/caisd.pid
log=/var/log/caisd.log

[ "$(id -u)" = 0 ] || { echo "setup.sh: run me as root: a container engine needs it" >&2; exit 1; }
has_systemd() { [ -d /run/systemd/system ]; }

stop_daemon() {
  if has_systemd && [ -f "$unit" ]; then
    systemctl disable --now --quiet caisd || true
  elif [ -f "$pidfile" ] && pid=$(cat "$pidfile") && [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$library/caisd" ]; then
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  fi
}

start_daemon() {
  if has_systemd; then
    cat >"$unit" <<UNIT
[Unit]
Description=Cais container engine
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=$prefix/bin/caisd
ExecReload=/bin/kill -s HUP \$MAINPID
Restart=always
# Containers and their shims live on when the daemon stops: that is the design.
KillMode=process
Delegate=yes
LimitNOFILE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload
    systemctl enable --now --quiet caisd
  else
    setsid "$prefix/bin/caisd" --pidfile "$pidfile" >>"$log" 2>&1 </dev/null &
  fi
  for _ in $(seq 200); do
    if "$prefix/bin/cais" version >/dev/null 2>&1; then return; fi
    sleep 0.05
  done
  echo "setup.sh: caisd does not answer; its log: $(has_systemd && echo 'journalctl -u caisd' || echo "$log")" >&2
  exit 1
}

if [ "${1-}" = --uninstall ]; then
  stop_daemon
  for program in "${programs[@]}"; do rm -f "$prefix/bin/$program"; done
  rm -rf "$library" "$unit"
  echo "setup: removed from $prefix"
  exit 0
fi

./build.sh
stop_daemon
mkdir -p "$library" "$prefix/bin"
for file in artifacts/bin/*; do install -m 755 "$file" "$library/"; done
for program in "${programs[@]}"; do ln -sf "$library/$program" "$prefix/bin/$program"; done
start_daemon

# A first image: a shell and three tools of this machine with the libraries they need.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
for tool in sh echo uname hostname; do
  path=$(readlink -f "$(type -P $tool || type -P sh)")
  for file in "$path" $(ldd "$path" 2>/dev/null | grep -o '/[^ ]*'); do
    install -D "$(readlink -f "$file")" "$root$file"
  done
  mkdir -p "$root/bin" && [ -e "$root/bin/$tool" ] || ln -s "$path" "$root/bin/$tool"
done
tar -C "$root" -c . | "$prefix/bin/cais" import --change 'CMD ["sh", "-c", "echo \"Hello from a container: $(uname -s) $(uname -r), host name $(hostname)\""]' - cais/hello >/dev/null
"$prefix/bin/cais" run --rm cais/hello
