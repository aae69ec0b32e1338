"""
The scripts that are run on a host, for a POSIX shell; each is a constant.

What varies (a process id, a path, a time) comes after a script as words of its own, "$1" and on, so
that no name can become a command.
"""

# Every tool that is used, as it is found on the host: its path, digest and version.
TOOLS = (
    "sh", "cat", "head", "tee", "sha256sum", "ip", "ss", "conntrack", "nft", "iptables-save",
    "ip6tables-save", "ps", "ls", "readlink", "sed", "tr", "dd", "uname", "dmesg", "find", "stat",
    "tar", "who", "last", "lastb", "journalctl", "dpkg", "rpm", "docker", "podman", "crictl", "date",
)  # fmt: skip
IDENTIFY = r"""
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL
for tool; do
  path=$(command -v "$tool") || continue
  case $path in /*) ;; *) continue ;; esac
  sum=$(sha256sum < "$path") || continue
  case $tool in sh|crictl) said= ;; *) said=$("$tool" --version 2>&1 < /dev/null | head -n 1) ;; esac
  printf '%s\t%s\t%s\t%s\n' "$tool" "$path" "${sum%% *}" "$said"
done
"""

# The 22nd field of /proc/PID/stat (proc(5)) is when the process began: with it a number that was
# given to another process meanwhile is not taken for the same one. The name may hold anything.
BEGAN = r"""
began() { tr '\n' ' ' < "/proc/$1/stat" 2>/dev/null | sed 's/.*) //' | { read -r line; set -- $line; echo "${20}"; }; }
same() { [ "$(began "$1")" = "$2" ] || { echo "process $1 is gone" >&2; exit 3; }; }
"""
DELETED = (
    BEGAN
    + r"""
for p in /proc/[0-9]*; do
  pid=${p#/proc/}
  exe=$(readlink "$p/exe") || continue
  case $exe in *' (deleted)') printf '%s\t%s\t%s\n' "$pid" "$(began "$pid")" "$exe" ;; esac
done 2>/dev/null
exit 0
"""
)
RECOVER = BEGAN + 'same "$1" "$2"; cat "/proc/$1/exe"'
# Each readable mapping: one line "START LENGTH PERMISSIONS PATH", then LENGTH bytes; a page that
# cannot be read is zeros (dd's noerror and sync), so that the lengths always hold.
MEMORY = (
    BEGAN
    + r"""
same "$1" "$2"
while read -r range perms offset device inode path; do
  case $perms in r*) ;; *) continue ;; esac
  case $path in '[v'*) continue ;; esac
  start=$((0x${range%-*})); end=$((0x${range#*-}))
  printf '%s %s %s %s\n' "${range%-*}" "$((end - start))" "$perms" "$path"
  dd if="/proc/$1/mem" bs=4096 iflag=skip_bytes,fullblock skip="$start" \
    count="$(((end - start) / 4096))" conv=noerror,sync 2>/dev/null
done < "/proc/$1/maps"
"""
)
EACH = 'for p in /proc/[0-9]*; do printf "== %s\\n" "${p#/proc/}"; '
# TSK 3.x body: MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime, times in seconds (The
# Sleuth Kit, "Body file"). Names are escaped as C does, so that a line break in one makes no line;
# a bar in a name or in a link's target is written \174, so that it makes no column.
BODY = r"""
set -- $(for root; do [ -e "$root" ] && echo "$root"; done)
[ $# -gt 0 ] || { echo "none of these folders is there" >&2; exit 2; }
QUOTING_STYLE=escape; export QUOTING_STYLE
rest='%i|%A|%u|%g|%s|%X|%Y|%Z|%W'
find "$@" -xdev ! -path '*|*' ! -lname '*|*' -exec stat -c "0|%N|$rest" {} +
find "$@" -xdev \( -path '*|*' -o -lname '*|*' \) -exec sh -c '
  for f; do n=$(stat -c %N "$f" | sed "s/|/\\\\174/g"); printf "0|%s|" "$n"; stat -c "$0" "$f"; done
' "$rest" {} +
exit 0
"""
TAR = r"""
for path; do [ -e "$path" ] && printf '%s\0' "$path"; done |
  tar --null --files-from=- --format=posix --no-unquote --verbatim-files-from -P -cf - 2>&2
"""
LOGS = r"""
since=$1; shift
for root; do [ -e "$root" ] && find "$root" -xdev -type f -newermt "@$since" -print0; done |
  tar --null --files-from=- --format=posix --no-unquote --verbatim-files-from -P -cf -
"""
PERSISTENCE = r"""
for path in /etc/crontab /etc/cron.* /etc/anacrontab /var/spool/cron /var/spool/at /etc/systemd \
  /usr/local/lib/systemd /run/systemd/system /etc/init.d /etc/rc.local /etc/rc.d /etc/inittab \
  /etc/udev/rules.d /etc/modules /etc/modules-load.d /etc/modprobe.d /etc/ld.so.preload \
  /etc/ld.so.conf /etc/ld.so.conf.d /etc/profile /etc/profile.d /etc/bash.bashrc /etc/bashrc \
  /etc/environment /etc/pam.d /etc/security /etc/ssh /etc/sudoers /etc/sudoers.d /etc/xinetd.d \
  /etc/inetd.conf /etc/update-motd.d /etc/NetworkManager/dispatcher.d /etc/network /etc/apt/apt.conf.d \
  /etc/xdg/autostart /root/.ssh /root/.bashrc /root/.bash_profile /root/.profile /root/.config/systemd \
  /home/*/.ssh /home/*/.bashrc /home/*/.bash_profile /home/*/.profile /home/*/.config/systemd \
  /home/*/.config/autostart; do
  [ -e "$path" ] && printf '%s\0' "$path"
done | tar --null --files-from=- --format=posix --no-unquote --verbatim-files-from -P -cf -
"""
