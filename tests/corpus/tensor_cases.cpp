// Records of tensors and their references to storages. The tensor is the network's first weight.
// A record that contradicts itself is refused with the file. Of records that are sound and that the
// network can't use, the code is that of the network that lacks a weight, so the text tells the
// problem.

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

Record first() { return as_record(sample().front(), 0); }

template <typename Change>
std::string changed(Change change) {
  Record record = first();
  change(record);
  return checkpoint(pickle(state_dict(opcodes(record))));
}

std::string persistent(const std::string& opcodes) {
  return changed([&](Record& r) { r.persistent_id = opcodes; });
}

void add_layout_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& text,
                       ScanResult scan = ScanResult::found) {
    refused(cases, "tensor_" + name, bytes, {ErrorKind::malformed, "torch-tensor", text}, scan);
  };
  const auto misused = [&](const std::string& name, std::string_view bytes,
                           ScanResult scan = ScanResult::found) {
    refused(cases, "tensor_" + name, bytes,
            {ErrorKind::malformed, "torch-misuse", "is called with"}, scan);
  };
  const auto filled = [&](const std::string& name, std::string_view bytes) {
    refused(cases, "tensor_" + name, bytes,
            {ErrorKind::malformed, "torch-misuse", "into the result of"}, ScanResult::found);
  };
  const auto unfit = [&](const std::string& name, std::string_view bytes, const std::string& text,
                         ScanResult scan = ScanResult::clean) {
    refused(cases, "tensor_" + name, bytes, {ErrorKind::mismatch, "", text}, scan);
  };
  const std::int64_t count = first().elements;
  add("offset_beyond", changed([](Record& r) { r.offset = 1000; }), "reaches beyond its storage");
  add("offset_one_too_far", changed([](Record& r) { r.offset = 1; }), "reaches beyond its storage");
  misused("offset_negative", changed([](Record& r) { r.offset = -1; }));
  add("offset_huge", changed([](Record& r) { r.offset = INT64_MAX; }), "reaches beyond");
  misused("size_negative", changed([](Record& r) { r.shape[0] = -1; }));
  misused("stride_negative", changed([](Record& r) { r.strides[0] = -1; }));
  add("size_one_too_large", changed([](Record& r) { r.shape[0] += 1; }), "reaches beyond");
  misused("sizes_overflow", changed([](Record& r) { r.shape.assign(4, std::int64_t{1} << 40U); }));
  add("extent_overflows", changed([](Record& r) {
        r.shape.assign(4, 3);
        r.strides.assign(4, INT64_MAX / 2);
      }),
      "reaches beyond");
  add("sizes_without_strides", changed([](Record& r) { r.strides.pop_back(); }),
      "4 sizes and 3 strides");
  unfit("expanded_2_40", changed([](Record& r) {
          r.shape = {1024, 1024, 1024, 1024};
          r.strides.assign(4, 0);
        }),
        "expanded from a storage");
  unfit("windows_overlap", changed([&](Record& r) {
          r.shape = {count - 1, 2};
          r.strides = {1, 1};
        }),
        ", 2), expected");
  misused("rank_70", changed([](Record& r) {
            r.shape.assign(70, 1);
            r.strides.assign(70, 1);
          }));
  unfit("rank_0", changed([](Record& r) {
          r.shape.clear();
          r.strides.clear();
        }),
        "is (), expected");
  unfit("rank_9", changed([](Record& r) {
          r.shape.assign(9, 1);
          r.strides.assign(9, 1);
        }),
        "is (1, 1, 1, 1, 1, 1, 1, 1, 1), expected");
  unfit("nothing_in_it", changed([](Record& r) { r.shape[0] = 0; }), "is (0, ");
  unfit("nothing_with_absurd_strides", changed([](Record& r) {
          r.shape = {0, INT64_MAX, INT64_MAX, 1};
          r.strides.assign(4, INT64_MAX);
        }),
        "is (0, 9223372036854775807");
  add("promises_more", changed([](Record& r) { r.elements += 1; }), "should have");
  add("promises_2_62", changed([](Record& r) { r.elements = std::int64_t{1} << 62U; }),
      "should have");
  converts(
      cases, "tensor_promises_less_than_there_is",
      [] {
        std::vector<RawEntry> list = entries(pickle(state_dict()));
        list[2].content += "more";
        return raw_zip(list);
      }(),
      ScanResult::clean);
  add(
      "storage_too_short",
      [] {
        std::vector<RawEntry> list = entries(pickle(state_dict()));
        list[2].content.pop_back();
        return raw_zip(list);
      }(),
      "should have");
  add(
      "storage_empty",
      [] {
        std::vector<RawEntry> list = entries(pickle(state_dict()));
        list[2].content.clear();
        return raw_zip(list);
      }(),
      "should have");
  add(
      "empty_on_a_short_storage",
      [] {
        Record record = first();
        record.shape[0] = 0;
        std::vector<RawEntry> list = entries(pickle(state_dict(opcodes(record))));
        list[2].content.clear();
        return raw_zip(list);
      }(),
      "should have");
  filled("written_into", changed([](Record& r) { r.behind = "K\x00K\x01s"s; }));
  filled("elements_appended", changed([](Record& r) {
           r.behind =
               "K\x01"
               "a";
         }));
  unfit("of_booleans", changed([](Record& r) { r.storage_class = "BoolStorage"; }),
        "is bool, expected");
  add("of_another_type", changed([](Record& r) { r.storage_class = "DoubleStorage"; }),
      "should have");
  misused("sparse", changed([](Record& r) { r.function = "_rebuild_sparse_tensor"; }),
          ScanResult::found);
  misused("meta", changed([](Record& r) { r.function = "_rebuild_meta_tensor_no_storage"; }),
          ScanResult::found);
  unfit("unknown_function", changed([](Record& r) { r.function = "_rebuild_anything"; }),
        "of a kind that aether2onnx does not read", ScanResult::found);
  misused("quantized_out_of_range", changed([](Record& r) {
            r.function = "_rebuild_qtensor";
            r.storage_class = "QInt8Storage";
            r.strides[0] = INT64_MAX / 2;
            r.shape[0] = 3;
          }));
  converts(cases, "tensor_transposed", changed([&](Record& r) {
             // The same elements in another order; every kernel here is square.
             std::swap(r.strides[2], r.strides[3]);
           }),
           ScanResult::clean);
}

