#!/usr/bin/env bash
# Puts the newest Docker that Debian has (docker.io of forky, with its containerd, runc, crun and podman) into a root of its own and
# starts its daemon in a network namespace of its own, so that benchmarks can run both engines side by side.
# Prints the daemon's socket. PEERS: where everything goes (default: ~/peers). `peers.sh stop` ends the daemon.
set -euo pipefail
peers=${PEERS:-$HOME/peers}
root=$peers/forky
socket=$root/peer/docker.sock
pidfile=$peers/dockerd.pid

if [ "${1-}" = stop ]; then
  [ -f "$pidfile" ] && kill "$(cat "$pidfile")" 2>/dev/null
  rm -f "$pidfile"
  ip netns del cais-peer 2>/dev/null
  exit 0
fi

if [ ! -e "$root/.complete" ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
  ln -sf sid /usr/share/debootstrap/scripts/forky
  mirror=$(awk '/^(URIs:|deb )/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null)
  debootstrap --no-check-gpg --variant=minbase --include=ca-certificates forky "$root" "$mirror" >"$peers.log" 2>&1
  echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99novalid"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  chroot "$root" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    docker.io docker-cli docker-buildx docker-compose containerd runc crun podman iptables iproute2 busybox-static skopeo' >>"$peers.log" 2>&1
  touch "$root/.complete"
fi

if ! docker -H "unix://$socket" version >/dev/null 2>&1; then
  mkdir -p "$root/peer" "$root/host" "$root/.old"
  [ -e /run/netns/cais-peer ] || ip netns add cais-peer
  ip -n cais-peer link set lo up
  # A real root (pivot_root: runc refuses a chroot) in a private mount namespace; nsenter, not `ip netns exec`, which hides the cgroups.
  setsid nsenter --net=/run/netns/cais-peer unshare --mount --propagation private sh -c "
    mount --bind $root $root
    for m in proc sys dev; do mount --rbind /\$m $root/\$m; done
    mount -t tmpfs tmpfs $root/run
    cd $root && pivot_root . .old && umount -l /.old && cd /
    rm -f /peer/docker.sock
    exec dockerd --data-root /peer/data --exec-root /run/peer -H unix:///peer/docker.sock -p /run/peer.pid" >"$peers/dockerd.log" 2>&1 </dev/null &
  echo $! >"$pidfile"
  for _ in $(seq 200); do
    docker -H "unix://$socket" version >/dev/null 2>&1 && break
    sleep 0.1
  done
fi
echo "$socket"
