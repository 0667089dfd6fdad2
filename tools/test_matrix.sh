#!/bin/sh
# The unit tests on another Python and another torch, each in an environment of its own below build/:
#   sh tools/test_matrix.sh PYTHON TORCH [what pytest is given]
# Browser tests stay with `make test`: the page does not depend on either.
set -eu
python=$1 torch=$2
shift 2
cd "$(dirname "$0")/.."
venv="build/matrix/$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-torch-$torch"
test -x "$venv/bin/python" || "$python" -m venv "$venv"
# torch 2.11 takes setuptools below 82 only; all else is as pinned.
sed "s/^torch==.*/torch==$torch/; /^-c /d" requirements.txt >"$venv/requirements.txt"
sed "/^-[cr] /d" requirements-dev.txt >"$venv/requirements-dev.txt"
sed "/^setuptools==/d" constraints.txt >"$venv/constraints.txt"
"$venv/bin/python" -m pip install --quiet -c "$venv/constraints.txt" -r "$venv/requirements.txt" -r "$venv/requirements-dev.txt"
"$venv/bin/python" -c 'import sys, torch; print("Python %d.%d, torch %s" % (*sys.version_info[:2], torch.__version__))'
"$venv/bin/python" -m pytest --ignore=tests/browser "$@"
