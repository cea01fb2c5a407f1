#!/usr/bin/env bash
# Volumes with a size, on an ext4 of the script's own that has project quotas. Where the kernel cannot (CONFIG_QFMT_V2), one line says so;
# in the virtual machine of test/vm/run.sh it can.
. "$(dirname "$0")/lib.sh"

truncate -s 200M "$work/disk.ext4"
mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$work/disk.ext4"
mkdir "$work/disk"
modprobe -q loop 2>/dev/null
modprobe -q quota_v2 2>/dev/null
if ! mount -o loop,prjquota "$work/disk.ext4" "$work/disk" 2>"$work/refused"; then
  skip "this kernel mounts no ext4 with project quotas: $(tail -1 "$work/refused")"
  rm -f "$work/disk.ext4"
  rmdir "$work/disk"
  finish
  exit
fi

start_engine --data-root "$work/disk/data"
tar -C "$rootfs" -c . | d import - tiny >/dev/null

expect "a volume with a size" 0 '^five$' d volume create -o size=5m five
expect "another" 0 '^nine$' d volume create -o size=9m nine
expect "what fits is written" 0 '^4194304$' d run --rm -v five:/v tiny sh -c 'head -c 4194304 /dev/zero >/v/a && stat -c %s /v/a'
expect "what does not fit is refused" '!0' 'No space left|Disk quota exceeded' d run --rm -v five:/v tiny dd if=/dev/zero of=/v/b bs=1M count=2
expect "directories inside count too" '!0' 'No space left|Disk quota exceeded' d run --rm -v five:/v tiny sh -c 'mkdir -p /v/deep/er && dd if=/dev/zero of=/v/deep/er/c bs=1M count=2'
expect "the other one has its own size" 0 '' d run --rm -v nine:/v tiny dd if=/dev/zero of=/v/b bs=1M count=8
expect "what is deleted is free again" 0 '' d run --rm -v five:/v tiny sh -c 'rm -rf /v/* && dd if=/dev/zero of=/v/b bs=1M count=4'
expect "a volume without a size has none" 0 '' bash -c 'd volume create free && d run --rm -v free:/v tiny dd if=/dev/zero of=/v/b bs=1M count=20'
kill -9 $daemon
wait $daemon 2>/dev/null
start_engine --data-root "$work/disk/data"
expect "the limit outlives the daemon" '!0' 'No space left|Disk quota exceeded' d run --rm -v five:/v tiny dd if=/dev/zero of=/v/c bs=1M count=3
expect "and removal" 0 '^five$' d volume rm five
expect "a new volume of that name starts empty and with its own size" 0 '' bash -c 'd volume create -o size=7m five && d run --rm -v five:/v tiny dd if=/dev/zero of=/v/b bs=1M count=6'
d volume rm five nine free >/dev/null
d rmi -f tiny >/dev/null

end_engine
umount "$work/disk"
rm -rf "$work/disk" "$work/disk.ext4"
finish
