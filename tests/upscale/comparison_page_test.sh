#!/bin/sh
# Opens a page of upscale --compare in headless Chromium, at the size of a phone and of a desktop: no error, every
# picture drawn, nothing wider than the window, and the slider and the zoom do their work.
#
#   comparison_page_test.sh PROGRAM SAMPLE_MAKER PICTURE WORK_FOLDER
set -eu
program=$1 make_sample=$2 picture=$3 work=$4
# shellcheck source=tests/support/browser.sh
. "$(dirname "$0")/../support/browser.sh"
"$make_sample" "$work/model.pth"
cp "$picture" "$work/<b>\"&.png"
cp "$picture" "$work/photo.png"
"$program" upscale "$work/model.pth" "$work/photo.png" "$work/<b>\"&.png" --compare "$work/page.html" --quiet

# The page's own script must run under the page's own policy: the hash is right.
judge_page page 1600
# A copy whose policy lets the test's script run as well.
cat >"$work/test.js" <<'SCRIPT'
addEventListener("load", () => {
  const section = document.querySelector("section"), stage = section.querySelector(".stage");
  const cut = () => parseFloat(stage.style.getPropertyValue("--cut"));
  const result = document.body.dataset;
  result.drawn = [...document.images].filter(i => i.complete && i.naturalWidth === 320).length;
  result.wide = document.documentElement.scrollWidth > innerWidth;
  const range = section.querySelector("input");
  range.value = 0; range.dispatchEvent(new Event("input"));
  const left = cut();
  range.value = 1000; range.dispatchEvent(new Event("input"));
  result.slides = left === 0 && Math.abs(cut() - stage.clientWidth) < 1;
  section.querySelector("[data-zoom='4']").click();
  result.zooms = stage.clientWidth * devicePixelRatio === 1280 && document.documentElement.scrollWidth <= innerWidth;
});
SCRIPT
{
  sed -e "s/script-src 'sha256-[^']*'/script-src 'unsafe-inline'/" -e '/<\/body>/,$d' "$work/page.html"
  echo '<script>'
  cat "$work/test.js"
  echo '</script></body></html>'
} >"$work/checked.html"
for size in 390,844 1300,900; do
  browse --virtual-time-budget=5000 --window-size="$size" --dump-dom "file://$work/checked.html" \
    >"$work/dom" 2>"$work/log"
  if grep -E 'CONSOLE|Uncaught' "$work/log"; then exit 1; fi
  for expected in 'data-drawn="4"' 'data-wide="false"' 'data-slides="true"' 'data-zooms="true"'; do
    grep -qF "$expected" "$work/dom" || { echo "$size: no $expected"; grep -o '<body[^>]*>' "$work/dom"; exit 1; }
  done
done
echo "the page is drawn"
