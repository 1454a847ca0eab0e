/**
 * The text of /init, process 1 of the guest, and of the few files it lies among.
 */
import { USERSPACE_MARKER } from './cmdline.ts';

/** Where a command too long for the kernel's command line lies in the initramfs. */
export const COMMAND_FILE = 'hindsight/exec';

/** Where the program lies that serves the session channel, and the name of its port. */
export const AGENT_FILE = 'hindsight/agent';
export const SESSION_PORT = 'hindsight.session';

/** Where the script lies that keeps the terminal's size. */
export const SIZE_FILE = 'hindsight/follow-size';

/** Where the program lies that /init has things done with at once, see helper.ts. */
export const HELPER_FILE = 'hindsight/helper';

/** What /init writes when it waits for its words, see {@link initScript}. */
export const READY_MARKER = '\x1ehindsight:ready';

/** What /init must know of the kernel it was packed with. */
export interface InitFacts {
  /** `uname -r` of the kernel. */
  readonly release: string;
  /** Modules for a virtio disk with ext4, in load order. */
  readonly diskModules: readonly string[];
}

/**
 * /init, a script for busybox's ash. Words of the kernel command line it obeys:
 *
 * - `root=DEV` loads the disk's modules, mounts DEV (ext4; `ro` and `rootflags=` are honoured) and works there;
 *   without it everything runs in the initramfs;
 * - `hindsight.init=PROG` hands process 1 over to PROG of the root disk (by default `/sbin/init` where there is one
 *   and no command is given); otherwise a shell or the command runs chrooted into it;
 * - `hindsight.exec=BASE64`, or the file /hindsight/exec, runs that command between the markers
 *   `RS hindsight:TOKEN begin LF` and `RS hindsight:TOKEN end STATUS LF` (RS is byte 0x1e) on an exact terminal, then
 *   powers off; `hindsight.token=` names the token (default `exec`), `hindsight.stdin=stream|raw|none` its input;
 * - otherwise a root shell with job control, and power-off when it ends;
 * - `hindsight.size=hvc0` keeps a shell's terminal as large as that virtio console, whose size the host can change;
 * - `hindsight.rows=`, `hindsight.cols=`, `hindsight.term=`, `hindsight.hostname=` describe terminal and host;
 * - `hindsight.modules=A,B` loads modules; `hindsight.net=dhcp|up|ADDRESS/BITS` brings the network up, by `hindsight.mac=ADDRESS` with another address than its device's;
 *   `hindsight.shares=TAG,TAG` mounts shared folders (virtiofs, or else 9P) at /mnt/TAG;
 * - `hindsight.session` starts the agent of the session channel, working on the root disk if there is one;
 * - `hindsight.wait` prepares everything that all of this has in common, writes `RS hindsight:ready LF` and waits for more of these words on the
 *   console, each on a line and without `hindsight.`, up to an empty line. A machine is snapshotted there; once it goes on, the kernel's
 *   random numbers get a new key and the clock its time before anything else happens. `exec=` may come in pieces; `command=` is a command as
 *   it is. There the terminal is as commands have it.
 *
 * Modules are loaded when something needs them, so that a plain boot loads none.
 */
