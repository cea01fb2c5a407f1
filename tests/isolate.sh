#!/usr/bin/env bash
# Runs a command on a machine of its own, as far as the kernel allows: new network, mount, pid, ipc, uts and cgroup
# namespaces, an empty /run and /tmp, a folder on disk (CAIS_TEST_DISK), its own subtree of every cgroup hierarchy. When the command has ended, looks for what it
# left behind (processes, mounts, cgroups, interfaces, nftables tables, files in /run and /tmp) and fails if there is anything.
# Usage: isolate.sh COMMAND [ARGUMENT...]       exit code: the command's, or 99 if only the leak check failed
set -u

# In the new cgroup namespace, whose top is this scope: v2 allows processes only in leaves, and the one that waits outside for the others is not
# seen from inside, so it goes to the leaf now.
if [ "${1-}" = --leaf ]; then
  for mount in $(awk '$3 == "cgroup2" { print $2 }' /proc/mounts); do
    if [ -d "$mount/$2" ]; then mkdir -p "$mount/$2/runner" && echo $$ >"$mount/$2/runner/cgroup.procs"; fi
  done
  shift 2
  exec unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc --propagation private "$0" --inside "$@"
fi

if [ "${1-}" != --inside ]; then
  scope=cais-test-$$
  joined=()
  for mount in $(awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts); do
    if [ "$mount" = /sys/fs/cgroup ]; then # all of v2: what the top does not hand down, nobody below has
      for controller in $(cat "$mount/cgroup.controllers"); do echo "+$controller" >"$mount/cgroup.subtree_control"; done 2>/dev/null
    fi
    mkdir "$mount/$scope" 2>/dev/null || continue
    for file in cpuset.cpus cpuset.mems; do
      if [ -f "$mount/$scope/$file" ]; then cat "$mount/$file" >"$mount/$scope/$file" 2>/dev/null; fi
    done
    joined+=("$mount")
  done
  export CAIS_TEST_DISK=/var/tmp/$scope
  mkdir -p "$CAIS_TEST_DISK"
  # The shell that joins the cgroups is a child, so that this one can remove them afterwards.
  (
    for mount in "${joined[@]}"; do echo "$BASHPID" >"$mount/$scope/cgroup.procs"; done
    exec unshare --cgroup "$0" --leaf "$scope" "$@"
  )
  status=$?
  for mount in "${joined[@]}"; do
    left=$(find "$mount/$scope" -mindepth 1 -type d ! -name runner 2>/dev/null)
    if [ -n "$left" ]; then
      printf 'leak: cgroup %s\n' "$left" >&2
      [ $status -ne 0 ] || status=99
    fi
    find "$mount/$scope" -depth -type d -exec rmdir {} + 2>/dev/null
  done
  left=$(find "$CAIS_TEST_DISK" -mindepth 1 -maxdepth 2)
  if [ -n "$left" ]; then
    sed 's/^/leak: file /' <<<"$left" >&2
    [ $status -ne 0 ] || status=99
  fi
  rm -rf --one-file-system "$CAIS_TEST_DISK"
  exit $status
fi
shift

# The cgroup mounts show this namespace's subtree as their root.
for mount in $(awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts); do
  options=$(awk -v m="$mount" '$2 == m { print $4 }' /proc/mounts | tr ',' '\n' | grep -vE '^(rw|ro|relatime|nosuid|nodev|noexec|seclabel|nsdelegate|memory_recursiveprot)$' | paste -sd,)
  type=$(awk -v m="$mount" '$2 == m { print $3 }' /proc/mounts)
  umount "$mount" && mount -t "$type" ${options:+-o "$options"} cgroup "$mount"
  if [ "$type" = cgroup2 ]; then # v2 allows processes only in leaves
    mkdir -p "$mount/runner" && for pid in $(cat "$mount/cgroup.procs"); do echo "$pid" >"$mount/runner/cgroup.procs"; done 2>/dev/null
  fi
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
ip link set lo up

inventory() {
  awk '{ print "mount " $5 " " $9 }' /proc/self/mountinfo | sort
  ip -o link show | awk -F': ' '{ print "interface " $2 }'
  nft list tables 2>/dev/null | sed 's/^/nftables /'
  find /run /tmp -mindepth 1 ! -path '/tmp/.dotnet*' ! -path '/tmp/clr-debug-pipe*' ! -path '/tmp/dotnet-diagnostic*' ! -path '/tmp/.NET*' \
    ! -path '/tmp/MSBuild*' ! -path '/tmp/NuGet*' | sed 's/^/file /'
  # All processes but this shell (pid 1), the subshell of this listing and its children. Kernel-side zombies have no command line.
  for directory in /proc/[0-9]*; do
    pid=${directory#/proc/}
    parent=$(awk '/^PPid:/ { print $2 }' "$directory/status" 2>/dev/null)
    if [ "$pid" != 1 ] && [ "$pid" != "$BASHPID" ] && [ "$parent" != "$BASHPID" ]; then
      line=$(tr '\0' ' ' <"$directory/cmdline" 2>/dev/null)
      if [ -n "$line" ]; then echo "process $line"; fi
    fi
  done
}

before=$(inventory)
"$@"
status=$?
# What the command started may still be ending: give it a moment, but only as long as something is left.
for _ in $(seq 100); do
  after=$(inventory)
  leaks=$(comm -13 <(sort <<<"$before") <(sort <<<"$after"))
  [ -n "$leaks" ] || break
  sleep 0.05
done
if [ -n "$leaks" ]; then
  sed 's/^/leak: /' <<<"$leaks" >&2
  [ $status -ne 0 ] || status=99
fi
exit $status
