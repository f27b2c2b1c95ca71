// Files that scan called clean until people who know the sources of CPython, PyTorch and numpy
// looked for gaps. Loading them ended or stopped PyTorch, needed gigabytes, gave other weights, or
// failed.

#include <fmt/format.h>

#include "corpus.h"
#include "forge.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

std::string record_with(const std::string& persistent_id) {
  Record record = as_record(sample().front(), 0);
  record.persistent_id = persistent_id;
  return checkpoint(pickle(state_dict(opcodes(record))));
}

// A reference to the first storage with another class and device.
std::string reference(const std::string& storage_class, const std::string& device) {
  return "(" + text("storage") + global("torch", storage_class) + text("0") + text(device) +
         integer(as_record(sample().front(), 0).elements) + "t";
}

std::string object_of(const std::string& module, const std::string& name) {
  return global(module, name) + ")\x81";
}

// Deques in deques: the pickle makes the inner deques first, but Python frees all from the
// outermost.
std::string chain_of_deques() {
  std::string out = "}(";
  for (int i = 0; i < 4'000; ++i) {
    out += text(std::to_string(i)) + call("collections", "deque", ")") +
           (i == 0 ? "" : fmt::format("g{}\na", 999 + i)) + fmt::format("p{}\n", 1000 + i);
  }
  return out + "u";
}

