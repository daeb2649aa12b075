#!/usr/bin/env bash
# joulia's wheel and sdist, each installed by pip into a clean environment and used there, and what
# its extras resolve to: tests/install.sh PYTHON... (python3.11 to python3.14). A Python that is not
# here is named and left out; exit code 1 where something fails or no Python is here.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failed=0
tried=0

# say RESULT WHAT: a line; the log of what failed.
say() {
  if [ "$1" = 0 ]; then echo "ok      $2"; else echo "FAILED  $2"; tail -n 15 log; failed=1; fi
}

# used BIN: the command does what a newcomer does first.
used() {
  "$1/python" -m pip check &&
    [ "$("$1/joulia" --version)" = "joulia, version $version" ] &&
    "$1/joulia" list &&
    "$1/joulia" run heat -b numpy -b numba --size tiny --window 0.01 --repeats 6 --no-ceiling \
      -o results.jsonl &&
    "$1/joulia" report results.jsonl -o report.html &&
    "$1/joulia" export results.jsonl --bundle -o results.tar &&
    "$1/joulia" verify-bundle results.tar
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")
for name in "$@"; do
  if ! "$name" -c '' 2>/dev/null; then
    echo "absent  $name"
    continue
  fi
  tried=$((tried + 1))
  if [ ! -d dist ]; then
    "$name" -m venv build >log 2>&1 && build/bin/python -m pip install -q build >>log 2>&1 &&
      build/bin/python -m build --outdir dist "$root" >>log 2>&1
    say $? "sdist and wheel of joulia $version" && [ -d dist ] || exit 1
  fi
  for kind in .tar.gz -py3-none-any.whl; do
    rm -rf env results.* report.html
    "$name" -m venv env >log 2>&1 && env/bin/python -m pip install -q "dist/joulia-$version$kind" \
      >>log 2>&1 && used "$PWD/env/bin" >>log 2>&1
    say $? "$("$name" -V), joulia-$version$kind"
  done
  for extra in $(sed -n '/^\[project.optional-dependencies\]/,/^\[project.scripts\]/s/^\([a-z0-9-]*\) = .*/\1/p' \
    "$root/pyproject.toml"); do
    env/bin/python -m pip install --dry-run -q \
      "joulia[$extra] @ file://$PWD/dist/joulia-$version-py3-none-any.whl" >log 2>&1
    say $? "$("$name" -V), joulia[$extra]"
  done
done
[ "$tried" -gt 0 ] || { echo "none of these Pythons is here: $*"; exit 1; }
exit "$failed"
