#!/bin/sh
# Builds esmtpq and installs it for one person, without privilege.
set -eu

usage() {
	cat <<END
usage: ./install.sh [--prefix DIR | --system] [--force]
       ./install.sh [--prefix DIR] [--force] --watch[=SUPERVISOR]
       ./install.sh [--prefix DIR | --system] --uninstall
       ./install.sh --demo

Builds esmtpq, or takes the program that an archive of a release has beside this file,
and installs it as DIR/bin/esmtpq, with the symbolic links sendmail,
deliver, mailq and newaliases next to it and the manual pages in DIR/share/man.

  --prefix DIR  where to install; your home directory if not given
  --system      the same as --prefix /usr/local
  --force       replace programs of these names that are not esmtpq's; they are
                kept as NAME.before-esmtpq
  --watch       install, and have the watcher (deliver --watch) run by the supervisor that
                you have: systemd, launchd, runit, daemontools or openrc. Where there is
                none, a line for cron tries what waits every ten minutes. To be repeated
                at will; SUPERVISOR is one of these words, or cron
  --uninstall   remove what was installed, the watcher too; queue and configuration stay, and
                are listed
  --demo        build in ./bin, and show a mail on its way through sendmail, mailq and
                deliver to a smart host on this machine; touches none of your files
END
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
misused() { { printf 'install.sh: %s\n' "$*"; usage; } >&2; exit 64; }

names='sendmail deliver mailq newaliases'
action=install
prefix=
force=
watch=
while [ $# -gt 0 ]; do
	case $1 in
	--prefix) [ "${2-}" ] || misused "--prefix needs a directory"; prefix=$2; shift ;;
	--prefix=?*) prefix=${1#--prefix=} ;;
	--system) prefix=/usr/local ;;
	--force) force=yes ;;
	--watch) watch=any ;;
	--watch=systemd | --watch=launchd | --watch=runit | --watch=daemontools | --watch=openrc | --watch=cron) watch=${1#--watch=} ;;
	--watch=*) misused "${1#--watch=}: no such supervisor; there are systemd, launchd, runit, daemontools, openrc, and cron" ;;
	--uninstall) action=uninstall ;;
	--demo) action=demo ;;
	-h | --help) usage; exit 0 ;;
	*) misused "unknown argument $1" ;;
	esac
	shift
done

[ -z "$watch" ] || [ "$action" = install ] || misused "--watch goes with an installation"
[ -z "$watch" ] || [ "$prefix" != /usr/local ] ||
	misused "the watcher is one person's: install with --system, and then each person types ./install.sh --watch"

