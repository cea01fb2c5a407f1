#!/usr/bin/env bash
# Boots Debian's cloud kernel with systemd on cgroup v2 in qemu, with the built programs inside, and runs there what a machine with
# cgroup v1 cannot test: the conformance scripts, the runtime's and the engine's integration tests, checkpoint and restore, cgroups by systemd.
# Usage (root): test/vm/run.sh [PART...]      parts: smoke systemd criu quotas containerd podman dockerd engine, and suites: their integration tests (Runtime),
# or classes of one (EndToEnd:HostConfigTests,RunTests). Default: the list below.
# CAIS_VM_CACHE: the kernel, the Debian root and the disk (default /var/cache/cais-vm). CAIS_VM_SECONDS: time limit (default 7200).
# CAIS_VM_CPUS: processors of the machine (default 2).
# Needs Debian packages: qemu-system-x86 seabios mmdebstrap busybox-static e2fsprogs. Without /dev/kvm a part takes about ten times as long.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
cache=${CAIS_VM_CACHE:-/var/cache/cais-vm}
bin=${CAIS_BIN:-$project/artifacts/bin}
parts=${*:-smoke systemd criu quotas containerd podman dockerd engine Runtime Shim Engine Daemon EndToEnd:HostConfigTests,LifecycleTests}
mkdir -p "$cache"

# The kernel, taken apart, not installed.
if [ ! -e "$cache/kernel/.complete" ]; then
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
  rm -rf "$cache/kernel" && mkdir -p "$cache/kernel"
  (cd "$cache/kernel" && apt-get download -q "$package" && dpkg -x ./*.deb . && rm ./*.deb)
  touch "$cache/kernel/.complete"
fi
kernel=$(ls "$cache"/kernel/boot/vmlinuz-*)
version=${kernel##*/vmlinuz-}

