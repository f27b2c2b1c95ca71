#include "comparison_page.h"

#include <fmt/format.h>

#include <charconv>
#include <span>

#include "base/sha256.h"
#include "html.h"

namespace aether2onnx::verify {

namespace {

constexpr const char* kPageStyle = R"(
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto;
       max-width: 100rem; padding: .75rem 1rem 3rem; }
h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .2rem 0; color: #555; overflow-wrap: anywhere; }
section { margin-top: 1.5rem; }
.view { position: relative; overflow: auto; max-height: 78vh; margin: .6rem 0; border-radius: .4rem;
        border: 1px solid #ccc;
        background: repeating-conic-gradient(#ddd 0 25%, #fff 0 50%) 0 0 / 20px 20px; }
.stage { position: relative; --cut: 50%; cursor: ew-resize; user-select: none; margin: 0 auto;
         width: min(100%, 76vh * var(--ratio)); }
.stage img { display: block; width: 100%; height: auto; -webkit-user-drag: none; }
.stage .before { clip-path: inset(0 calc(100% - var(--cut)) 0 0); }
.stage .after { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--cut)); }
.large img { image-rendering: pixelated; }
.line { position: absolute; top: 0; bottom: 0; left: var(--cut); width: 2px; margin-left: -1px;
        background: #fff; box-shadow: 0 0 3px #000; }
.knob { position: sticky; top: calc(50% - 22px); width: 44px; height: 44px; margin-left: -21px;
        border-radius: 50%; background: #fff; box-shadow: 0 0 4px #000; touch-action: none;
        color: #222; display: grid; place-items: center; font-size: 1.2rem; }
.controls { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }
.controls label { display: flex; flex: 1 1 16rem; gap: .6rem; align-items: center; }
.controls input { flex: 1; min-width: 6rem; height: 2rem; }
.zoom { display: flex; gap: .35rem; }
button { font: inherit; min-width: 3.2rem; min-height: 2.5rem; padding: 0 .6rem; color: inherit;
         border: 1px solid #999; border-radius: .4rem; background: none; }
button[aria-pressed=true] { background: #245a8c; border-color: #245a8c; color: #fff; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1b1b1d; } p { color: #aaa; } .view { border-color: #444; } }
)";

// The script moves the border between "before" and "after", and zooms. If a browser runs no
// scripts, the page shows the left half of "before" and the right half of "after".
constexpr const char* kPageScript = R"(
'use strict';
for (const section of document.querySelectorAll('section')) {
  const view = section.querySelector('.view'), stage = section.querySelector('.stage');
  const range = section.querySelector('input'), buttons = section.querySelectorAll('button');
  const place = () => {
    const left = Math.max(0, view.scrollLeft - stage.offsetLeft);
    const width = Math.min(view.clientWidth, stage.clientWidth);
    stage.style.setProperty('--cut', left + width * range.value / 1000 + 'px');
  };
  const zoom = (button) => {
    const factor = Number(button.dataset.zoom);
    const width = stage.dataset.width / devicePixelRatio;
    const middle = (view.scrollLeft + view.clientWidth / 2) / stage.clientWidth;
    const down = (view.scrollTop + view.clientHeight / 2) / stage.clientHeight;
    stage.style.width = factor ? width * factor + 'px' : '';
    stage.classList.toggle('large', factor > 1);
    for (const other of buttons) other.setAttribute('aria-pressed', other === button);
    view.scrollLeft = middle * stage.clientWidth - view.clientWidth / 2;
    view.scrollTop = down * stage.clientHeight - view.clientHeight / 2;
    place();
  };
  const drag = (event) => {
    const left = Math.max(view.getBoundingClientRect().left, stage.getBoundingClientRect().left);
    const width = Math.min(view.clientWidth, stage.clientWidth);
    range.value = Math.round((event.clientX - left) / width * 1000);
    place();
  };
  stage.addEventListener('pointerdown', (event) => {
    const onKnob = event.target.classList.contains('knob');
    if (!onKnob && event.pointerType !== 'mouse') return;
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener('pointermove', (event) => {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
  });
  for (const button of buttons) button.addEventListener('click', () => zoom(button));
  range.addEventListener('input', place);
  view.addEventListener('scroll', place);
  addEventListener('resize', place);
  place();
}
)";

// Returns the SHA-256 of the script in base 64. The page's security policy allows only the script
// with this hash. Source: Content Security Policy Level 3, 6.7.
std::string script_hash(std::string_view script) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(script)));
  const std::string digits = sha.finish();
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(digits.data() + i, digits.data() + i + 2, value, 16);
    bytes += static_cast<char>(value);
  }
  return base64(bytes);
}

std::string picture_section(const BeforeAndAfter& picture) {
  const auto image = [](const char* name, const std::string& png) {
    return fmt::format(R"(<img class="{0}" alt="{0}" src="data:image/png;base64,{1}">)", name,
                       base64(png));
  };
  return fmt::format(
      "<section>\n<h2>{}</h2>\n<p>{}</p>\n<div class=\"view\">"
      "<div class=\"stage\" style=\"--ratio: {:.4f}\" data-width=\"{}\">{}{}<div class=\"line\">"
      "<div class=\"knob\" aria-hidden=\"true\">&harr;</div></div></div></div>\n"
      "<div class=\"controls\"><label>before<input type=\"range\" min=\"0\" max=\"1000\" "
      "value=\"500\" aria-label=\"How much of the view shows the picture before it was "
      "enlarged\">after</label>\n"
      "<span class=\"zoom\"><button data-zoom=\"0\" aria-pressed=\"true\">Fit</button>"
      "<button data-zoom=\"1\" aria-pressed=\"false\">100&nbsp;%</button>"
      "<button data-zoom=\"2\" aria-pressed=\"false\">200&nbsp;%</button>"
      "<button data-zoom=\"4\" aria-pressed=\"false\">400&nbsp;%</button></span></div>\n"
      "</section>\n",
      escape(picture.title), escape(picture.facts),
      static_cast<double>(picture.width) / static_cast<double>(picture.height), picture.width,
      image("before", picture.before), image("after", picture.after));
}

}  // namespace

std::string comparison_page(const std::vector<BeforeAndAfter>& pictures, const std::string& model,
                            const std::string& description) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; script-src 'sha256-{}'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>Before and after: {}</title>\n<style>{}</style>\n</head>\n<body>\n"
      "<h1>Before and after</h1>\n<p>Before: enlarged by bicubic interpolation. After: enlarged by "
      "{}, {}.</p>\n",
      script_hash(kPageScript), escape(model), kPageStyle, escape(model), escape(description));
  for (const BeforeAndAfter& picture : pictures) html += picture_section(picture);
  return html + fmt::format("<script>{}</script>\n</body>\n</html>\n", kPageScript);
}

}  // namespace aether2onnx::verify