# --prefix is relative to the directory of the caller.
case $prefix in
'') prefix=${HOME-}; [ "$prefix" ] || misused "HOME is not set: say where to install with --prefix DIR" ;;
/*) ;;
*) prefix=$PWD/$prefix ;;
esac
bindir=$prefix/bin
mandir=$prefix/share/man
cd "$(dirname "$0")"

# --- Go --------------------------------------------------------------------

# older A B: version A (two or three numbers) comes before version B
older() {
	printf '%s %s\n' "$1" "$2" | awk '{
		split($1, a, "."); split($2, b, ".")
		for (i = 1; i <= 3; i++) if (a[i] + 0 != b[i] + 0) exit !(a[i] + 0 < b[i] + 0)
		exit 1
	}'
}

# An archive of a release holds the program, and not the source that it is built from.
built() { [ -x esmtpq ] && [ ! -e go.mod ]; }

check_go() {
	! built || return 0
	need=$(sed -n 's/^go //p' go.mod)
	command -v go >/dev/null ||
		fail "Go is not installed (or not on PATH). esmtpq is built with Go $need or newer: see https://go.dev/dl/"
	# outside the module, where go neither refuses nor fetches the version that it names
	have=$(cd / && GOTOOLCHAIN=local go version 2>/dev/null | sed -n 's/.*go\([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p')
	[ "$have" ] || fail "$(command -v go) does not print its version; esmtpq is built with Go $need or newer"
	older "$have" "$need" || return 0
	if older "$have" 1.21 || [ "$(cd / && go env GOTOOLCHAIN)" = local ]; then
		fail "Go $need or newer is needed, and $(command -v go) is Go $have: install a newer one from https://go.dev/dl/, or with Go 1.21 or newer set GOTOOLCHAIN=auto to let it fetch one"
	fi
	say "Go $have is older than $need: go fetches a newer one (GOTOOLCHAIN=local forbids it)"
}

# What the Go runtime need not prepare at each start: see cmd/esmtpq/main.go.
debug=containermaxprocs=0,updatemaxprocs=0,decoratemappings=0,memprofilerate=0,profstackdepth=0

# build FILE: a static program that is loaded where it was linked, which starts fastest
build() {
	if built; then
		./esmtpq version >/dev/null 2>&1 || fail "the program beside install.sh does not run here: take the archive for $(uname -s) $(uname -m)"
		cp esmtpq "$1" || fail "cannot copy the program to $1"
		return 0
	fi
	version=$(git describe --tags --always --dirty 2>/dev/null) || version=unknown
	# git may refuse to look at somebody else's directory, and go then refuses to build
	CGO_ENABLED=0 go build -buildmode=exe -buildvcs=false -tags nethttpomithttp2 -trimpath -ldflags "-s -w -X main.version=$version -X runtime.godebugDefault=$debug" -o "$1" ./cmd/esmtpq ||
		fail 'the build failed: see above'
}

# --- what is ours ----------------------------------------------------------

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# ours FILE: a link that install.sh makes, or a program built from here (Go notes the path)
ours() {
	if [ -L "$1" ]; then
		[ "$(readlink "$1")" = esmtpq ]
	else
		[ -f "$1" ] && grep -q -a 'esmtpq/cmd/esmtpq' "$1"
	fi
}

our_page() { grep -q esmtpq "$1"; }

# foreign: the names in bindir that belong to another program
foreign() {
	for name in esmtpq $names; do
		if exists "$bindir/$name" && ! ours "$bindir/$name"; then say "$name"; fi
	done
}

make_way() {
	for name in $(foreign); do
		[ "$force" ] ||
			fail "$bindir/$name is not esmtpq's: --force replaces it and keeps it as $name.before-esmtpq; --prefix DIR installs elsewhere"
		if [ -d "$bindir/$name" ]; then fail "$bindir/$name is a directory"; fi
		if exists "$bindir/$name.before-esmtpq"; then fail "$bindir/$name.before-esmtpq is there already"; fi
	done
	for name in $(foreign); do
		mv "$bindir/$name" "$bindir/$name.before-esmtpq"
		say "kept $bindir/$name as $name.before-esmtpq"
	done
}

# --- actions ---------------------------------------------------------------

install_all() {
	check_go
	mkdir -p "$bindir" || fail "cannot create $bindir"
	[ -w "$bindir" ] || fail "$bindir cannot be written by you: run this as root, or give another --prefix"
	[ "$force" ] || make_way # before the build, to refuse at once
	new=$bindir/.esmtpq.new.$$
	trap 'rm -f "$new"' EXIT
	trap 'exit 130' INT TERM
	build "$new"
	make_way
	# by renaming, so that there is a complete program at every moment, even while it runs
	mv -f "$new" "$bindir/esmtpq"
	for name in $names; do
		ln -s esmtpq "$new"
		mv -f "$new" "$bindir/$name"
	done
	install_pages
	say "installed $bindir/esmtpq, with $(echo "$names" | sed 's/ /, /g') next to it"
	if [ "$watch" ]; then watch_all; else advise; fi
}

install_pages() {
	for page in docs/*.[1-9]; do
		[ -e "$page" ] || continue
		dir=$mandir/man${page##*.}
		file=$dir/${page##*/}
		if [ -e "$file" ] && ! our_page "$file" && [ -z "$force" ]; then
			say "left alone: $file, which is not esmtpq's"
			continue
		fi
		mkdir -p "$dir"
		cp "$page" "$file"
		chmod 644 "$file"
	done
}

advise() {
	case :$PATH: in
	*":$bindir:"*) call=esmtpq ;;
	*) call=\"$bindir/esmtpq\" ;;
	esac
	cat <<END

To send mail as an address from now on:
    $call setup you@example.org

To have your programs send by it (what is written is shown; --undo takes it out again):
    $call wire --apply mutt git cron
It also knows: $("$bindir/esmtpq" help wire | sed -n 's/^Programs: //p')
A process that sends what had to wait as soon as that can be, where systemd or launchd runs it:
    ./install.sh --watch

