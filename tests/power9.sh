#!/usr/bin/env bash
# joulia on an emulated IBM POWER9 (ppc64le): every kernel's run is valid, and its bits are the same
# for any cut of the grid over ranks, by vectors (VSX) and without.
#
#   sudo tests/power9.sh [FOLDER]      FOLDER keeps the emulated system (/var/tmp/joulia-power9)
#   MIRROR=URL                         where Debian's packages are (http://deb.debian.org/debian)
#
# Ends with 0 where everything holds. For a host on x86-64 with Debian 12 or Ubuntu 24.04, and:
#   apt-get install --no-install-recommends \
#     arch-test debian-archive-keyring mmdebstrap qemu-user-static
#
# The emulator shows what is computed, not how fast. It implements the fused multiply-adds and the
# vectors of the processor; Debian 12's Python 3.11, NumPy 1.24, mpi4py 3.1, Open MPI 4.1 and GCC 12
# stand in for a site's. NumPy and mpi4py are older than joulia asks for, so it runs from the
# checkout, not as a package; Numba and Julia have nothing for ppc64le there.
set -euo pipefail

# Mounts are private to this script: they go when it ends, however it ends.
if [ -z "${JOULIA_POWER9_MOUNTS:-}" ]; then
  [ "$(id -u)" = 0 ] || { echo "run it as root: it makes a system and enters it" >&2; exit 2; }
  JOULIA_POWER9_MOUNTS=private exec unshare --mount --propagation private "$BASH" "$0" "$@"
fi

