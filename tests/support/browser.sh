# shellcheck shell=sh disable=SC2154
# Headless Chromium, for tests of the program's pages. To be sourced once $work is the test's own folder; skips the
# test where there is no Chromium.

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$chromium" ]; then
  echo "skipped: there is no Chromium on this machine to open the page with"
  exit 77
fi
rm -rf "$work"
mkdir -p "$work/profile"

browse() {
  "$chromium" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --user-data-dir="$work/profile" --enable-logging=stderr "$@"
}

# judge_page PAGE HEIGHT: $work/PAGE.html, as it is, says nothing on the console, draws something, and refers to
# nothing outside itself.
judge_page() {
  browse --screenshot="$work/$1.png" --window-size="1300,$2" "file://$work/$1.html" 2>"$work/$1.log"
  if grep -E 'CONSOLE|Refused to|Uncaught' "$work/$1.log"; then exit 1; fi
  [ "$(wc -c <"$work/$1.png")" -gt 20000 ] || { echo "$1: the page is empty"; exit 1; }
  if grep -F 'http' "$work/$1.html" | grep -vF 'http-equiv'; then
    echo "$1: the page refers to something outside itself"
    exit 1
  fi
}