The configuration is ~/.esmtprc or ~/.config/esmtpq/config.yaml (chmod 600 if a password is
in it); "esmtpq config" shows which one is used, "esmtpq probe" whether mail could be sent by it.
END
	if [ "$prefix" = /usr/local ]; then
		cat <<END

/usr/sbin/sendmail, which cron and others call, was left alone.
To make it esmtpq, if no package provides it:
    ln -s $bindir/sendmail /usr/sbin/sendmail
END
	fi
	case :$PATH: in
	*":$bindir:"*) ;;
	*)
		say
		if [ "$bindir" = "${HOME-}/bin" ] && grep -q '^[^#]*PATH=.*HOME/bin' "$HOME/.profile" 2>/dev/null; then
			say "$bindir is not on your PATH yet. Your ~/.profile puts it there: log in again."
		else
			say "$bindir is not on your PATH. To call mailq and deliver by name, put into ~/.profile:"
			say "    PATH=\"$bindir:\$PATH\""
		fi
		;;
	esac
}

uninstall_all() {
	unwatch_all
	removed=
	for name in $names esmtpq; do
		exists "$bindir/$name" || continue
		if ours "$bindir/$name"; then
			rm -f "$bindir/$name"
			removed="$removed $name"
		else
			say "left alone: $bindir/$name, which is not esmtpq's"
		fi
	done
	for page in docs/*.[1-9]; do
		file=$mandir/man${page##*.}/${page##*/}
		if [ -e "$file" ] && our_page "$file"; then rm -f "$file"; fi
	done
	for dir in "$mandir"/man? "$mandir" "$prefix/share" "$bindir"; do # those that are empty now
		[ "$prefix" = /usr/local ] || rmdir "$dir" 2>/dev/null || true
	done
	if [ "$removed" ]; then say "removed from $bindir:$removed"; else say "nothing of esmtpq's in $bindir"; fi
	list_left
}

# list_left says what is still there of the person's, or still names a program that is gone.
list_left() {
	[ "${HOME-}" ] || return 0
	queue=$HOME/.esmtp_queue
	queued=$(count_queued)
	running=$(background_run)
	if [ "$queued" != 0 ] && [ "$running" ]; then
		say "Still queued in ~/.esmtp_queue: $queued. Process $running is about to send it, and then ends."
	elif [ "$queued" != 0 ]; then
		say "Still queued in ~/.esmtp_queue: $queued. They stay there; deliver sends them once esmtpq is installed again."
	elif [ "$running" ]; then
		say "Process $running is still at work, and ends by itself."
	fi
	left=$(
		for file in "$HOME/.esmtprc" "${XDG_CONFIG_HOME:-$HOME/.config}"/esmtpq/*; do
			[ -f "$file" ] || continue
			if grep -q '^[^#]*password[^_]*[:=]' "$file" 2>/dev/null; then
				say "  $file (a password is in it)"
			else
				say "  $file"
			fi
		done
		if [ -d "$queue" ]; then say "  $queue (the queue, and what is known of hosts)"; fi
		if crontab -l 2>/dev/null | grep -q '^[^#]*/deliver'; then say "  the line in your crontab: crontab -e"; fi
		for key in sendemail.smtpServer sendemail.sendmailCmd; do
			case $(git config --global "$key" 2>/dev/null) in
			*/sendmail | */esmtpq) say "  git config --global --unset $key" ;;
			esac
		done
		unit=.config/systemd/user/esmtpq.service
		if grep -q 'esmtpq wire: begin' "$HOME/$unit" 2>/dev/null; then say "  systemctl --user disable --now esmtpq; rm ~/$unit"; fi
		for file in .muttrc .mutt/muttrc .config/mutt/muttrc .config/neomutt/neomuttrc .neomuttrc .mailrc .emacs .emacs.d/init.el \
			.config/emacs/init.el .config/aerc/accounts.conf .pinerc .mh_profile; do
			if grep -q '^[^#]*bin/\(sendmail\|esmtpq\)' "$HOME/$file" 2>/dev/null; then say "  the setting in ~/$file"; fi
		done
	)
	if [ "$left" ]; then say "Left for you to keep or remove:"; say "$left"; fi
}

