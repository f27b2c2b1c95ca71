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

// A tensor of int64 numbers, row-major, on the storage `key`.
Record integers(const std::string& key, const std::vector<std::int64_t>& shape) {
  Record record;
  record.storage_class = "LongStorage";
  record.key = key;
  record.elements = 1;
  record.shape = shape;
  record.strides.resize(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    record.strides[axis] = record.elements;
    record.elements *= shape[axis];
  }
  return record;
}

// A checkpoint with a sparse tensor 2x3 of three values. `parts` are its tensors of indices, each
// with its elements.
std::string with_sparse(
    const std::string& layout,
    const std::vector<std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>>>& parts,
    const std::string& behind_size = "", const std::vector<std::int64_t>& size = {2, 3}) {
  std::string opcodes_of_parts;
  std::vector<RawEntry> storages;
  for (const auto& [shape, numbers] : parts) {
    const std::string key = fmt::format("s{}", storages.size());
    opcodes_of_parts += opcodes(integers(key, shape));
    std::string bytes;
    for (const std::int64_t number : numbers)
      bytes += little(static_cast<std::uint64_t>(number), 8);
    storages.push_back({"archive/data/" + key, bytes});
  }
  opcodes_of_parts += opcodes(integers("values", {3}));
  storages.push_back({"archive/data/values", std::string(24, '\1')});
  std::vector<RawEntry> list = entries(
      with_extra(call("torch._utils", "_rebuild_sparse_tensor",
                      "(" + call("torch.serialization", "_get_layout", "(" + text(layout) + "t") +
                          "(" + opcodes_of_parts + tuple(size) + behind_size + "tt")));
  list.insert(list.end(), storages.begin(), storages.end());
  return raw_zip(list);
}

// PyTorch checks the indices of sparse tensors when it loads a file.
void add_sparse(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& bytes) {
    refused(cases, "loader_sparse_" + name, bytes, {ErrorKind::malformed, "torch-tensor"},
            ScanResult::found);
  };
  const std::string coo = "torch.sparse_coo";
  const std::string csr = "torch.sparse_csr";
  const std::string coalesced = "\x88";
  const std::vector<std::int64_t> columns = {2, 3};
  converts(cases, "loader_sparse_sound",
           with_sparse(coo, {{columns, {0, 0, 1, 0, 2, 1}}}, coalesced), ScanResult::clean);
  converts(cases, "loader_sparse_unsorted", with_sparse(coo, {{columns, {1, 1, 0, 2, 2, 1}}}),
           ScanResult::clean);
  add("index_outside", with_sparse(coo, {{columns, {0, 0, 1, 0, 3, 1}}}));
  add("index_below_zero", with_sparse(coo, {{columns, {0, -1, 1, 0, 2, 1}}}));
  add("coalesced_but_twice", with_sparse(coo, {{columns, {0, 0, 1, 2, 2, 1}}}, coalesced));
  add("of_another_rank", with_sparse(coo, {{columns, {0, 0, 1, 0, 2, 1}}}, "", {2, 3, 4}));
  add("without_its_values", with_sparse(coo, {{{2, 2}, {0, 1, 0, 1}}}));
  converts(cases, "loader_sparse_rows", with_sparse(csr, {{{3}, {0, 1, 3}}, {{3}, {2, 0, 1}}}),
           ScanResult::clean);
  add("rows_that_descend", with_sparse(csr, {{{3}, {0, 4, 3}}, {{3}, {2, 0, 1}}}));
  add("rows_of_one_column_twice", with_sparse(csr, {{{3}, {0, 1, 3}}, {{3}, {2, 1, 1}}}));
  add("rows_with_an_index_outside", with_sparse(csr, {{{3}, {0, 1, 3}}, {{3}, {3, 0, 1}}}));
  add("rows_that_are_too_few", with_sparse(csr, {{{2}, {0, 3}}, {{3}, {0, 1, 2}}}));
  converts(cases, "loader_sparse_columns",
           with_sparse("torch.sparse_csc", {{{4}, {0, 1, 2, 3}}, {{3}, {1, 0, 1}}}),
           ScanResult::clean);
  add("columns_as_rows", with_sparse("torch.sparse_csc", {{{3}, {0, 1, 3}}, {{3}, {1, 0, 1}}}));

  // Only a tensor of floating-point numbers can require gradients, also if the tensor is too large
  // for a conversion.
  Record expanded = integers("n", {1});
  expanded.shape = {std::int64_t{1} << 33};
  expanded.strides = {0};
  std::string wants_gradients = opcodes(expanded);
  const std::size_t flag = wants_gradients.rfind('\x89');
  wants_gradients[flag] = '\x88';
  std::vector<RawEntry> list = entries(with_extra(wants_gradients));
  list.push_back({"archive/data/n", std::string(8, '\1')});
  refused(cases, "loader_gradients_of_expanded_integers", raw_zip(list),
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
  converts(cases, "loader_serialization_id", with("archive/.data/serialization_id", "0123456789"),
           ScanResult::clean);
  converts(cases, "loader_serialization_id_that_is_no_text",
           with("archive/.data/serialization_id", "\xff"), ScanResult::unclear);
  // The little-endian elements of the file are no numbers if they are read as big-endian ones.
  refused(cases, "loader_big_endian", with("archive/byteorder", "big"),
          {ErrorKind::precision, "weight-not-finite"}, ScanResult::unclear);
}

}  // namespace

void add_loader_cases(Cases& cases) {
  add_calls(cases);
  add_storages(cases);
  add_sparse(cases);
  add_archives(cases);
}

}  // namespace aether2onnx::corpus
