#!/bin/sh
# Installs what the tests need, and runs them all.
set -eu

usage() {
	cat <<END
usage: ./test.sh [--long] [--no-install] [--quick]

Runs all checks: format, vet, staticcheck, the tests with the race detector and with
real mail programs, the fuzz targets, and the budget of the program's start. As root
it first installs missing Debian packages, none of which is or brings a mail server;
servers are only unpacked, into a cache directory.

  --long        fuzz each target for two minutes instead of a second; make every
                deliberate fault of tests/mutate instead of three; ask three MTAs anew
  --no-install  install, unpack and download nothing; what is missing is skipped
  --quick       no fuzzing, and no second run as an unprivileged user
END
}

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
fuzztime=1s
install=yes
quick=
long=
while [ $# -gt 0 ]; do
	case $1 in
	--long) fuzztime=120s long=yes ;;
	--no-install) install= ;;
	--quick) quick=yes ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 64 ;;
	esac
	shift
done

cd "$(dirname "$0")"
root=
[ "$(id -u)" != 0 ] || root=yes
scratch=$(mktemp -d "${TMPDIR:-/tmp}/esmtpq-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

step() { printf '== %s\n' "$*"; }
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

# --- what the tests need ---------------------------------------------------

# Installed if root runs this. Each line: a file that shows whether it is installed, and the package.
installed="
/usr/bin/mutt mutt
/usr/bin/neomutt neomutt
/usr/bin/tmux tmux
/usr/bin/git git
/usr/lib/git-core/git-send-email git-email
/usr/share/perl5/Mail/Address.pm libmailtools-perl
/usr/bin/mail.mailutils mailutils
/usr/bin/s-nail s-nail
/usr/bin/procmail procmail
/usr/bin/formail procmail
/usr/bin/getmail getmail6
/usr/bin/mh/send nmh
/usr/bin/alpine alpine
/usr/bin/aerc aerc
/usr/bin/emacs emacs-nox
/usr/bin/php php-cli
/usr/bin/perl perl
/usr/share/perl5/Email/Sender.pm libemail-sender-perl
/usr/share/perl5/MIME/Lite.pm libmime-lite-perl
/usr/bin/python3 python3-minimal
/usr/bin/gpg gnupg
/usr/bin/secret-tool libsecret-tools
/usr/bin/gnome-keyring-daemon gnome-keyring
/usr/bin/dbus-run-session dbus-daemon
/usr/bin/dbus-send dbus-bin
/usr/bin/ssh openssh-client
/usr/bin/mandoc mandoc
/usr/bin/shellcheck shellcheck
/usr/bin/unshare util-linux
/usr/sbin/ip iproute2
/usr/sbin/mkfs.btrfs btrfs-progs
/usr/sbin/mkfs.xfs xfsprogs
/usr/bin/sshfs sshfs
/usr/bin/bindfs bindfs
/usr/bin/gocryptfs gocryptfs
/usr/bin/mergerfs mergerfs
/usr/bin/ntfs-3g ntfs-3g
/usr/bin/lintian lintian
/usr/bin/rpm rpm
/usr/bin/zstd zstd
/usr/sbin/debootstrap debootstrap
/usr/bin/strace strace
/usr/sbin/pflogsumm pflogsumm
"

# Only unpacked, since these are daemons, or need a mail server or much else. The same form.
unpacked="
usr/bin/bsd-mailx bsd-mailx
usr/lib/postfix/sbin/master postfix
usr/bin/chasquid chasquid
usr/sbin/dnsmasq dnsmasq-base
usr/sbin/cron cron
usr/sbin/atd at
usr/bin/fetchmail fetchmail
usr/bin/mbsync isync
usr/sbin/incrond incron
usr/bin/svscan daemontools
usr/bin/screen screen
usr/bin/maildrop maildrop
usr/sbin/courierlogger courier-authlib
usr/bin/fdm fdm
usr/bin/putmail mailutils-mda
usr/bin/mdeliver mblaze
usr/bin/safecat safecat
usr/bin/spamc spamc
usr/bin/rspamc rspamd
bin/nc.openbsd netcat-openbsd
bin/nc.traditional netcat-traditional
usr/bin/ncat ncat
usr/bin/socat socat
usr/bin/microsocks microsocks
usr/bin/tinyproxy tinyproxy-bin
usr/bin/keepassxc keepassxc
usr/sbin/danted dante-server
usr/bin/tor tor
usr/bin/runsv runit
usr/bin/supervise daemontools
usr/sbin/sshd openssh-server
usr/lib/openssh/sftp-server openssh-sftp-server
usr/bin/nix-instantiate nix-bin
usr/bin/ruby3.1 ruby3.1
usr/lib/nagios/plugins/check_mailq monitoring-plugins-standard
usr/lib/nagios/plugins/utils.pm monitoring-plugins-common
"

# Smart hosts, each unpacked into a directory of its own, since each assumes to be the only mail
# server of the machine: the directory, a file that shows whether it is unpacked, and the packages.
hosts="
postfix usr/lib/postfix/sbin/master postfix sasl2-bin libsasl2-modules
exim usr/sbin/exim4 exim4-daemon-light
opensmtpd usr/sbin/smtpd opensmtpd
dovecot usr/sbin/dovecot dovecot-core dovecot-submissiond
dovecot-lmtp usr/lib/dovecot/lmtp dovecot-core dovecot-lmtpd
dovecot usr/lib/dovecot/modules/lib90_sieve_plugin.so dovecot-core dovecot-submissiond dovecot-imapd dovecot-sieve
sendmail usr/sbin/saslpasswd2 sendmail-bin sasl2-bin libsasl2-modules
aiosmtpd usr/lib/python3/dist-packages/aiosmtpd/smtp.py python3-aiosmtpd
chasquid usr/bin/chasquid chasquid
squid usr/sbin/squid squid
"
# With --long; next_hosts are from the release after this machine's.
long_hosts="
msmtp usr/bin/msmtp msmtp
dma usr/sbin/dma dma
courier usr/sbin/esmtpd courier-mta courier-authlib-userdb courier-authdaemon
qpsmtpd usr/bin/qpsmtpd-forkserver qpsmtpd libio-socket-ssl-perl libnet-ip-perl
"
next_release=trixie
next_hosts="
postfix-next usr/lib/postfix/sbin/master postfix sasl2-bin libsasl2-modules
exim-next usr/sbin/exim4 exim4-daemon-light
dovecot-next usr/sbin/dovecot dovecot-core dovecot-submissiond
opensmtpd-next usr/sbin/smtpd opensmtpd
"

if [ "$root" ]; then
	cache=/var/cache/esmtpq-test
else
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/esmtpq-test
fi
ESMTPQ_TEST_DEBIAN=$cache/root
export ESMTPQ_TEST_DEBIAN

# lacking LIST PREFIX: the packages of LIST whose file is missing
lacking() {
	printf '%s' "$1" | while read -r file package; do
		[ -z "$file" ] || [ -e "$2$file" ] || printf '%s\n' "$package"
	done | sort -u
}

# brings PACKAGES...: the packages that apt would install for them
brings() {
	apt install --dry-run --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\).*/\1/p'
}

