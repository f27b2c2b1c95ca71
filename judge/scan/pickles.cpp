// Finds out what a pickle would import and call if Python loaded the pickle.

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/torch.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

namespace {

// `callable` is a value that the pickle calls. If `callable` is an imported function or class,
// returns `callable`. If `callable` is the result of a call, returns the imported function or class
// that was called. If `callable` is a persistent id of a class, returns the class. (PyTorch stores
// a class together with its source text as a persistent id.) Returns nullopt in all other cases.
std::optional<ValueId> global_of(const Document& document, ValueId callable) {
  constexpr int most = 16;
  for (int depth = 0; depth < most; ++depth) {
    switch (document.kind(callable)) {
      case Kind::global:
        return callable;
      case Kind::object:
        callable = document.callable(callable);
        break;
      case Kind::persistent_id: {
        const auto parts = document.elements(document.persistent(callable));
        if (parts.size() < 2 || document.kind(parts[1]) != Kind::global) return std::nullopt;
        return parts[1];
      }
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

bool is_text(const Document& document, ValueId value, std::string_view text) {
  return document.kind(value) == Kind::string && document.text(value) == text;
}

// Returns whether `head`, the first bytes of a text, begins like a pickle of protocol 2 to 5.
bool begins_as_pickle(std::string_view head) {
  return head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}

}  // namespace

bool imports_anything(const Document& document) {
  for (ValueId value = 0; value < document.value_count(); ++value) {
    if (document.kind(value) == Kind::global || document.kind(value) == Kind::object) return true;
  }
  return false;
}

PickleScanner::Outcome PickleScanner::one(const Input& input, std::uint64_t offset,
                                          const std::string& where) {
  if (++pickles_ > limits::kPickles) {
    collector_.unclear("too-many-pickles",
                       "{}: the file has more than {} pickles; the other pickles were not scanned",
                       where, limits::kPickles);
    return {input.size(), false};
  }
  const Document document = budget_.parse(input, offset);
  look_at(document, where, 0);
  return {offset + document.consumed(), document.problem().empty()};
}

void PickleScanner::all(const Input& input, const std::string& where) {
  Outcome outcome = one(input, 0, where);
  if (!outcome.whole || outcome.end >= input.size()) return;
  collector_.found(
      "behind-pickle",
      "{}: {} follow the pickle; loaders and scanners may disagree about which part is "
      "the pickle",
      where, plural(input.size() - outcome.end, "byte"));
  for (int number = 2; outcome.whole && outcome.end < input.size(); ++number) {
    outcome = one(input, outcome.end, fmt::format("{}, pickle {}", where, number));
  }
}

bool PickleScanner::unexpected(const Input& input, const std::string& where) {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), 3)), '\0');
  input.read(0, std::as_writable_bytes(std::span(head)));
  if (!begins_as_pickle(head)) return false;
  const Document document = budget_.parse(input, 0);
  if (!imports_anything(document)) return false;
  collector_.found("pickle-elsewhere", "{}: the entry should be data, but is a pickle", where);
  look_at(document, where, 0);
  return true;
}

void PickleScanner::look_at(const Document& document, const std::string& where, int depth) {
  // If the scan's budget (the allowed work) ended the parsing, the pickle may be intact, so the
  // scanner does not report the pickle as broken.
  if (!document.problem().empty() && !budget_.is_spent()) {
    collector_.unclear("broken-pickle",
                       "{}: {}; scan lists only the names and calls before this error", where,
                       first_line(document.problem()));
  }
  for (const pickle::Irregularity& irregularity : document.irregularities()) {
    // Picklers never overwrite an entry of the memo. Attackers do, to mislead scanners.
    const bool found = irregularity.code == "pickle-memo-overwritten";
    collector_.finding(found ? ScanResult::found : ScanResult::unclear, irregularity.code,
                       fmt::format("{}, byte {}: {}; no pickler writes this", where,
                                   irregularity.offset, irregularity.text));
  }
  torch::find_misuses(document, [&](const torch::Misuse& misuse) {
    const bool found =
        misuse.code == "torch-writes-into-tensor" || misuse.code == "torch-reference";
    collector_.finding(
        found ? ScanResult::found : ScanResult::unclear, misuse.code,
        fmt::format("{}, byte {}: {}, {}", where, document.offset(misuse.value), misuse.text,
                    misuse.is_certain ? "but no program that writes checkpoints does this"
                                      : "and scan does not examine this call"));
    return ++misuses_ < limits::kListed;
  });
  for (ValueId value = 0; value < document.value_count(); ++value) {
    switch (document.kind(value)) {
      case Kind::global:
        if (!budget_.take(cost::kName)) return;
        collector_.global(document.module(value), document.name(value),
                          torch::verdict_of(document.module(value), document.name(value)), where);
        break;
      case Kind::object:
        judge_call(document, value, where);
        break;
      case Kind::persistent_id:
        judge_reference(document, value, where);
        break;
      case Kind::string:
      case Kind::bytes:
        look_into_text(document.text(value), document.kind(value) == Kind::bytes, where, depth);
        break;
      default:
        break;
    }
  }
}