# The root file system: Debian with systemd, and the peers.
packages=systemd,systemd-sysv,dbus,udev,kmod,iproute2,iputils-ping,nftables,iptables,procps,busybox-static,runc,crun,criu,containerd,docker.io,podman,bsdutils,jq,strace,\
binutils,uidmap,libicu72,ca-certificates,apparmor
if [ "$(cat "$cache/root/.complete" 2>/dev/null)" != "$packages" ]; then
  rm -f "$cache/disk.complete"
  rm -rf "$cache/root"
  mirror=$(awk '/^(URIs:|deb )/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null)
  mmdebstrap --variant=minbase --mode=root --skip=check/empty \
    --include="$packages" \
    --aptopt='Apt::Install-Recommends "false"' bookworm "$cache/root" "$mirror"
  chroot "$cache/root" systemctl mask docker.service docker.socket containerd.service podman.service podman.socket getty@tty1.service \
    serial-getty@ttyS0.service systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer apparmor.service >/dev/null 2>&1
  echo "$packages" >"$cache/root/.complete"
fi
root=$cache/root
if [ ! -e "$cache/disk.complete" ]; then
  rm -rf "$root/lib/modules" "$root/usr/share/"{doc,man,locale,info} && cp -a "$cache/kernel/lib/modules" "$root/lib/"
  chroot "$root" depmod "$version"
  cat >"$root/etc/systemd/system/cais-test.service" <<UNIT
[Unit]
Description=Tests of Cais
After=dbus.service systemd-tmpfiles-setup.service
RequiresMountsFor=/cais
[Service]
Type=oneshot
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/cais/inside.sh
ExecStopPost=/bin/systemctl --force --force poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
Delegate=yes
[Install]
WantedBy=multi-user.target
UNIT
  ln -sf ../cais-test.service "$root/etc/systemd/system/multi-user.target.wants/cais-test.service"
  printf '/dev/vda / ext4 defaults 0 0\n/dev/vdb /cais ext4 defaults 0 0\n' >"$root/etc/fstab"
  mkdir -p "$root/cais"
  echo cais-vm >"$root/etc/hostname"
  mke2fs -q -t ext4 -O ^has_journal -d "$root" "$cache/disk.ext4" 6G
  touch "$cache/disk.complete"
fi

# What is tested, and .NET for the suites: a disk of its own, mounted at /cais.
tested=$cache/tested
rm -rf "$tested" && mkdir -p "$tested/artifacts" "$tested/tests"
cp -a "$bin" "$tested/artifacts/bin"
cp -a "$project/test" "$tested/test"
cp "$project/tests/isolate.sh" "$tested/tests/"
cp "$here/inside.sh" "$tested/inside.sh"
# Suites find themselves by the solution's file, and read the documentation and the published programs' symbols.
cp -a "$project/Cais.slnx" "$project/docs" "$tested/"
for program in Cais.RuntimeCli/cais-runtime Cais.Shim/containerd-shim-cais-v2; do
  [ ! -e "$project/artifacts/publish/$program" ] || install -D "$project/artifacts/publish/$program" "$tested/artifacts/publish/$program"
done
echo "$parts" >"$tested/parts"
[ ! -e /usr/local/bin/docker ] || cp /usr/local/bin/docker "$tested/artifacts/bin/docker"
for part in $parts; do
  part=${part%%:*}
  suite=$project/tests/Cais.$part.Tests/bin/Release/net10.0
  if [ -d "$suite" ] && [ ! -d "$tested/tests/Cais.$part.Tests" ]; then
    mkdir -p "$tested/dotnet"
    cp -a "$suite" "$tested/tests/Cais.$part.Tests"
    dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
    cp -a "$dotnet/dotnet" "$dotnet/host" "$dotnet/shared" "$tested/dotnet/"
  fi
done
rm -f "$cache/tested.ext4"
mke2fs -q -t ext4 -O ^has_journal -d "$tested" "$cache/tested.ext4" 3G

# An initial root that finds the disk: the cloud kernel has its drivers as modules.
initial=$cache/initial
rm -rf "$initial" && mkdir -p "$initial"/{bin,dev,proc,sys,root,modules}
cp /bin/busybox "$initial/bin/busybox"
i=100
for file in $(chroot "$root" modprobe -S "$version" --show-depends -a virtio_pci virtio_blk ext4 | awk '$1 == "insmod" { print $2 }' | awk '!seen[$0]++'); do
  cp "$root$file" "$initial/modules/$((i++))-${file##*/}"
done
cat >"$initial/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for m in /modules/*; do /bin/busybox insmod $m; done
n=0; while [ ! -b /dev/vda ] && [ $n -lt 100 ]; do /bin/busybox sleep 0.1; n=$((n + 1)); done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /sbin/init
INIT
chmod +x "$initial/init"
(cd "$initial" && find . | /bin/busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$cache/initial.img"

accelerate=tcg,thread=multi
[ -z "${CAIS_VM_KVM-}" ] || accelerate=kvm
timeout "${CAIS_VM_SECONDS:-7200}" qemu-system-x86_64 -accel "$accelerate" -cpu max -smp "${CAIS_VM_CPUS:-2}" -m 3072 -display none -serial stdio -monitor none -no-reboot \
  -kernel "$kernel" -initrd "$cache/initial.img" -nic none -drive "file=$cache/disk.ext4,format=raw,if=virtio,cache=unsafe,snapshot=on" \
  -drive "file=$cache/tested.ext4,format=raw,if=virtio,cache=unsafe" \
  -append "console=ttyS0 quiet panic=-1 systemd.show_status=false systemd.journald.forward_to_console=false systemd.default_timeout_start_sec=1800 systemd.default_device_timeout_sec=1800" </dev/null 2>&1 | tee "$cache/console.log" | sed -u "s,\r,,g" |
  grep --line-buffered -E '^(VM:|conformance|FAIL|skip|leak|     |ok)|Total:|\[FAIL\]' || true
grep -q '^VM: finished' <(tr -d '\r' <"$cache/console.log") || { echo "the machine did not get to the end: see $cache/console.log"; exit 1; }
! tr -d '\r' <"$cache/console.log" | grep -qE '^VM: .* failed'
