#!/bin/bash
# Makes all packages, the same octets wherever it is run.
set -eu
umask 022
export LC_ALL=C TZ=UTC

usage() {
	cat <<END
usage: packaging/make.sh [--version VERSION] [--native] [--maintainer 'NAME <ADDRESS>'] [--site URL] DIR

Puts into DIR: packages for Debian, rpm, Alpine and Arch (amd64, arm64, armv7, riscv64), an archive
with the program for each system that esmtpq is built for, a bill of materials (CycloneDX), and
SHA256SUMS over them all.

  --version     1.2.3; by default the tag of this commit, or 0.0.0~gitDATE.COMMIT
  --native      for Linux on this machine's processor only
  --maintainer  who answers for the packages
  --site        where the archives will be: makes the formula for Homebrew as well, esmtpq.rb

The date in all files is that of the commit, or SOURCE_DATE_EPOCH (seconds), which a source
without git has to give.
END
}

version='' native='' out='' site=''
maintainer='The esmtpq authors <esmtpq@example.org>'
while [ $# -gt 0 ]; do
	case $1 in
	--version) version=${2:?} && shift ;;
	--maintainer) maintainer=${2:?} && shift ;;
	--site) site=${2:?} && shift ;;
	--native) native=yes ;;
	-h | --help) usage && exit 0 ;;
	-*) usage >&2 && exit 64 ;;
	*) [ -z "$out" ] || { usage >&2 && exit 64; }; out=$1 ;;
	esac
	shift
done
[ "$out" ] || { usage >&2 && exit 64; }

fail() { printf 'make.sh: %s\n' "$*" >&2 && exit 1; }

mkdir -p "$out"
out=$(cd "$out" && pwd)
[ -z "$(ls -A "$out")" ] || fail "$out is not empty"
cd "$(dirname "$0")/.."
source=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${SOURCE_DATE_EPOCH-}" ]; then
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) || fail 'no git here: set SOURCE_DATE_EPOCH to the seconds of the release'
fi
export SOURCE_DATE_EPOCH
if [ -z "$version" ]; then
	version=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null) ||
		version=0.0.0~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d).$(git rev-parse --short=8 HEAD) || fail 'say which --version this is'
fi
version=${version#v}

# The tools are modules apart, pinned; they are built for this machine.
tool() { (cd packaging/tools && go build -trimpath -o "$work/tools/" "$1") || fail "cannot build $1"; }
tool github.com/goreleaser/nfpm/v2/cmd/nfpm
tool github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

# As install.sh builds it, too.
debug=$(sed -n 's/^debug=//p' install.sh)

# build SYSTEM ARCHITECTURE FILE: the program, static and stripped
build() {
	mode=exe
	[ "$1" = linux ] || mode=default
	CGO_ENABLED=0 GOOS=$1 GOARCH=$2 GOARM=7 go build -tags nethttpomithttp2 -buildmode="$mode" -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.version=$version -X runtime.godebugDefault=$debug" -o "$3" ./cmd/esmtpq || fail "cannot build for $1 $2"
}

# pages DIR: the manual pages as packages want them
pages() {
	mkdir -p "$1"
	for page in docs/*.[1-9]; do gzip -9n <"$page" >"$1/${page##*/}.gz"; done
	printf '.so man1/sendmail.1\n' | gzip -9n >"$1/newaliases.1.gz"
}

# common DIR: what all packages share
common() {
	pages "$1/man"
	cp contrib/completion/* LICENSE packaging/debian/* packaging/rpm/* "$1/"
	gzip -9n <CHANGELOG.md >"$1/changelog.gz"
	# Debian wants its own form, too: one entry, which says where the other is.
	{
		printf 'esmtpq (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n' "$version"
		printf ' -- %s  %s\n' "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
	} | gzip -9n >"$1/changelog.Debian.gz"
}

# fill FILE ARCHITECTURE: a description for nfpm, filled in
fill() {
	sed -e "s|@VERSION@|$version|; s|@ARCH@|$2|; s|@MAINTAINER@|$maintainer|" \
		-e "s|@DATE@|$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)|" "$source/packaging/$1"
}

# packages ARCHITECTURE: the four kinds, in Go's words for the architecture
packages() {
	stage=$work/linux-$1
	mkdir "$stage"
	common "$stage"
	build linux "${1%7}" "$stage/esmtpq"
	for kind in deb rpm apk archlinux; do
		fill esmtpq.yaml "$1" >"$stage/nfpm.yaml"
		(cd "$stage" && "$work/tools/nfpm" package -f nfpm.yaml -p "$kind" -t "$out" >/dev/null)
	done
}

# links: the names of a mail system, for any processor
links() {
	stage=$work/links
	mkdir "$stage"
	common "$stage"
	for kind in deb rpm apk archlinux; do
		fill esmtpq-mta.yaml all >"$stage/nfpm.yaml"
		(cd "$stage" && "$work/tools/nfpm" package -f nfpm.yaml -p "$kind" -t "$out" >/dev/null)
	done
}

# archive SYSTEM ARCHITECTURE: the program, with all that install.sh needs
archive() {
	name=esmtpq-$version-$1-$2
	mkdir "$work/$name"
	build "$1" "${2%7}" "$work/$name/esmtpq"
	cp -R install.sh README.md LICENSE CHANGELOG.md contrib docs "$work/$name/"
	chmod -R u=rwX,go=rX "$work/$name"
	tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" |
		gzip -9n >"$out/$name.tar.gz"
}

own=$(go env GOARCH)
[ "$own" != arm ] || own=arm7
architectures="amd64 arm64 arm7 riscv64"
systems="linux/amd64 linux/arm64 linux/arm7 linux/riscv64 darwin/amd64 darwin/arm64
	freebsd/amd64 freebsd/arm64 openbsd/amd64 netbsd/amd64"
[ -z "$native" ] || architectures=$own systems=linux/$own

for arch in $architectures; do packages "$arch"; done
links
for pair in $systems; do archive "${pair%/*}" "${pair#*/}"; done
"$work/tools/cyclonedx-gomod" bin -json -notimestamp -noserial -std -version "v${version#v}" \
	-output "$out/esmtpq-$version.cdx.json" "$work/linux-${architectures%% *}/esmtpq"
# formula: that of Homebrew, for the archives there are
formula() {
	sums=()
	for pair in $systems; do
		sum=$(sha256sum <"$out/esmtpq-$version-${pair%/*}-${pair#*/}.tar.gz")
		sums+=(-e "s|@SHA256 ${pair%/*}-${pair#*/}@|${sum%% *}|")
	done
	sed -e "s|@SITE@|${site%/}|; s|@VERSION@|$version|" "${sums[@]}" packaging/homebrew/esmtpq.rb >"$out/esmtpq.rb"
}
[ -z "$site" ] || formula
cd "$out"
sha256sum -- * >"$work/sums"
mv "$work/sums" SHA256SUMS
chmod 644 -- *
