#!/bin/sh
# bsd-mailx 8.1.2 saves an empty dead.letter when sendmail has read the mail and then fails.
#
# It hands its temporary file to sendmail as standard input, and afterwards copies dead.letter from
# the same open file, whose offset the two share. A sendmail that reads everything leaves it at the
# end, so the letter is lost although bsd-mailx ends with 1 and speaks of the failure. A sendmail
# that sets its standard input back to where it began leaves a whole dead.letter.
set -eu

version=8.1.2-0.20220412cvs-1 # of Debian 12
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q "bsd-mailx=$version" libbsd0 liblockfile1 libmd0 >/dev/null 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$dir/root" -name 'libbsd.so.0' | head -n 1)"):$(dirname "$(find "$dir/root" -name 'liblockfile.so.1' | head -n 1)")
export LD_LIBRARY_PATH

printf '#!/bin/sh\ncat >/dev/null\nexit 75\n' >reads
printf '#!/usr/bin/perl\n1 while <STDIN>; seek STDIN, 0, 0; sysseek STDIN, 0, 0; exit 75\n' >rewinds
chmod +x reads rewinds

# letter SENDMAIL: the octets of the dead.letter that is left
letter() {
	mkdir -p "home.$1"
	printf 'set sendmail=%s\n' "$dir/$1" >"home.$1/.mailrc"
	status=0
	printf 'hello, this is the letter\n' |
		HOME=$dir/home.$1 ./root/usr/bin/bsd-mailx -s greetings friend@example.net 2>"$1.said" || status=$?
	printf '%s: exit %s, "%s", dead.letter has %s octets\n' "$1" "$status" "$(cat "$1.said")" \
		"$(wc -c <"home.$1/dead.letter")"
}

letter reads | tee out
letter rewinds | tee -a out
# seen: reads: exit 1, "Can't send mail: sendmail process failed with error code 75", dead.letter has 0 octets
# seen: rewinds: the same, with the whole letter
grep -q '^reads: exit 1, .*error code 75", dead.letter has 0 octets$' out
grep -q '^rewinds: exit 1, .*error code 75", dead.letter has [1-9]' out
