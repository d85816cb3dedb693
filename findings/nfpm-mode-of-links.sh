#!/bin/sh
# nfpm 2.45.2 gives a symbolic link in a .deb the mode of what it leads to on the machine that
# builds the package, and no permission at all (l---------) where that is not there.
#
# A relative target, ../../bin/program, is looked for from the folder in which nfpm runs, where it
# hardly ever is. Linux takes no notice of a link's mode, but the octets of the package then depend
# on the folder. file_info.mode settles it.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
GOBIN=$dir go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
cd "$dir"
printf '#!/bin/sh\n' >program
chmod 0700 program
cat >nfpm.yaml <<'END'
name: example
arch: amd64
version: 1.0.0
maintainer: Example <example@example.org>
description: an example
mtime: "2026-01-01T00:00:00Z"
contents:
  - {src: program, dst: /usr/bin/here, type: symlink}
  - {src: ../../elsewhere/program, dst: /usr/bin/elsewhere, type: symlink}
  - {src: ../../elsewhere/program, dst: /usr/bin/settled, type: symlink, file_info: {mode: 0777}}
END
./nfpm package -f nfpm.yaml -p deb -t example.deb >/dev/null
dpkg-deb -c example.deb | grep -- '->' | tee out
# seen: l--------- ./usr/bin/elsewhere, lrwx------ ./usr/bin/here, lrwxrwxrwx ./usr/bin/settled
grep -q '^l--------- .*/elsewhere -> ' out
grep -q '^lrwx------ .*/here -> ' out
grep -q '^lrwxrwxrwx .*/settled -> ' out