void PickleScanner::judge_call(const Document& document, ValueId call, const std::string& where) {
  if (!budget_.take(cost::kCall)) return;
  const auto global = global_of(document, document.callable(call));
  if (!global) {
    if (!budget_.take(cost::kText)) return;
    collector_.unclear("call", "{}: the pickle calls {}", where,
                       pickle::describe(document, document.callable(call)));
    return;
  }
  const std::string_view module = document.module(*global);
  const std::string_view name = document.name(*global);
  Verdict verdict = torch::verdict_of(module, name);
  // A call of the result of another call is at least suspicious, even if the imported name is
  // harmless.
  if (document.kind(document.callable(call)) == Kind::object) {
    verdict = std::max(verdict, Verdict::suspicious);
  }
  if (verdict >= Verdict::suspicious) {
    if (collector_.is_full_of_calls()) {
      collector_.another_call();
      return;
    }
    if (!budget_.take(cost::kText)) return;
    std::string text = call_text(document, call);
    if (document.state(call)) text += ", then set the state of the result";
    collector_.call(std::move(text), verdict, where);
    return;
  }
  if (verdict == Verdict::tensors && !budget_.take(cost::kTensor)) return;
}

void PickleScanner::judge_reference(const Document& document, ValueId reference,
                                    const std::string& where) {
  const auto parts = document.elements(document.persistent(reference));
  if (parts.size() == 4 && is_text(document, parts[0], "module")) {
    collector_.note("module-source",
                    "{}: the pickle contains the source text of a class; PyTorch compares the text "
                    "with the source of the installed class, and does not run the text",
                    where);
  }
}

// Scans `text`, a string or a bytes value of a pickle. This value may be another pickle: functions
// such as torch.storage._load_from_bytes load a pickle from bytes. A pickle of protocol 2 stores
// bytes as a string of the characters U+0000 to U+00FF.
void PickleScanner::look_into_text(std::string_view text, bool is_bytes, const std::string& where,
                                   int depth) {
  if (text.size() < 3) return;
  const auto inside = [&] { return where + ", bytes within the pickle"; };
  if (text.starts_with("PK\x03\x04")) {
    collector_.unclear("nested-archive",
                       "{}: these bytes are an archive, whose content was not scanned", inside());
    return;
  }
  // A pickle of protocol 0 that calls a function usually begins with 'c' or '(' and has several
  // lines.
  const bool as_text =
      (text[0] == 'c' || text[0] == '(') && text.find('\n') != std::string_view::npos;
  if (begins_as_pickle(text) || as_text) {
    nested(text, inside(), depth);
    return;
  }
  if (is_bytes || !text.starts_with("\xc2\x80") || text[2] < 2 || text[2] > 5) return;
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if ((lead == 0xc2 || lead == 0xc3) && i + 1 < text.size()) {
      const auto low = static_cast<unsigned char>(text[++i]);
      bytes += static_cast<char>((lead & 0x03U) << 6U | (low & 0x3fU));
    } else {
      bytes += text[i];
    }
  }
  nested(bytes, inside(), depth);
}

void PickleScanner::nested(std::string_view bytes, const std::string& where, int depth) {
  if (depth >= limits::kNestedPickles || ++pickles_ > limits::kPickles) {
    collector_.unclear("too-many-pickles",
                       "{}: the file has too many pickles within pickles; the pickles beyond the "
                       "limit were not scanned",
                       where);
    return;
  }
  const MemoryInput input(std::as_bytes(std::span(bytes)));
  const Document document = budget_.parse(input, 0);
  if (!imports_anything(document)) return;
  // A text that begins like a pickle of protocol 0 is plain text if the parser finds an error.
  if (!begins_as_pickle(bytes) && !document.problem().empty()) return;
  collector_.unclear("nested-pickle", "{}: these bytes are another pickle", where);
  look_at(document, where, depth + 1);
}

}  // namespace aether2onnx::judge::scan
