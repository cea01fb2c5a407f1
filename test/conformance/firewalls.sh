#!/usr/bin/env bash
# Debian's ufw and firewalld, with the lines that docs/networking.md gives for them, beside published ports and containers on their way out. Run by hand, as root, after
# ./build.sh; needs a Debian mirror for its first run. Their packages are unpacked over this machine's files in a mount namespace of the script's own: nothing is installed.
cache=${CAIS_TEST_CACHE:-/var/cache/cais-tests}
if [ -z "${CAIS_CONFORMANCE-}" ] && [ ! -e "$cache/firewalls/.complete" ]; then
  mkdir -p "$cache/firewalls" && chmod 755 "$cache/firewalls" && (cd "$cache/firewalls" &&
    apt-get -qq download ufw firewalld python3-firewall python3-nftables python3-dbus python3-gi python3-cap-ng libcap-ng0 gir1.2-glib-2.0 libgirepository-1.0-1 dbus dbus-daemon dbus-bin \
      dbus-system-bus-common dbus-session-bus-common libdbus-1-3 libexpat1 libapparmor1 iptables libip4tc2 libip6tc2 libxtables12 libnetfilter-conntrack3 libnfnetlink0 libnftnl11 2>/dev/null && touch .complete) || exit 99
fi
. "$(dirname "$0")/lib.sh"

# /etc, /usr and /var/lib with the packages in them, for this mount namespace alone.
for folder in etc usr var/lib; do
  mkdir -p "$work/upper/$folder" "$work/over/$folder"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$work/upper/$folder,workdir=$work/over/$folder" "/$folder" || exit 1
done
for package in "$cache"/firewalls/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -C / -x --keep-directory-symlink --exclude=./usr/share/doc --exclude=./usr/share/locale 2>/dev/null; done

"$bin/caisd" --data-root "$work/data" --exec-root /run/e -p /run/e.pid -H unix:///run/e.sock >"$work/log" 2>&1 &
daemon=$!
tool d 'exec docker -H unix:///run/e.sock "$@"'
tool fetch 'exec curl -sf -m 3 "$@"'
tool inside 'exec docker -H unix:///run/e.sock exec other sh -c "printf \"GET /who HTTP/1.0\r\n\r\n\" | nc -w 3 $1 $2 | tail -1"'
tool out 'exec nsenter --net=/run/netns/outside "$@"'
export DOCKER_CONFIG=$work/client
wait_for d version || { tail -20 "$work/log"; exit 1; }

# A machine outside, with a service.
ip netns add outside
ip link add uplink type veth peer name eth0 netns outside
ip address add 198.51.100.1/24 dev uplink && ip link set uplink up
ip -n outside address add 198.51.100.2/24 dev eth0 && ip -n outside link set eth0 up && ip -n outside link set lo up
mkdir "$work/www" && echo outside >"$work/www/who"
out busybox httpd -f -p 7000 -h "$work/www" &
service=$!
tar -C "$rootfs" -c . | d import - tiny >/dev/null
d run -d --name web -p 8080:80 tiny sh -c 'mkdir /w && echo web >/w/who && exec httpd -f -p 80 -h /w' >/dev/null
d run -d --name other tiny sleep 100000 >/dev/null
address=$(d inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' web)

works() { # name
  eventually "$1: the published port answers from outside" '^web$' out fetch http://198.51.100.1:8080/who
  eventually "$1: and on this machine" '^web$' fetch http://127.0.0.1:8080/who
  eventually "$1: containers reach out" '^outside$' inside 198.51.100.2 7000
  eventually "$1: containers reach each other" '^web$' inside "$address" 80
}
works "no firewall"

# What the package's installation copies.
cp -n /usr/share/ufw/ufw.conf /usr/share/ufw/*.rules /usr/share/ufw/iptables/*.rules /etc/ufw/ 2>/dev/null
[ -e /etc/default/ufw ] || cp /usr/share/ufw/default/ufw /etc/default/ufw 2>/dev/null

# ufw: default deny; forwarded packets are dropped until its policy lets them through.
sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw
expect "ufw is enabled" 0 'active' ufw --force enable
expect "ufw: forwarding is off by its default" '!0' '' out fetch http://198.51.100.1:8080/who
sed -i 's/^DEFAULT_FORWARD_POLICY=.*/DEFAULT_FORWARD_POLICY="ACCEPT"/' /etc/default/ufw
expect "ufw reloads" 0 'reloaded' ufw reload
works "ufw with DEFAULT_FORWARD_POLICY=ACCEPT"
expect "ufw keeps this machine's own services shut" '!0' '' out fetch http://198.51.100.1:9/
nft add rule inet cais user_published tcp dport 8080 ip saddr 198.51.100.2 drop
expect "beside ufw user_published filters by the published port" '!0' '' out fetch http://198.51.100.1:8080/who
nft flush chain inet cais user_published
expect "ufw is disabled" 0 'stopped' ufw disable
for table in filter mangle nat raw; do iptables-nft -t $table -F 2>/dev/null; iptables-nft -t $table -X 2>/dev/null; done
nft delete table ip filter 2>/dev/null; nft delete table ip6 filter 2>/dev/null

# firewalld: its nftables backend, on a bus of its own.
mkdir -p /run/dbus
dbus-daemon --system --nofork --nopidfile >"$work/dbus.log" 2>&1 &
bus=$!
firewalld --nofork --nopid >"$work/firewalld.log" 2>&1 &
firewalld=$!
if eventually "firewalld runs" '^running$' firewall-cmd --state; then
  expect "firewalld: containers are shut in at first" 0 'No route to host' inside 198.51.100.2 7000
  expect "firewalld takes the bridge" 0 'success' firewall-cmd --permanent --zone=trusted --add-interface=docker0
  expect "firewalld reloads" 0 'success' firewall-cmd --reload
  works "firewalld with the bridge in its trusted zone"
else
  tail -5 "$work/firewalld.log" "$work/dbus.log"
fi

kill $firewalld; wait $firewalld 2>/dev/null
kill $bus $service; wait $bus $service 2>/dev/null
d rm -f web other >/dev/null
kill $daemon; wait $daemon 2>/dev/null
ip link delete docker0; ip link delete uplink; ip netns delete outside
nft flush ruleset
umount /run/netns 2>/dev/null
for folder in etc usr var/lib; do umount -l "/$folder"; done
rm -rf /run/netns /run/e /run/e.* /run/dbus /run/ufw.lock /run/firewalld
finish
