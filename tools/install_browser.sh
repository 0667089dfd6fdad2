#!/bin/sh
# Chromium and a font with Chinese glyphs, from Debian's or Ubuntu's packages, for the browser tests.
set -eu
if command -v chromium >/dev/null && fc-list :lang=zh 2>/dev/null | grep -q .; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "The browser tests need Chromium and a CJK font: install both with your system's package manager." >&2
    exit 1
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends chromium fontconfig fonts-noto-cjk >/dev/null