# background_run prints the process ID of a deliver of this person, in this home where that is known.
background_run() {
	ps -A -o uid= -o pid= -o args= 2>/dev/null |
		awk -v uid="$(id -u)" '$1 == uid && $3 ~ /(^|\/)deliver$/ { print $2 }' |
		while read -r pid; do
			if [ ! -r "/proc/$pid/environ" ] || tr '\0' '\n' <"/proc/$pid/environ" | grep -qxF "HOME=$HOME"; then
				say "$pid"
				break
			fi
		done
}

# Each mail is a directory of the queue, with upper-case letters and digits as its name.
count_queued() {
	count=0
	for entry in "${HOME-}"/.esmtp_queue/[0-9A-Za-z]*/; do
		if [ -d "$entry" ]; then count=$((count + 1)); fi
	done
	say $count
}

# --- the watcher -----------------------------------------------------------

label=org.esmtpq.watch
plist=${HOME-}/Library/LaunchAgents/$label.plist
rc=${HOME-}/.config/rc/init.d/esmtpq

# watch_all has the watcher run by the supervisor that is there.
watch_all() {
	[ "${HOME-}" ] || fail "HOME is not set: whose mail is to be watched?"
	case $bindir in
	*[!A-Za-z0-9/._+@:-]*) fail "$bindir: a supervisor may misread such a path: install with another --prefix" ;;
	esac
	[ "$watch" != any ] || watch=$(supervisor)
	case $watch in
	systemd) watch_systemd ;;
	launchd) watch_launchd ;;
	runit | daemontools) watch_service ;;
	openrc) watch_openrc ;;
	cron) watch_cron ;;
	esac
}

# supervisor says which one takes services of this person.
supervisor() {
	if [ "$(uname -s)" = Darwin ]; then
		say launchd
	elif systemctl --user show-environment >/dev/null 2>&1; then
		say systemd
	elif [ "$(services runit)" ]; then
		say runit
	elif [ "$(services daemontools)" ]; then
		say daemontools
	elif rc-status --user >/dev/null 2>&1; then
		say openrc
	else
		say cron
	fi
}