export function initScript(facts: InitFacts): string {
  return `#!/bin/sh
echo '${USERSPACE_MARKER}'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LOGNAME=root SHELL=/bin/sh
umask 022
mount -t devtmpfs -o mode=755 dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts 2>/dev/null || {
  mkdir -p /dev/pts && mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
}

modules=/lib/modules/${facts.release}
root= rootflags= mode=rw init= exec= command= token=exec input=stream rows= cols= name=hindsight wanted= net= mac= shares= ruler= session= waiting=
TERM=vt220
set -f
read -r words </proc/cmdline
obey() {
  word=$1
  value=\${word#*=}
  case $word in
    root=* | hindsight.root=*) root=$value ;;
    rootflags=*) rootflags=,$value ;;
    ro) mode=ro ;;
    hindsight.init=*) init=$value ;;
    hindsight.exec=*) exec=$exec$value ;;
    hindsight.command=*) exec=typed command=$value ;;
    hindsight.wait) waiting=yes ;;
    hindsight.token=*) token=$value ;;
    hindsight.stdin=*) input=$value ;;
    hindsight.rows=*) rows=$value ;;
    hindsight.cols=*) cols=$value ;;
    hindsight.term=*) TERM=$value ;;
    hindsight.size=*) ruler=$value ;;
    hindsight.hostname=*) name=$value ;;
    hindsight.modules=*) wanted=$value ;;
    hindsight.net=*) net=$value ;;
    hindsight.mac=*) mac=$value ;;
    hindsight.shares=*) shares=$value ;;
    hindsight.session) session=yes ;;
  esac
}
for word in $words; do obey "$word"; done
set +f
export TERM
hostname "$name"
read -r consoles </sys/class/tty/console/active
tty=/dev/\${consoles##* }

load() {
  for module; do insmod "$modules/$module.ko" 2>/dev/null; done
}

finish() {
  if [ -n "$root" ]; then
    kill -9 -1 2>/dev/null
    sync
    for point in dev/pts dev proc sys tmp; do umount "/root-disk/$point" 2>/dev/null; done
    umount /root-disk 2>/dev/null || mount -o remount,ro /root-disk 2>/dev/null
  fi
  [ "$1" = poweroff ] && exec /${HELPER_FILE} off <"$tty"
  stty -F "$tty" opost 2>/dev/null # waits until the terminal has sent everything
  "$1" -f
}

# busybox's poweroff, halt and reboot ask process 1 by these signals. It obeys at once only in a wait, so it starts everything in the background.
trap 'finish poweroff' USR2
trap 'finish halt' USR1
trap 'finish reboot' TERM

plain='-echo -isig -ixon -ixoff -istrip -inlcr -igncr -icrnl -iuclc -brkint -inpck -parmrk -opost crtscts'
lines() {
  stty -F "$tty" $plain icanon iexten eof ^D lnext ^V eol undef eol2 undef erase undef kill undef werase undef rprnt undef
}
exact_terminal() {
  [ -n "$waiting" ] || dmesg -n 1
  case $input in
    raw) stty -F "$tty" $plain -icanon -iexten min 1 time 0 ;;
    *) [ -n "$waiting" ] || lines ;;
  esac
}

give_up() {
  if [ -n "$exec" ]; then
    exact_terminal
    printf '\\036hindsight:%s begin\\n%s\\n\\036hindsight:%s end 125\\n' "$token" "hindsight: $1" "$token" >"$tty"
    root=
    finish poweroff
  fi
  root=
  echo "hindsight: $1" >"$tty"
}

# In functions, so that all of it is read before a machine is snapshotted.
go() {
if [ -n "$exec" ]; then
  [ -n "$command" ] || command=$(printf %s "$exec" | base64 -d)
elif [ -f /${COMMAND_FILE} ]; then
  exec=file
  command=$(cat /${COMMAND_FILE})
fi

[ -n "$wanted$net$ruler" ] && load virtio_mmio
if [ -n "$wanted" ]; then
  for module in $(echo "$wanted" | tr , ' '); do modprobe "$module"; done
fi

if [ -n "$net" ]; then
  modprobe virtio_net
  ip link set lo up
  [ -n "$mac" ] && ip link set eth0 address "$mac"
  [ -e /sys/class/net/eth0 ] && ip link set eth0 up && case $net in
    dhcp) udhcpc -q -n -t 3 -i eth0 >/dev/null 2>&1 ;;
    */*) ip addr add "$net" dev eth0 ;;
  esac || echo 'hindsight: no network came up' >"$tty"
fi

[ -n "$shares" ] && for share in $(echo "$shares" | tr , ' '); do
  mkdir -p "/mnt/$share"
  if mount -t virtiofs "$share" "/mnt/$share" 2>/dev/null; then
    # As much as one request may ask for: each costs a change to another process and back.
    while read -r _ _ device _ place _; do
      [ "$place" = "/mnt/$share" ] && echo 1024 >"/sys/class/bdi/$device/read_ahead_kb"
    done </proc/self/mountinfo
  elif ! { modprobe 9p && modprobe 9pnet_virtio &&
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap "$share" "/mnt/$share"; }; then
    echo "hindsight: share $share could not be mounted" >"$tty"
  fi
done

set --
if [ -n "$root" ]; then
  load ${facts.diskModules.join(' ')}
  tries=0
  until [ -b "$root" ] || [ $tries -ge 20 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  if [ ! -b "$root" ]; then
    give_up "root=$root: there is no such disk"
  elif ! mount -t ext4 -o "$mode$rootflags" "$root" /root-disk; then
    give_up "root=$root: no ext4 file system could be mounted"
  fi
fi
if [ -n "$root" ]; then
  [ -z "$exec" ] && [ -z "$init" ] && [ -x /root-disk/sbin/init ] && init=/sbin/init
  mount -t devtmpfs dev /root-disk/dev && mkdir -p /root-disk/dev/pts
  mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /root-disk/dev/pts
  mount -t proc proc /root-disk/proc
  mount -t sysfs sys /root-disk/sys
  [ -n "$init" ] || mount -t tmpfs tmp /root-disk/tmp
  [ -n "$shares" ] && for share in $(echo "$shares" | tr , ' '); do
    mkdir -p "/root-disk/mnt/$share" && mount -o bind "/mnt/$share" "/root-disk/mnt/$share"
  done
  [ -n "$net" ] && [ -s /etc/resolv.conf ] && cp /etc/resolv.conf /root-disk/etc/ 2>/dev/null
  set -- /bin/busybox chroot /root-disk /bin/sh -c 'cd 2>/dev/null; exec "$@"' sh
fi

if [ -n "$session" ]; then
  load virtio_mmio virtio_console
  tries=0
  until port=$(grep -lx ${SESSION_PORT} /sys/class/virtio-ports/*/name 2>/dev/null) || [ $tries -ge 50 ]; do
    tries=$((tries + 1))
    sleep 0.02
  done
  port=\${port%/name}
  if [ -n "$port" ]; then
    setsid /${AGENT_FILE} "/dev/\${port##*/}" \${root:+/root-disk} </dev/null >/dev/null 2>&1 &
  else
    echo 'hindsight: there is no port for the session channel' >"$tty"
  fi
fi

[ -n "$rows" ] && [ -n "$cols" ] && stty -F "$tty" rows "$rows" cols "$cols"

if [ -n "$exec" ]; then
  exact_terminal
  exec 2>/dev/null # a shell says of what a signal killed that it was; in a shell of its own, the command has another
  cd /root
  printf '\\036hindsight:%s begin\\n' "$token" >"$tty"
  if [ "$input" = none ]; then
    (exec /${HELPER_FILE} session "$@" /bin/sh -c "$command" </dev/null >"$tty" 2>&1) &
  else
    (exec /${HELPER_FILE} terminal "$@" /bin/sh -c "$command" <"$tty" >"$tty" 2>&1) &
  fi
  wait $!
  printf '\\036hindsight:%s end %d\\n' "$token" $? >"$tty"
  finish poweroff
fi

if [ -n "$init" ]; then
  exec switch_root -c "$tty" /root-disk "$init"
fi

if [ -c "/dev/\${ruler:-none}" ]; then
  setsid -c /bin/sh /${SIZE_FILE} "$tty" <"/dev/$ruler" >/dev/null 2>&1 &
fi

cd /root
shell=/bin/sh
[ -n "$root" ] && [ -x /root-disk/bin/bash ] && shell=/bin/bash
# Not by busybox's setsid: what a shell starts in the background is to ignore Ctrl-C, until somebody says otherwise.
(exec /${HELPER_FILE} terminal "$@" "$shell" -l <"$tty" >"$tty" 2>&1) &
wait $!
finish poweroff
}

# Everything up to here is the same for all that may be asked of this guest: where snapshots are made.
if [ -n "$waiting" ]; then
  dmesg -n 1
  load virtio_mmio virtio_rng
  saved=$(stty -F "$tty" -g)
  lines
  /${HELPER_FILE} resume # and all that it needs is in memory
  # Freed memory is made zero, so that a snapshot need not keep it.
  read -r label free unit <<FREE
$(grep MemFree: /proc/meminfo)
FREE
  mount -t ramfs zeros /mnt && dd if=/dev/zero of=/mnt/zeros bs=1M "count=$((free / 1024 - 24))" 2>/dev/null
  umount /mnt
  printf '\\036hindsight:ready\\n' >"$tty"
  while IFS= read -r word <&3 && [ -n "$word" ]; do obey "hindsight.$word"; done 3<"$tty"
  /${HELPER_FILE} resume
  [ "$name" = hindsight ] || hostname "$name"
  [ -n "$exec" ] || { stty -F "$tty" "$saved"; dmesg -n 4; }
fi
go
`;
}

/** Settings of interactive shells in the initramfs. */
export const PROFILE = `PS1='\\u@\\h:\\w\\$ '
alias ll='ls -l'
`;

/**
 * A serial line knows no size. Whoever has the virtio console for a terminal gets its changes by SIGWINCH: this passes them
 * on to the serial line, the script's argument.
 */
export const SIZE_SCRIPT = `#!/bin/sh
trap : WINCH
while :; do
  size=$(stty size)
  [ "$size" = '0 0' ] || stty -F "$1" rows "\${size% *}" cols "\${size#* }"
  sleep 2147483647 &
  wait $! 2>/dev/null # says nothing of how it died
  kill $!
done
`;

/** poweroff and reboot act at once: process 1 is a script that has no services to stop. */
export const haltScript = (verb: 'poweroff' | 'reboot' | 'halt'): string => `#!/bin/sh
sync
exec /bin/busybox ${verb} -f "$@"
`;

/** Called by busybox's udhcpc with the lease in its environment. */
export const DHCP_SCRIPT = `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip -4 addr flush dev "$interface"
ip addr add "$ip/\${mask:-24}" dev "$interface"
for gateway in $router; do ip route add default via "$gateway" dev "$interface" && break; done
: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
`;
