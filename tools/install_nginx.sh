#!/bin/sh
# nginx from Debian's or Ubuntu's packages, for the test of several replicas behind one address.
set -eu
if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then
    exit 0
fi
exec sh "$(dirname "$0")/install_debian.sh" "The test of replicas needs nginx" nginx-light
