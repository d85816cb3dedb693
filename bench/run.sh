#!/bin/bash
# Measures esmtpq, built from this tree, and the mail programs that are installed here.
set -eu

usage() {
	cat <<END
usage: bench/run.sh [-only LIST] [-runs N] [-queued LIST] [-drain LIST] [-large LIST]
                    [-rtt LIST] [-roots DIR] [-out FILE]

Prints Markdown tables, at last one of what is wanted and whether it is met, and writes
every observation to FILE, or else to a new file in bench/results/, with a chart of the
delivery over long links beside it. All traffic is on the loopback of a network
namespace of its own, and nothing is installed. dma, nullmailer and Postfix are
measured too where they are there, with queues and configurations of their own: on
the machine, or each in a root directory below DIR, such as DIR/postfix, which is
easily made:

    debootstrap --variant=minbase --include=dma bookworm DIR/dma

Wants Linux, root and Go. Takes about eight minutes, and three times that with peers.
All that is wanted is measured, in an hour or so with peers, by

    bench/run.sh -queued 1000,10000,100000 -drain 1000,10000 -roots DIR

'bench/run.sh -h' lists the options. BENCH_WORK names the directory to work in, best a
new one at the top of the disk that is to be measured: where many files were removed
lately, some file systems are slow.
END
}

need() { command -v "$1" >/dev/null || { echo "bench/run.sh: $1 is missing: $2" >&2; exit 69; }; }
wish() { command -v "$1" >/dev/null || echo "bench/run.sh: $1 is not there: $2" >&2; }

case ${1-} in -h | --help | -help) usage ;; esac
[ "$(uname)" = Linux ] || { echo 'bench/run.sh: this is for Linux' >&2; exit 69; }
[ "$(id -u)" = 0 ] || { echo 'bench/run.sh: only root can make the namespaces' >&2; exit 77; }
need go 'see https://go.dev/doc/install'
need unshare 'install util-linux'
wish strace 'syncs are not counted'
wish cc 'there is no floor in C'
wish git 'no series of patches is sent'

here=$(cd "$(dirname "$0")" && pwd)
work=${BENCH_WORK-}
if [ -z "$work" ]; then
	work=$(mktemp -d /var/tmp/esmtpq-bench.XXXXXX)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT TERM
fi
mkdir -p "$work/bin"

export CGO_ENABLED=0
cd "$here"
debug=$(sed -n 's/^debug=//p' ../install.sh)
go build -buildmode=exe -tags nethttpomithttp2 -trimpath -ldflags "-s -w -X main.version=bench -X runtime.godebugDefault=$debug" -o "$work/bin/esmtpq" ../cmd/esmtpq
go build -trimpath -ldflags '-s -w' -o "$work/bin/" ./floor ./once ./measure ./chart
for name in sendmail deliver mailq; do ln -sf esmtpq "$work/bin/$name"; done
if command -v cc >/dev/null; then cc -O2 -Wall -static -o "$work/bin/floor-c" floor/c/floor.c; fi

cd "$OLDPWD"
out=$here/results/$(date +%Y%m%d-%H%M%S).jsonl
unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
	"$work/bin/measure" -bin "$work/bin" -work "$work" -out "$out" "$@"