# services SUPERVISOR: the directory of services that a runsvdir or svscan of this person looks after
services() {
	case $1 in
	runit) scanner=runsvdir ;;
	*) scanner=svscan ;;
	esac
	ps -A -o uid= -o pid= -o args= 2>/dev/null | awk -v uid="$(id -u)" -v name=$scanner '
		$1 == uid { n = split($3, part, "/"); if (part[n] == name) { i = $4 == "-P" ? 5 : 4; print $2, $i } }' |
		while read -r pid dir; do
			home=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^HOME=//p') || home=
			[ -z "$home" ] || [ "$home" = "$HOME" ] || continue
			case $dir in
			/*) ;;
			*) dir=$(readlink "/proc/$pid/cwd")/$dir || continue ;;
			esac
			if [ -d "$dir" ] && [ -w "$dir" ]; then
				say "${dir%/}"
				break
			fi
		done
}

watch_systemd() {
	"$bindir/esmtpq" wire --apply systemd >/dev/null || fail "the unit of systemd was not set up: see above"
	systemctl --user restart esmtpq.service || fail "systemd cannot start the watcher: systemctl --user status esmtpq"
	say "the watcher is a service of yours: systemctl --user status esmtpq"
	if [ "$(loginctl show-user -P Linger "$(id -u)" 2>/dev/null)" = no ]; then
		say "It ends when you log out, unless you type: loginctl enable-linger"
	fi
}

watch_launchd() {
	mkdir -p "${plist%/*}" "$HOME/Library/Logs"
	sed -e "s|@HOME@/bin|$bindir|" -e "s|@HOME@|$HOME|" contrib/launchd/$label.plist >"$plist.new"
	mv -f "$plist.new" "$plist"
	launchctl bootout "gui/$(id -u)/$label" 2>/dev/null || true
	launchctl bootstrap "gui/$(id -u)" "$plist" || fail "launchd does not take $plist: see above"
	say "the watcher is an agent of launchd: launchctl print gui/$(id -u)/$label"
}

# watch_service sets up a directory for runit or daemontools, whose ways are the same.
watch_service() {
	dir=$(services "$watch")
	[ "$dir" ] || fail "no runsvdir (runit) or svscan (daemontools) of yours is running, which would look after a directory of services"
	service=$dir/esmtpq
	if exists "$service" && ! our_service "$service"; then fail "$service is there, and is not esmtpq's"; fi
	# complete at the moment when it has its name
	fresh=$dir/.esmtpq.fresh.$$
	[ ! -d "$service" ] || fresh=$service
	mkdir -p "$fresh/log"
	for file in run log/run; do
		sed "s|\"\$HOME/bin/deliver\"|$bindir/deliver|" "contrib/$watch/$file" >"$fresh/$file.new"
		chmod 755 "$fresh/$file.new"
		mv -f "$fresh/$file.new" "$fresh/$file"
	done
	if [ "$fresh" = "$service" ]; then
		again "$watch" "$service"
	else
		mv "$fresh" "$service"
	fi
	say "the watcher is the service $service"
}

our_service() { grep -q 'deliver.* --watch' "$1/run" 2>/dev/null; }

# again SUPERVISOR DIR: start the service anew, with the program that is there now
again() {
	case $1 in
	runit) sv term "$2" >/dev/null ;;
	*) svc -t "$2" ;;
	esac || say "$2: the watcher has not been started anew"
}

# over SUPERVISOR DIR: end the service and the process that looks after it, which takes a while if a mail
# is on its way
over() {
	if [ "$1" = runit ]; then
		sv -w 60 exit "$2" "$2/log" >/dev/null || say "$2: the watcher may still be there"
		return
	fi
	svc -dx "$2" "$2/log"
	waited=0
	while [ $waited -lt 60 ]; do
		svok "$2" || svok "$2/log" || return 0
		sleep 1
		waited=$((waited + 1))
	done
	say "$2: the watcher may still be there"
}

watch_openrc() {
	mkdir -p "${rc%/*}"
	sed "s|\$HOME/bin/deliver|$bindir/deliver|" contrib/openrc/esmtpq >"$rc.new"
	chmod 755 "$rc.new"
	mv -f "$rc.new" "$rc"
	rc-update --user add esmtpq default >/dev/null || fail "OpenRC does not take $rc: see above"
	rc-service --user esmtpq restart || fail "OpenRC cannot start the watcher: rc-service --user esmtpq status"
	say "the watcher is a service of yours: rc-service --user esmtpq status"
}

watch_cron() {
	command -v crontab >/dev/null ||
		fail "there is no supervisor here that would run the watcher for you, and no cron: see contrib/README.md"
	"$bindir/esmtpq" wire --apply cron >/dev/null || fail "the line for cron was not written: see above"
	say "no supervisor would run the watcher for you; a line in your crontab tries every ten minutes what waits"
}

# unwatch_all takes away what --watch has set up, wherever that was.
unwatch_all() {
	[ "${HOME-}" ] || return 0
	if grep -q 'esmtpq wire: begin' "$HOME/.config/systemd/user/esmtpq.service" 2>/dev/null && [ -x "$bindir/esmtpq" ]; then
		"$bindir/esmtpq" wire --undo systemd >/dev/null && say "removed the service of systemd"
	fi
	if crontab -l 2>/dev/null | grep -A2 'esmtpq wire: begin' | grep -qF " $bindir/deliver" && [ -x "$bindir/esmtpq" ]; then
		"$bindir/esmtpq" wire --undo cron >/dev/null && say "removed the line in your crontab"
	fi
	if [ -f "$plist" ]; then
		launchctl bootout "gui/$(id -u)/$label" 2>/dev/null || true
		rm -f "$plist"
		say "removed $plist"
	fi
	for kind in runit daemontools; do
		dir=$(services $kind)
		if [ "$dir" ] && our_service "$dir/esmtpq"; then
			gone=$dir/.esmtpq.gone.$$
			mv "$dir/esmtpq" "$gone"
			over $kind "$gone"
			rm -rf "$gone" || say "left: $gone"
			say "removed $dir/esmtpq"
		fi
	done
	if [ -f "$rc" ]; then
		rc-service --user esmtpq stop 2>/dev/null || true
		rc-update --user del esmtpq default >/dev/null 2>&1 || true
		rm -f "$rc"
		say "removed $rc"
	fi
}

demo() {
	check_go
	mkdir -p bin
	build bin/esmtpq
	for name in $names; do ln -sf esmtpq "bin/$name"; done
	exec bin/esmtpq demo
}

case $action in
install) install_all ;;
uninstall) uninstall_all ;;
demo) demo ;;
esac