void add_reference_cases(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view bytes, const std::string& text,
                       ScanResult scan = ScanResult::found) {
    refused(cases, "reference_" + name, bytes, {ErrorKind::malformed, "torch-tensor", text}, scan);
  };
  // Leads neither to a storage nor to a class.
  const auto strange = [&](const std::string& name, std::string_view bytes) {
    refused(cases, "reference_" + name, bytes,
            {ErrorKind::malformed, "torch-misuse", "outside the pickle ("}, ScanResult::found);
  };
  const std::string storage = text("storage") + global("torch", "FloatStorage");
  const std::string count = integer(first().elements);
  strange("no_tuple", persistent(text("storage")));
  strange("of_four", persistent("(" + storage + text("0") + text("cpu") + "t"));
  strange("of_seven", persistent("(" + storage + text("0") + text("cpu") + count + "NNt"));
  strange("of_nothing", persistent(")"));
  strange("count_negative",
          persistent("(" + storage + text("0") + text("cpu") + integer(-1) + "t"));
  strange("count_2_63", persistent("(" + storage + text("0") + text("cpu") +
                                   "\x8a\x09\0\0\0\0\0\0\0\x80\0"s + "t"));
  strange("count_a_float",
          persistent("(" + storage + text("0") + text("cpu") + "G\x40\0\0\0\0\0\0\0t"s));
  refused(cases, "reference_unknown_storage",
          changed([](Record& r) { r.storage_class = "FleetStorage"; }),
          {ErrorKind::malformed, "torch-misuse"}, ScanResult::found);
  // PyTorch takes the type from the class torch.DoubleTensor, and reads behind the storage.
  refused(cases, "reference_tensor_class",
          changed([](Record& r) { r.storage_class = "DoubleTensor"; }),
          {ErrorKind::malformed, "torch-misuse"}, ScanResult::found);
  strange("key_a_number", persistent("(" + storage + "K\x00"s + text("cpu") + count + "t"));
  add("key_leads_out", changed([](Record& r) { r.key = "../x"; }), "'../x' is missing");
  add("key_absolute", changed([](Record& r) { r.key = "/etc/passwd"; }), "is missing");
  add("key_with_nul", changed([](Record& r) { r.key = "0\0"s; }), "is missing");
  add("key_with_escapes", changed([](Record& r) { r.key = "\x1b[2J"; }), "'\\x1b[2J' is missing");
  add("key_missing", changed([](Record& r) { r.key = "777"; }), "is missing");
  strange("key_of_a_megabyte", changed([](Record& r) { r.key = std::string(1'000'000, 'k'); }));
  strange("location_missing", persistent("(" + storage + text("0") + "N" + count + "t"));
  strange("class_not_a_global", persistent("(" + text("storage") + text("FloatStorage") +
                                           text("0") + text("cpu") + count + "t"));
  // The next tensor describes the same storage in another way.
  Record twice = first();
  twice.key = "1";
  add("two_counts", checkpoint(pickle(state_dict(opcodes(twice)))), "should have");
  twice = as_record(sample()[1], 1);
  twice.storage_class = "HalfStorage";
  add("two_classes", checkpoint(pickle(state_dict(opcodes(twice)))), "different types or sizes");
}

}  // namespace

void add_tensor_cases(Cases& cases) {
  add_layout_cases(cases);
  add_reference_cases(cases);
}

}  // namespace aether2onnx::corpus
