#!/bin/sh
# Chromium and a font with Chinese glyphs, from Debian's or Ubuntu's packages, for the browser tests.
set -eu
if command -v chromium >/dev/null && fc-list :lang=zh 2>/dev/null | grep -q .; then
    exit 0
fi
exec sh "$(dirname "$0")/install_debian.sh" "The browser tests need Chromium and a CJK font" chromium fontconfig fonts-noto-cjk
