#!/bin/sh
# nginx from Debian's or Ubuntu's packages, for the test of several replicas behind one address.
set -eu
if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "The test of replicas needs nginx: install it with your system's package manager." >&2
    exit 1
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
