#!/bin/bash
# Runs inside the machine that run.sh boots, as a systemd service. Lines that begin with "VM:" are for the outside.
export PATH=/cais/artifacts/bin:/cais/dotnet:$PATH DOTNET_ROOT=/cais/dotnet CAIS_BIN=/cais/artifacts/bin CAIS_TEST_CACHE=/var/cache/cais-tests DOTNET_NOLOGO=1 DOTNET_TieredPGO=0 LIMIT=300 CAIS_SLOW=10 VERBOSE=1
echo "VM: kernel $(uname -r), $(stat -fc %T /sys/fs/cgroup), $(systemctl --version | head -1)"
for module in overlay bridge veth nf_tables nft_chain_nat tun unix_diag tcp_diag inet_diag netlink_diag udp_diag af_packet_diag loop; do modprobe -q $module; done
mount --make-rshared /
cd /cais || exit 1

part() {
  local name=$1 started=$SECONDS status
  shift
  "$@"
  status=$?
  if [ $status = 0 ]; then echo "VM: $name passed, $((SECONDS - started)) s"; else echo "VM: $name failed with $status, $((SECONDS - started)) s"; fi
}

for name in $(cat parts); do
  case $name in
  systemd | criu) part "$name" "test/vm/$name.sh" ;;
  smoke | containerd | podman | dockerd | engine | quotas) part "$name" "test/conformance/$name.sh" ;;
  *) # SUITE, or SUITE:CLASS,CLASS
    suite=Cais.${name%%:*}.Tests
    filter=(-trait Tier=integration)
    [ "$name" = "${name#*:}" ] || filter=($(tr , '\n' <<<"${name#*:}" | sed "s/.*/-class *.&/"))
    part "$name" tests/isolate.sh dotnet exec "tests/$suite/$suite.dll" -noColor -noLogo "${filter[@]}"
    ;;
  esac
done
echo "VM: finished"
