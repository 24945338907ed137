#!/bin/sh
# Builds the kernels with the address and undefined-behaviour sanitizers, runs their tests, and builds them anew without.
set -eu
python=$1
compiler=${CXX:-c++}
trap '$python src/csrc/build.py' EXIT
$python src/csrc/build.py --sanitize
libraries=$($compiler -print-file-name=libasan.so):$($compiler -print-file-name=libubsan.so):$($compiler -print-file-name=libstdc++.so)
# torch's and Python's own leaks are not ours
LD_PRELOAD=$libraries ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1 \
	PYTHONPATH=src $python -m pytest -q -x tests/kernels tests/test_doors.py -k "not compiler and not exported and not autocast"
