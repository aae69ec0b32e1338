"""
The key and certificate of a Nebula host, changed as one: what runs there, a step a script.

Key and certificate are two files, and a daemon that starts between two renames would find halves that
do not fit. So both paths become links through one link, `.responder/current` beside the certificate,
and one rename of that changes both. Each script may end anywhere and be run again.
"""

# What SIGHUP has a daemon of 1.6.1 log, and what it logs if it goes on with the old pair.
TAKEN, REFUSED = "Client cert refreshed from disk", "Could not refresh client cert"
READ = r"""
set -eu
crt=$1 key=$2 want=$3 tool=$4; d=$(dirname -- "$crt")/.responder
base=$(readlink -f -- "$d/$want") || base=none
placed=no
[ "$(readlink -f -- "$crt")" != "$base/host.crt" ] ||
  [ "$(readlink -f -- "$key")" != "$base/host.key" ] || placed=$(stat -c %Z -- "$d/current")
echo "$placed"
for f in "$crt" "$d/$want/old.crt"; do
  if [ -f "$f" ]; then "$tool" print -json -path "$f" | tr -d '\n'; echo; else echo -; fi
done
"""
PREPARE = r"""
set -eu; umask 077
crt=$1 key=$2 want=$3 tool=$4; d=$(dirname -- "$crt")/.responder
for f in "$crt" "$key"; do
  [ -f "$f" ] || { echo "expected a file $f, found none" >&2; exit 1; }
  [ ! -L "$f" ] || case $(readlink -- "$f") in "$d/current/"*) ;;
    *) echo "expected $f to be a file, found a link to $(readlink -- "$f")" >&2; exit 1 ;; esac
done
mkdir -p -- "$d"
chown --reference="$(dirname -- "$crt")" -- "$d"; chmod --reference="$(dirname -- "$crt")" -- "$d"
exec 9> "$d/lock"; flock -w 5 9
rm -rf -- "$d"/.new.*
if [ ! -d "$d/$want" ]; then
  t=$(mktemp -d -- "$d/.new.XXXXXX"); trap 'rm -rf -- "$t"' EXIT
  "$tool" keygen -out-key "$t/host.key" -out-pub "$t/host.pub" 1>&2
  chown --reference="$key" -- "$t/host.key"; chmod --reference="$key" -- "$t/host.key"
  chown --reference="$d" -- "$t"; chmod --reference="$d" -- "$t"
  sync -- "$t/host.key"
  mv -T -- "$t" "$d/$want"
fi
cp -- "$crt" "$d/$want/.old"; mv -T -- "$d/$want/.old" "$d/$want/old.crt"
cat -- "$d/$want/host.pub"; echo; echo present; cat -- "$crt"
"""
PLACE = r"""
set -eu; umask 077
crt=$1 want=$2 tool=$3 ca=$4 nebula=$5 signed=$6; d=$(dirname -- "$crt")/.responder
new=$d/$want/.signed; config=$d/$want/test.yml
exec 9> "$d/lock"; flock -w 5 9
trap 'rm -f -- "$new" "$config"' EXIT
printf '%s' "$signed" > "$new"; cat > "$config"
chown --reference="$crt" -- "$new"; chmod --reference="$crt" -- "$new"
"$tool" verify -ca "$ca" -crt "$new" 1>&2
mv -T -- "$new" "$d/$want/host.crt"
said=$("$nebula" -test -config "$config" 2>&1) || { echo "$said" | tail -n 1 >&2; exit 1; }
sync -- "$d/$want/host.crt"
"""
ADOPT = r"""
set -eu; umask 077
crt=$1 key=$2 want=$3; d=$(dirname -- "$crt")/.responder
[ ! -L "$crt" ] || [ ! -L "$key" ] || exit 0
exec 9> "$d/lock"; flock -w 5 9
t=$(mktemp -d -- "$d/.new.XXXXXX"); trap 'rm -rf -- "$t"' EXIT
cp -pL -- "$crt" "$t/host.crt"; cp -pL -- "$key" "$t/host.key"
chown --reference="$d" -- "$t"; chmod --reference="$d" -- "$t"
sync -- "$t/host.crt" "$t/host.key"
was=from.$(date +%s).$$; mv -T -- "$t" "$d/$was"
ln -sfn -- "$was" "$d/.current"; mv -T -- "$d/.current" "$d/current"
for f in key crt; do
  [ $f = crt ] && path=$crt || path=$key
  ln -sfn -- "$d/current/host.$f" "$path.responder"; mv -T -- "$path.responder" "$path"
done
"""
SWAP = r"""
set -eu
d=$(dirname -- "$1")/.responder
exec 9> "$d/lock"; flock -w 5 9
[ -s "$d/$2/host.crt" ] && [ -s "$d/$2/host.key" ]
ln -sfn -- "$2" "$d/.current"; mv -T -- "$d/.current" "$d/current"
sync -- "$d"
"""
TELL = r"""
set -eu; umask 077
crt=$1 want=$2 pid=$3 start=$4 log=$5 taken=$6 refused=$7 note=$8; d=$(dirname -- "$crt")/.responder
alive() { [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$start" ]; }
notes=/run/responder/nebula; mkdir -p "$notes"
exec 9> "$notes/lock"; flock -w 5 9
alive || { echo "its daemon ended meanwhile" >&2; exit 1; }
from=1; [ -z "$log" ] || from=$(($(stat -c %s -- "$log") + 1))
kill -HUP "$pid"
if [ -n "$log" ]; then
  tries=0
  until tail -c "+$from" -- "$log" | grep -qF -e "$taken"; do
    tries=$((tries + 1))
    ! tail -c "+$from" -- "$log" | grep -F -e "$refused" >&2 || exit 1
    [ $tries -lt 30 ] || { echo "$log does not tell of a new certificate" >&2; exit 1; }
    sleep 0.1
  done
fi
sleep 0.2
alive || { echo "the daemon ended at the reload" >&2; exit 1; }
echo "$note" >> "$notes/$pid.$start"
for f in "$d"/to.* "$d"/from.*; do [ "${f##*/}" = "$want" ] || rm -rf -- "$f"; done
"""