# apt ARGUMENTS...: apt-get, with the lists of another release if $release names one. They come from
# the same site as those of the machine.
apt() {
	if [ -z "${release-}" ]; then
		apt-get "$@"
		return
	fi
	lists=$cache/apt/$release
	sources=$lists.list # not in $lists: apt-get update removes files there that it does not know
	if [ ! -e "$sources" ]; then
		mkdir -p "$lists/partial"
		# shellcheck disable=SC2016 # apt-get expands it
		site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' | sort -u | grep -v security | head -n 1)
		echo "deb $site $release main" >"$sources"
		apt update -qq || { rm "$sources"; return 1; }
	fi
	apt-get -o Dir::Etc::SourceList="$sources" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$lists" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

update_once() {
	[ -z "${updated-}" ] || return 0
	updated=yes
	[ -z "$root" ] || apt-get update -qq
}

install_packages() {
	packages=$(lacking "$installed" "")
	[ "$packages" ] || return 0
	if [ -z "$root" ]; then
		printf 'Some tests are skipped. To have them all:\n  sudo apt-get install --no-install-recommends %s\n' "$(printf '%s ' "$packages" | tr '\n' ' ')"
		return 0
	fi
	update_once
	# shellcheck disable=SC2086 # a list of words
	if brings $packages | grep -E '^(exim4|postfix|sendmail|opensmtpd|nullmailer|dma|msmtp-mta|esmtp-run|ssmtp)'; then
		fail "the packages above are mail servers, which a test must not install"
	fi
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages </dev/null >"$scratch/apt" 2>&1 ||
		{ cat "$scratch/apt" >&2; fail "apt-get install failed"; }
}

# unpack DIRECTORY PACKAGES...
unpack() {
	into=$1
	shift
	rm -rf "$scratch/debs"
	mkdir -p "$into" "$scratch/debs"
	if ! (cd "$scratch/debs" && apt download -q "$@") >"$scratch/apt" 2>&1; then
		cat "$scratch/apt" >&2
		[ -z "${CI-}" ] || fail "apt-get download failed"
		echo 'Some tests are skipped: the packages could not be downloaded (apt-get update?)'
		return 0
	fi
	for deb in "$scratch"/debs/*.deb; do
		dpkg-deb -x "$deb" "$into"
	done
	chmod 755 "$cache" "$into"
}

unpack_packages() {
	packages=$(lacking "$unpacked" "$cache/root/")
	[ "$packages" ] || return 0
	update_once
	# the libraries that they need, too
	# shellcheck disable=SC2046,SC2086
	unpack "$cache/root" $packages $(brings $packages | grep -E '^lib' || true)
}

# unpack_hosts LIST: with everything that they need and the machine lacks
unpack_hosts() {
	printf '%s' "$1" | while read -r name file packages; do
		if [ -z "$name" ] || [ -e "$cache/hosts/$name/$file" ]; then continue; fi
		update_once
		# shellcheck disable=SC2046,SC2086
		unpack "$cache/hosts/$name" $packages $(brings $packages)
	done
	[ ! -d "$cache/hosts" ] || chmod 755 "$cache/hosts"
}

# build_hosts NAMES...: smart hosts in Go, each pinned by a module of its own. Only the program of the
# first one is ours.
build_hosts() {
	mkdir -p "$cache/hosts/bin"
	for name in "$@"; do
		main=$(sed -n 's/^tool //p' "tests/hosts/servers/$name/go.mod")
		(cd "tests/hosts/servers/$name" && CGO_ENABLED=0 go build -trimpath -o "$cache/hosts/bin/$name" "${main:-.}") ||
			fail "$name could not be built"
	done
	chmod 755 "$cache/hosts/bin"
}

# npm_hosts: those of npm; no script of a package is run.
npm_hosts() {
	lock=tests/hosts/servers/npm/package-lock.json
	if ! command -v npm >/dev/null || cmp -s "$lock" "$cache/hosts/npm/package-lock.json"; then return 0; fi
	mkdir -p "$cache/hosts/npm"
	cp tests/hosts/servers/npm/package.json "$lock" "$cache/hosts/npm/"
	if ! (cd "$cache/hosts/npm" && npm ci --ignore-scripts --no-audit --no-fund) >"$scratch/npm" 2>&1 </dev/null; then
		rm "$cache/hosts/npm/package-lock.json"
		cat "$scratch/npm" >&2
		fail "npm ci failed"
	fi
	chmod 755 "$cache/hosts/npm"
}

command -v go >/dev/null || fail "go is not installed: see https://go.dev/doc/install"
if [ "$install" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
	step 'packages'
	install_packages
	unpack_packages
	unpack_hosts "$hosts"
	npm_hosts
	if [ "$long" ]; then
		unpack_hosts "$long_hosts"
		release=$next_release
		unpack_hosts "$next_hosts"
		release=
	fi
	step 'smart hosts in Go'
	build_hosts go-smtp
	[ -z "$long" ] || build_hosts mailpit mox chasquid maddy
fi

# --- the program as it is shipped ------------------------------------------

step 'build'
mkdir "$scratch/bin"
debug=$(sed -n 's/^debug=//p' install.sh)
CGO_ENABLED=0 go build -tags nethttpomithttp2 -trimpath -ldflags "-s -w -X main.version=test -X runtime.godebugDefault=$debug" -o "$scratch/bin/esmtpq" ./cmd/esmtpq
for name in sendmail deliver mailq newaliases; do ln -s esmtpq "$scratch/bin/$name"; done

step 'format, vet, staticcheck'
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || fail "gofmt would change: $unformatted"
go vet ./...
GOFLAGS="" go run "$staticcheck" ./...

step 'scripts and man pages'
for script in install.sh test.sh; do sh -n "$script"; done
for script in .ci/run bench/run.sh packaging/make.sh contrib/completion/esmtpq.bash; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then shellcheck install.sh test.sh .ci/run bench/run.sh packaging/make.sh findings/*.sh; fi
for page in docs/*.[1-9]; do
	if [ -e "$page" ] && command -v mandoc >/dev/null; then mandoc -Tlint -Wwarning "$page"; fi
done

# A static program at a fixed address starts in half the time.
step 'static, not position-independent'
program=$scratch/bin/esmtpq
# e_type, at octet 16 of an ELF file: 2 is EXEC, 3 is DYN; PT_INTERP would name a loader
if [ "$(od -An -tu2 -j16 -N2 "$program" | tr -d ' ')" != 2 ]; then fail 'the program is position-independent'; fi
if grep -q -a '/ld-linux\|/ld-musl' "$program"; then fail 'the program asks for a dynamic loader'; fi

# Token endpoints speak HTTP/1.1; without HTTP/2 the program is half a megabyte smaller, and its start
# takes a tenth less memory.
# Each start pays for the initialisation of every package that is linked in. Octets and
# allocations hardly vary; time does.
step 'cost of a start'
GODEBUG=inittrace=1 "$program" version 2>"$scratch/inittrace" >/dev/null
awk '
	$1 == "init" {
		for (i = 2; i <= NF; i++) {
			if ($i == "bytes,") bytes += $(i - 1)
			if ($i == "allocs") allocs += $(i - 1)
		}
	}
	END {
		printf "%d octets in %d allocations\n", bytes, allocs
		if (bytes == 0 || bytes >= 80 * 1024 || allocs >= 650) exit 1
	}' "$scratch/inittrace" || { cat "$scratch/inittrace" >&2; fail 'initialisation costs more than 80 KiB or 650 allocations'; }
go list -deps ./cmd/esmtpq >"$scratch/deps"
if grep -E '^(github.com/xdg-go/stringprep|golang.org/x/crypto/ssh|github.com/spf13/cobra.*|golang.org/x/text/encoding/ianaindex|github.com/mitchellh/colorstring|github.com/acarl005/stripansi|encoding/gob|github.com/alecthomas/kong|github.com/kevinburke/ssh_config)$' "$scratch/deps"; then
	fail 'the packages above cost too much at each start'
fi

# --- the tests -------------------------------------------------------------

# fuzz PACKAGE TARGET: up to Go 1.26, the end of the time can count as a failure when the
# machine is busy (golang/go#75804). Then there is no failing input, and only this line:
# try again.
fuzz() {
	for _ in 1 2 3; do
		! go test -run '^$' -fuzz "^$2\$" -fuzztime "$fuzztime" "$1" >"$scratch/fuzz" 2>&1 || return 0
		grep -q '^    context deadline exceeded$' "$scratch/fuzz" || return 1
		! grep -q '^    Failing input written' "$scratch/fuzz" || return 1
	done
	return 1
}

if [ -z "$quick" ]; then
	step "fuzz, $fuzztime each"
	go list ./... | while read -r package; do
		for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
			fuzz "$package" "$target" || { cat "$scratch/fuzz" >&2; fail "$package $target"; }
			tail -n 1 "$scratch/fuzz"
		done
	done
fi

# As root the tests can make namespaces, fill file systems and start daemons; but people
# do not run the program as root. So the compiled tests run a second time as another user.
as_user() {
	home=$scratch/home
	mkdir -p "$home" "$scratch/as-user"
	# The whole source: some tests read it, the manual pages or the completions.
	tar --exclude=./.git -cf - . | tar -C "$scratch/as-user" -xf -
	for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./...); do
		copy=$scratch/as-user${package#"$PWD"}
		(cd "$package" && go test -c -o "$copy/tests.bin" .) || return
	done
	sed '/^tester:/d' /etc/passwd >"$scratch/passwd"
	echo "tester:x:64999:64999:tester:$home:/bin/sh" >>"$scratch/passwd"
	chmod 755 "$scratch" "$scratch/bin"
	chmod 644 "$scratch/passwd"
	# One package. What it prints is kept together, in a file: what a test leaves behind may keep a
	# pipe open.
	cat >"$scratch/one" <<'END'
cd "${1%/tests.bin}" || exit
if ./tests.bin </dev/null >tests.out 2>&1; then status=0; else status=1; fi
printf '%s\n' "${1#*/as-user/}"
cat tests.out
exit $status
END
	chown -R 64999:64999 "$home" "$scratch/as-user"
	# shellcheck disable=SC2016 # for the inner shells to expand
	unshare --mount --propagation private sh -c '
		set -e
		mount --bind "$1/passwd" /etc/passwd
		exec setpriv --reuid=64999 --regid=64999 --clear-groups --inh-caps=-all env -i \
			PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME="$1/home" LANG=C.UTF-8 CI="$CI" \
			ESMTPQ_TEST_BIN="$1/bin" ESMTPQ_TEST_DEBIAN="$ESMTPQ_TEST_DEBIAN" sh -c "
				find \"\$0\" -name tests.bin | sort -r | xargs -P 2 -I% sh \"\$1\" %" "$1/as-user" "$1/one"
	' sh "$scratch"
}

