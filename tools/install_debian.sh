#!/bin/sh
# Packages of Debian or Ubuntu: install_debian.sh 'what is said where there are none' PACKAGE…
set -eu
needed=$1
shift
if ! command -v apt-get >/dev/null; then
    echo "$needed: install it with your system's package manager." >&2
    exit 1
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