void add_calls(Cases& cases) {
  const auto add = [&](const std::string& name, std::string_view opcodes,
                       const std::string& code = "torch-misuse") {
    refused(cases, "loader_" + name, checkpoint(with_extra(opcodes)), {ErrorKind::malformed, code},
            ScanResult::unclear);
  };
  const std::string tensor = record_of(sample().front(), 0);
  add("counter_of_tensors", call("collections", "Counter", "(}" + text("w") + tensor + "st"));
  add("fraction_with_an_exponent", call("fractions", "Fraction", "(" + text("1E9999") + "t"));
  add("fraction_over_zero", call("fractions", "Fraction", "(" + text("1/0") + "t"));
  add("decimal_of_a_fraction", call("decimal", "Decimal", "(" + text("1/3") + "t"));
  add("uuid_without_a_number", object_of("uuid", "UUID") + "}b");
  add("ordered_dict_of_object",
      call("copy_reg", "_reconstructor",
           "(" + global("collections", "OrderedDict") + global("__builtin__", "object") + "Nt"));
  add("date_that_does_not_exist",
      call(
          "datetime", "date",
          "(" +
              call("_codecs", "encode", "(" + text("\x07\xc3\xaa\x02\x1f") + text("latin1") + "t") +
              "t"));
  add("device_of_a_large_number",
      call("torch", "device", "(" + text("cuda") + integer(1'000'000) + "t"));
  // One long list in memory, and a copy of it for each call.
  add("arguments_of_another_call", "](" + global("collections", "deque") + "(](NNNetp1000\nR" +
                                       global("collections", "deque") + "g1000\nRe");
  add("state_of_another_object", "](" + object_of("argparse", "Namespace") + "}p1000\nb" +
                                     object_of("argparse", "Namespace") + "g1000\nbe");
  const std::string one =
      call("__builtin__", "complex", "(G\x3f\xf0\0\0\0\0\0\0G\0\0\0\0\0\0\0\0t"s);
  add("two_keys_of_one_number", "}(K\x01N" + one + "Nu");
  add("bytearray_as_key", "}\x96" + little(1, 8) + "aNs", "pickle-key");
  add("long_integer_as_key", "}\x8b" + little(200, 4) + std::string(200, '\x01') + "Ns",
      "pickle-key");
  add("items_of_a_set_for_a_list", "](K\x01\x90", "pickle-container");
  add("elements_of_a_list_for_a_set",
      "\x8f(K\x01"
      "e",
      "pickle-container");
  add("chain_of_deques", chain_of_deques(), "pickle-depth");
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += call("collections", "deque", ")");
  add("more_deques_than_python_frees", "](" + many + "e");
  // Each text has four bytes a character in Python, and each call copies it.
  std::string copies = "](" + text(std::string(400'000, 'x') + "\xf0\x9f\x98\x80") + "p2000\n";
  for (int i = 0; i < 20; ++i) {
    copies += global("torch.torch_version", "TorchVersion") + "g2000\n\x85\x81";
  }
  add("wide_text_copied_by_calls", copies + "e");
  converts(cases, "loader_name_that_only_python_2_has",
           checkpoint(with_extra(global("builtins", "long"))), ScanResult::found);
}

void add_storages(Cases& cases) {
  refused(cases, "loader_device_meta", record_with(reference("FloatStorage", "meta")),
          {ErrorKind::malformed, "torch-misuse"}, ScanResult::unclear);
  converts(cases, "loader_device_unknown", record_with(reference("FloatStorage", "foo")),
           ScanResult::unclear);
  converts(cases, "loader_device_cuda", record_with(reference("FloatStorage", "cuda:1")),
           ScanResult::clean);
  // PyTorch would take the type of the first reference for all tensors of the storage.
  refused(cases, "loader_first_reference_of_a_tensor_class",
          checkpoint(pickle("}(" + text("first") + reference("IntTensor", "cpu") + "Q" +
                            text("params") + state_dict() + "u")),
          {ErrorKind::malformed, "torch-misuse"}, ScanResult::found);
  // PyTorch reads a storage without elements, too.
  Record empty = as_record(sample().front(), 0);
  empty.key = "missing";
  empty.elements = 0;
  empty.shape = {0};
  empty.strides = {1};
  refused(cases, "loader_empty_storage_missing", checkpoint(with_extra(opcodes(empty))),
          {ErrorKind::malformed, "torch-tensor"}, ScanResult::found);
  // 2^33 elements of four bits on a storage of four bytes.
  Record packed = as_record(sample().front(), 0);
  packed.function = "_rebuild_qtensor";
  packed.storage_class = "QUInt4x2Storage";
  packed.key = "packed";
  packed.elements = 4;
  packed.shape = {std::int64_t{1} << 33};
  packed.strides = {1};
  std::vector<RawEntry> list = entries(with_extra(opcodes(packed)));
  list.push_back({"archive/data/packed", "abcd"});
  refused(cases, "loader_packed_beyond_the_storage", raw_zip(list),
          {ErrorKind::malformed, "torch-misuse"}, ScanResult::found);
  // PyTorch would negate 2^24 indices for each of many such tensors.
  const auto part = [](const std::string& metadata) {
    Record record = as_record(sample().front(), 0);
    std::string opcodes_of_part = opcodes(record);
    if (!metadata.empty()) {
      opcodes_of_part.insert(opcodes_of_part.rfind("tR"), metadata);
    }
    return opcodes_of_part;
  };
  const auto sparse = [&](const std::string& metadata) {
    return call(
        "torch._utils", "_rebuild_sparse_tensor",
        "(" + call("torch.serialization", "_get_layout", "(" + text("torch.sparse_coo") + "t") +
            "(" + part(metadata) + part("") + tuple({4}) + "tt");
  };
  refused(cases, "loader_sparse_with_negated_indices",
          checkpoint(with_extra(sparse("}" + text("neg") + "\x88s"))),
          {ErrorKind::malformed, "torch-tensor"}, ScanResult::found);
}

void add_archives(Cases& cases) {
  const auto with = [](const std::string& name, const std::string& bytes) {
    std::vector<RawEntry> list = entries(pickle(state_dict()));
    std::erase_if(list, [&](const RawEntry& entry) { return entry.name == name; });
    list.push_back({name, bytes});
    return raw_zip(list);
  };
  refused(cases, "loader_entry_in_another_folder", with("other/data/0", "abcd"),
          {ErrorKind::malformed, "torch-folder"}, ScanResult::unclear);
  refused(cases, "loader_byteorder_with_a_newline", with("archive/byteorder", "little\n"),
          {ErrorKind::malformed, "torch-byteorder"}, ScanResult::unclear);
  // The little-endian elements of the file are no numbers if they are read as big-endian ones.
  refused(cases, "loader_big_endian", with("archive/byteorder", "big"),
          {ErrorKind::precision, "weight-not-finite"}, ScanResult::unclear);
}

}  // namespace

void add_loader_cases(Cases& cases) {
  add_calls(cases);
  add_storages(cases);
  add_archives(cases);
}

}  // namespace aether2onnx::corpus