checkout=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-/var/tmp/joulia-power9}
mirror=${MIRROR:-http://deb.debian.org/debian}
root=$folder/root
cxx=powerpc64le-linux-gnu-g++-12
fortran=powerpc64le-linux-gnu-gfortran-12
# As joulia's own flags, but for -mcpu=native: what an emulator's /proc shows is the host.
flags="-O3 -mcpu=power9 -fno-math-errno -fno-trapping-math -fno-signed-zeros -ffp-contract=off"
export QEMU_CPU=power9

say() { printf '\n== %s (%s)\n' "$*" "$(date +%H:%M:%S)"; }

for command in mmdebstrap arch-test; do
  command -v "$command" >/dev/null || { echo "no $command: see the top of $0" >&2; exit 2; }
done

# ---- the kernel hands programs for ppc64le to the emulator ---------------------------------------

binfmt=/proc/sys/fs/binfmt_misc
[ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
[ -e "$binfmt/qemu-ppc64le" ] || cat /usr/lib/binfmt.d/qemu-ppc64le.conf >"$binfmt/register"

# ---- Debian for ppc64le, and a compiler that is not emulated -------------------------------------

make_root() {
  rm -rf "$root"
  mkdir -p "$folder"
  local needed=(
    ca-certificates libgfortran5 libgomp1 libstdc++6 make openmpi-bin python3-click python3-jinja2
    python3-greenlet python3-minimal python3-mpi4py python3-numpy python3-pip python3-pytest python3-rich
  )
  mmdebstrap --mode=root --variant=apt --architectures=ppc64el \
    --include="$(IFS=,; echo "${needed[*]}")" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$root" "$mirror"
  # GCC for the host that makes code for ppc64le runs inside the root as it is: the same GCC 12 as
  # the emulated one, without the emulation. Files that are there already are the root's own.
  mmdebstrap --mode=root --variant=extract --architectures=amd64 --format=tar \
    --include=g++-12-powerpc64le-linux-gnu,gfortran-12-powerpc64le-linux-gnu bookworm - "$mirror" |
    tar -x -C "$root" --keep-directory-symlink --skip-old-files
  # More ranks than cores: one that waits lets the others compute (joulia clears OMPI_* variables).
  # The emulator has no process_vm_readv for messages between processes.
  cat >>"$root/etc/openmpi/openmpi-mca-params.conf" <<-'END'
	mpi_yield_when_idle = 1
	btl_vader_single_copy_mechanism = none
	END
  touch "$folder/root-is-whole"
}

if [ ! -e "$folder/root-is-whole" ]; then
  say "Debian 12 for ppc64le: minutes"
  make_root
fi

# The resolver and the certificates of the host, for what is downloaded from PyPI.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$root/joulia" "$root/out"
mount --bind "$checkout" "$root/joulia"
mount -o remount,bind,ro "$root/joulia"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev/shm"

# A command inside, with nothing of the host's environment.
inside() {
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    QEMU_CPU="$QEMU_CPU" JOULIA_CACHE_DIR=/cache OCCA_CXX="$cxx" OCCA_CXXFLAGS="$flags" \
    CXX="$cxx" JOULIA_CXXFLAGS="$flags" FC="$fortran" JOULIA_FFLAGS="$flags" \
    PYTHONPATH=/joulia/src:/joulia/tests/support:/joulia PYTHONDONTWRITEBYTECODE=1 "$@"
}

say "$(inside uname -m), $(inside python3 --version), $(inside "$cxx" --version | head -n 1)"

say "OCCA"
mkdir -p "$root/cache"
inside python3 -m joulia prepare occa
ls "$root"/cache/occa-*/lib/libocca.so

failed=0

# ---- every kernel, verified ----------------------------------------------------------------------

say "joulia run: every kernel at tiny on 1 and 2 ranks"
inside python3 -m joulia run -b numpy -b occa:serial -b c++ -b fortran --size tiny --ranks 1,2 --threads 1 \
  --oversubscribe --no-ceiling --repeats 2 --window 0.01 --timeout 3000 \
  --no-resume -o /out/run.jsonl || failed=1
inside python3 -c '
import json
from pathlib import Path
from tests.promises import COMPLETE

records = list(map(json.loads, Path("/out/run.jsonl").read_text().splitlines()))
valid = [record["case"] for record in records if record["status"] == "valid"]
for record in records:
    if record["status"] != "valid":
        print(record["case"], record["reasons"], *record["stderr"], sep="\n")
cases = {(case["kernel"], case["bridge"], case["ranks"]) for case in valid}
print(f"{len(valid)} of {len(records)} records are valid")
# Every kernel on four backends and two numbers of ranks.
raise SystemExit(len(valid) < len(records) or len(cases) < 8 * len(COMPLETE))
' || failed=1

# ---- bits ----------------------------------------------------------------------------------------

# The cases of tests/test_ranks.py, on 1 to 4 ranks, in cuts along every axis, with and without
# overlap; then on one rank what the compiler makes without vectors.
bits='
import json
import sys
from pathlib import Path

from joulia.bridges import occa
from joulia.case import DTYPES
from tests import test_ranks

test_ranks.PATIENCE_S = 10_000
backend = sys.argv[1]
out = Path("/out") / backend.replace(":", "-")
out.mkdir(exist_ok=True)
seen = test_ranks.digests(out, backend, 1, 4, DTYPES)
(out / "digests.json").write_text(json.dumps(seen, indent=1))
changed = test_ranks.different(seen, seen)
cuts = sum(map(len, seen.values()))
print(f"{len(seen)} cases in {cuts} cuts: {len(changed)} with other bits", *changed, sep="\n  ")
few = [name for name, by_cut in seen.items() if len(by_cut) < 7]
if few:
    print("too few cuts:", *few, sep="\n  ")
scalar = []
if backend.startswith("occa"):
    none = {"OCCA_CXXFLAGS": f"{occa.flags()} -fno-tree-vectorize"}
    alone = test_ranks.digests(out, backend, 1, 1, DTYPES, none)
    (out / "scalar.json").write_text(json.dumps(alone, indent=1))
    scalar = test_ranks.different(seen, alone)
    print(
        f"{len(alone)} cases without vectors: {len(scalar)} cuts with other bits than theirs",
        *scalar,
        sep="\n  ",
    )
raise SystemExit(bool(changed or few or scalar))
'
for backend in numpy occa:serial c++ fortran; do
  say "bits over cuts: $backend"
  inside python3 -c "$bits" "$backend" || failed=1
done

[ "$failed" = 0 ] && say "all holds" || say "FAILED"
exit "$failed"
