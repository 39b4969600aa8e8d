#!/usr/bin/env bash
# Installs Alibaba Cloud's SDKs, pinned, into the folder given; does nothing when they are there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
into=$1

for tool in python3 node npm; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "error: $tool is not installed; Alibaba Cloud's SDKs need Python 3.9 and Node.js 18 or later" >&2
        exit 1
    fi
done

stamp=$(cat "$here/requirements.txt" "$here/package-lock.json" | cksum)
if [ "$(cat "$into/installed" 2>/dev/null || true)" = "$stamp" ]; then
    exit 0
fi
rm -rf "$into"
mkdir -p "$into"
python3 -m venv "$into/venv" || {
    echo "error: python3 cannot make a virtual environment; install its venv package" >&2
    exit 1
}
"$into/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
cp "$here/package.json" "$here/package-lock.json" "$into/"
npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel=error
printf '%s' "$stamp" >"$into/installed"