CI=${CI-}
export CI
status=0
if [ "$root" ] && [ -z "$quick" ] && command -v setpriv >/dev/null && unshare --mount true 2>/dev/null; then
	step 'the program as an unprivileged user'
	as_user || status=$?
fi

step 'tests'
ESMTPQ_TEST_FIGURES=$scratch/figures
export ESMTPQ_TEST_FIGURES
rooms=$(go list ./... | grep -v /tests/)
# shellcheck disable=SC2086 # a list of packages
go test -race -timeout 30m $rooms || status=$?
# These run the built program, in which the race detector is not. Those that take longest begin first.
go test -timeout 30m ./tests/hosts ./tests/hostile ./tests/clients ./tests/faults ./tests/... || status=$?
if [ "$long" ]; then
	step 'every smart host, at its own limits'
	go test -timeout 90m ./tests/hosts -long || status=$?
	step 'Postfix, sendmail and Exim, side by side'
	go test -timeout 30m ./tests/hosts -run 'Corpus$' -mtas || status=$?
fi
cat "$ESMTPQ_TEST_FIGURES" 2>/dev/null || true
if [ "$long" ] && [ "$status" = 0 ]; then
	step 'deliberate faults'
	go test -timeout 3h -run Caught -long ./tests/mutate || status=$?
fi
exit "$status"
