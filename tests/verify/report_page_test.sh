#!/bin/sh
# Opens HTML reports in headless Chromium: no error, every picture drawn, the verdict there.
#
#   report_page_test.sh PROGRAM SAMPLE_MAKER PICTURES WORK_FOLDER
set -eu
program=$1 make_sample=$2 pictures=$3 work=$4
# shellcheck source=tests/support/browser.sh
. "$(dirname "$0")/../support/browser.sh"

"$make_sample" "$work/model.pth"
"$program" "$work/model.pth" "$work/model.onnx" --shape 1x3x24x30 --verify_onnx \
  --verify_images "$pictures" --report "$work/passed.html" --quiet
# A model that is equal as assumed: nothing in the file tells its generation.
assumed=0
"$make_sample" --generation G6.0 "$work/open.pth"
"$program" "$work/open.pth" "$work/open.onnx" --shape 1x3x24x30 --verify_onnx --report "$work/assumed.html" --quiet ||
  assumed=$?
[ "$assumed" = 3 ] || { echo "a guess was called proven: exit code $assumed"; exit 1; }
# A model that fails, under a name that would break a careless page.
if "$program" "$work/model.pth" "$work/<b>\"&.onnx" --shape 1x3x24x30 --fp_mode fp16 --verify_onnx --atol 0 --rtol 0 \
  --report "$work/failed.html" --quiet 2>/dev/null; then
  echo "a comparison without any tolerance passed"
  exit 1
fi

check_page() {
  page=$1 verdict=$2 pictures_expected=$3
  judge_page "$page" 2400
  # A copy that tells what became of its pictures; the page itself allows no script. The width is that of a
  # telephone, and that of a small desktop: a frame has it, as windows have a least width.
  sed -e "s/default-src 'none'/script-src 'unsafe-inline'/" \
      -e 's|</body>|<script>addEventListener("load", () => { const cut = [...document.querySelectorAll("table, table *, svg, img")].filter(e => { const r = e.getBoundingClientRect(); const p = e.parentElement.getBoundingClientRect(); return ["auto", "scroll"].includes(getComputedStyle(e.parentElement).overflowY) \|\| r.right > innerWidth + 1 \|\| (e.className.toString().startsWith("badge") \&\& (r.top < p.top - 1 \|\| r.bottom > p.bottom + 1)); }); parent.postMessage({ cut: cut.length, wide: document.documentElement.scrollWidth > innerWidth ? 1 : 0, drawn: [...document.images].filter(i => i.complete \&\& i.naturalWidth > 1).length + " of " + document.images.length, verdict: document.getElementById("verdict").innerText }, "*"); });</script></body>|' \
      "$work/$page.html" >"$work/$page-checked.html"
  for width in 360 1280; do
    cat >"$work/$page-$width.html" <<END
<body><script>addEventListener("message", e => Object.assign(document.body.dataset, e.data))</script>
<iframe src="$page-checked.html" width="$width" height="900" style="border:0"></iframe></body>
END
    browse --virtual-time-budget=5000 --window-size=1500,1000 --dump-dom "file://$work/$page-$width.html" \
      >"$work/$page-$width.dom" 2>"$work/$page-checked.log"
    if grep -E 'CONSOLE|Uncaught' "$work/$page-checked.log"; then exit 1; fi
    # No table or picture is cut or has a scroll bar, and no badge leaves its cell.
    for expected in 'data-cut="0"' 'data-wide="0"' "data-drawn=\"$pictures_expected of $pictures_expected\"" \
      "data-verdict=\"$verdict"; do
      grep -qF "$expected" "$work/$page-$width.dom" || {
        echo "$page, $width pixels wide: no $expected"
        grep -oE 'data-(cut|wide|drawn|verdict)="[^"]*"' "$work/$page-$width.dom"
        exit 1
      }
    done
  done
  for expected in 'id="histogram"' 'id="results"' 'id="model"'; do
    grep -qF "$expected" "$work/$page.html" || { echo "$page: no $expected in the page"; exit 1; }
  done
}

count=$(find "$pictures" -name '*.png' -o -name '*.jpg' | wc -l)
check_page passed 'Equal: ' $((4 * (2 + count)))
check_page failed 'Different: ' 8
check_page assumed 'Equal as assumed: ' 8
grep -qF 'id="assumptions"><' "$work/assumed.html" || grep -qF '<li>generation ' "$work/assumed.html"
grep -qF '&lt;b&gt;&quot;&amp;.onnx' "$work/failed.html"
echo "the reports are drawn"
