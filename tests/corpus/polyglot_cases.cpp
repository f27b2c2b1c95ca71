// Files that are more than one thing: each reader looks where its own format says. What reads the
// second thing stands beside each case.

#include "corpus.h"
#include "forge.h"
#include "polyglots.h"

namespace aether2onnx::corpus {

using namespace std::string_literals;

namespace {

std::string dangerous() { return call("os", "system", "(" + text("true") + "t"); }

std::string safetensors_of(const std::string& header, const std::string& data) {
  return little(header.size(), 8) + header + data;
}

// --- tar ---

// A text of Python that ends a pickle's first 512 bytes, which then are a tar header. `start` is
// all bytes before the text.
std::string tar_text(const std::string& start, const TarForm& form) {
  constexpr std::size_t length_and_opcode = 5;
  constexpr std::size_t block = 512;
  const std::string before = start + "X" + little(block - start.size() - length_and_opcode, 4);
  return tar_block(before, form).substr(start.size());
}

std::string legacy_and_tar(const TarForm& form) {
  tools::LegacyParts parts = tools::legacy_parts(sample());
  parts.system = "\x80\x02}"s + tar_text(parts.magic + parts.protocol + "\x80\x02}", form) + "Ns.";
  const auto bytes = tools::join_legacy(parts);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void add_tar_cases(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& bytes,
                       const std::string& reason) {
    refused(cases, "polyglot_tar_" + name, bytes, {ErrorKind::unsupported, "file-tar"},
            ScanResult::found);
    cases.back().reason = reason;
  };
  const std::string torch = "torch.load calls tarfile before its own stream";
  add("legacy", legacy_and_tar({}), torch + "; archives before POSIX have no mark");
  add("legacy_signed_sum", legacy_and_tar({.signed_sum = true}),
      "tarfile also takes the sum of signed bytes");
  add("legacy_base_256", legacy_and_tar({.checksum = TarNumber::base_256}),
      "tarfile takes numbers in base 256");
  add("legacy_spaces", legacy_and_tar({.checksum = TarNumber::spaces}),
      "int() takes spaces around a number");
  add("legacy_prefix", legacy_and_tar({.checksum = TarNumber::prefix}),
      "int(text, 8) takes the prefix 0o");
  add("legacy_underscores", legacy_and_tar({.checksum = TarNumber::underscores}),
      "int() takes underscores since Python 3.6");
  add("legacy_plus", legacy_and_tar({.checksum = TarNumber::plus}), "int() takes a sign");
  add("legacy_ustar", legacy_and_tar({.ustar = true}), torch);
  add("legacy_negative_sum", legacy_and_tar({.signed_sum = true, .checksum = TarNumber::negative}),
      "the sum of signed bytes may be below 0, written with a sign");
  add("legacy_sum_of_zero", legacy_and_tar({.signed_sum = true, .checksum = TarNumber::empty}),
      "tarfile takes an empty field for 0, and the sum of signed bytes can be 0");
  for (const char protocol : {'\x02', '\x04'}) {
    const std::string start = "\x80"s + protocol;
    add("pickle_of_protocol_" + std::to_string(protocol), start + tar_text(start, {}) + "0}.",
        torch);
  }
  add("pickle_that_calls", "\x80\x02"s + tar_text("\x80\x02", {}) + "0" + dangerous() + ".",
      "pickle.load runs the pickle, torch.load reads the archive");
  add("pickle_of_protocol_0",
      tar_block("V", {}).substr(0, 512) + "\n0" + "cos\nsystem\n(S'true'\ntR.", torch);

  // A safetensors header has no zeros: spaces around numbers are as good.
  const std::string json = R"({"__metadata__":{"a":")";
  const std::string tail = R"("},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
  const std::string head = little(512 - 8 + tail.size(), 8) + json;
  const std::string values(16, '\x01');
  add("safetensors", tar_block(head, {.fill = ' '}) + tail + values, torch);
  add("safetensors_signed_sum",
      tar_block(little(512 - 8 + tail.size() + 3, 8) + json + "\xc3\xa9 ",
                {.signed_sum = true, .fill = ' '}) +
          "\xc3\xa9 " + tail + values,
      "tarfile also takes the sum of signed bytes");
  const std::string producer = "\x08\x07\x12"s + "\xfb\x03"s;  // 507 bytes up to byte 512
  add("onnx", tar_block(producer, {}) + onnx_graph(), torch);
  add("index", tar_block(R"({"a":")", {.fill = ' '}) + R"(","weight_map":{"w":"none"}})", torch);

  // torch.load reads the zip archive; PyTorch before 1.6 knows no zip and reads the tar archive.
  converts(cases, "polyglot_tar_zip", zip_and_tar(), ScanResult::found);
  cases.back().reason = "PyTorch before 1.6 reads the tar archive, later releases the zip archive";

  // The sum is right, but tarfile refuses the header for another number.
  converts(cases, "polyglot_tar_no_mode", legacy_and_tar({.mode = "mode 644"}), ScanResult::clean);
  cases.back().reason = "not a tar archive: tarfile reads all numbers of a header";
  converts(cases, "polyglot_tar_wrong_sum", legacy_and_tar({.wrong_by = 1}), ScanResult::clean);
  cases.back().reason = "not a tar archive: the sum is wrong";
}

// --- pickle ---

// A safetensors file whose header has a length of low byte `opcode`, and these bytes as its tensor.
std::string safetensors_from(char opcode, const std::string& data, unsigned second_byte = 1) {
  std::string header = R"({"w":{"dtype":"U8","shape":[)" + std::to_string(data.size()) +
                       R"(],"data_offsets":[0,)" + std::to_string(data.size()) + "]}}";
  const std::size_t length = second_byte * 256U + static_cast<unsigned char>(opcode);
  header.resize(length, ' ');
  return safetensors_of(header, data);
}

void add_pickle_cases_of_safetensors(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& bytes, const std::string& reason,
                       ScanResult scan = ScanResult::found) {
    refused(cases, "polyglot_pickle_" + name, bytes, {ErrorKind::malformed, "safetensors-pickle"},
            scan);
    cases.back().reason = reason;
  };
  const std::string loads = "the length of the header is an opcode; ";
  // UNICODE: the text ends at the first newline, which is the tensor's first byte.
  const auto unicode = [](const std::string& rest) { return safetensors_from('V', "\n0" + rest); };
  add("unicode", unicode(dangerous() + "."), loads + "UNICODE leads to the tensor");
  add("unicode_breaks_off", unicode(dangerous() + "\x00"s), "the call happens before the error");
  add("import_alone", unicode("cos\nsystem\n"), "an import runs a module");
  add("inst", unicode("(" + text("true") + "ios\nsystem\n."), loads + "INST");
  add("stack_global", unicode("\x8c\x02os\x8c\x06system\x93)R."), loads + "STACK_GLOBAL");
  add("memo",
      unicode("\x8c\x02os\x94\x8c\x06systemq\x05"
              "00h\x00h\x05\x93)R."s),
      loads + "names from the memo");
  add("mark", safetensors_from('(', "\n1" + dangerous() + ".", 'V'), loads + "MARK, then UNICODE");
  add("short_string", short_string_polyglot('U', dangerous()), loads + "SHORT_BINSTRING");
  add("short_bytes", short_string_polyglot('C', dangerous()), loads + "SHORT_BINBYTES");
  add("short_unicode", short_string_polyglot('\x8c', dangerous()), loads + "SHORT_BINUNICODE");
  add("int_line", safetensors_from('I', "\n0" + dangerous() + ".", '1'),
      "C ends a number at the zero byte");
  add("odd_number_first", unicode("I0x10\n0" + dangerous() + "."),
      "int() takes other forms of numbers than this program");
  add("legacy_stream",
      unicode("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe9\x03.}." + dangerous() + "."),
      "the number is that of PyTorch's legacy stream: torch.load reads the next pickles");
  add("dict", unicode("}X\x01\0\0\0aK\x01s."s), "pickle.load returns a dict");
  add("many_values",
      unicode("K\x01"
              "0K\x01"
              "0K\x01"
              "0K\x01"
              "0K\x01"
              "0K\x01"
              "0K\x01"
              "0K\x01"
              "0K\x01"
              "0K\x01."),
      "pickle.load returns a number after many steps, which is no chance");
  add("frame", unicode("\x95\x04\0\0\0\0\0\0\0NN0."s),
      "the two unpicklers of Python read frames differently", ScanResult::unclear);
  add("deep", unicode(")" + std::string(5000, '\x85')),
      "Python fails to free a value of great depth", ScanResult::unclear);

  // What ends Python's reading at once, or leaves a short text, happens to honest files.
  const auto honest = [&](const std::string& name, const std::string& bytes,
                          const std::string& reason) {
    refused(cases, "polyglot_pickle_" + name, bytes, {ErrorKind::unsupported, ""},
            ScanResult::clean);
    cases.back().reason = reason;
  };
  honest("reference", safetensors_from('P', "\n0" + dangerous() + "."),
         "no pickle: pickle.load has no persistent_load");
  honest("memo_unset", safetensors_from('h', "\n0" + dangerous() + "."),
         "no pickle: unset memo entry");
  honest("extension", safetensors_from('\x82', "\n0" + dangerous() + "."),
         "no pickle: the extension code is registered nowhere");
  honest("frame_beyond", safetensors_from('\x95', "\n0" + dangerous() + "."),
         "no pickle: a frame of 2^62 bytes");
  honest("pops_nothing", safetensors_from('0', "\n0" + dangerous() + "."),
         "no pickle: empty stack");
  honest("plain_text", text_polyglot(), "pickle.load returns a short text, as by chance");
  honest("reduces_nothing", safetensors_from('V', "\n)R."), "no pickle: a text is called");

  // Other kinds of files.
  refused(cases, "polyglot_pickle_hdf5", "\x89HDF\r\n\x1a\n"s,
          {ErrorKind::unsupported, "file-hdf5"}, ScanResult::unclear);
  cases.back().reason = "no pickle: H is no opcode";
  refused(cases, "polyglot_pickle_gguf", "GGUF\x03\0\0\0\x01"s + dangerous() + ".",
          {ErrorKind::unsupported, "file-gguf"}, ScanResult::found);
  cases.back().reason = "BINFLOAT takes the first bytes";
  refused(cases, "polyglot_pickle_gguf_of_data", "GGUF\x03\0\0\0\x01"s + "0}K\x01K\x02s.",
          {ErrorKind::unsupported, "file-gguf"}, ScanResult::found);
  cases.back().reason = "a pickle of data, but a GGUF file as well";
  refused(cases, "polyglot_pickle_gif", "GIF8\x01\x02\x03\x04\x05"s + dangerous() + ".",
          {ErrorKind::unsupported, "file-picture"}, ScanResult::found);
  cases.back().reason = "BINFLOAT takes the first bytes";
  refused(
      cases, "polyglot_pickle_other_magic",
      "\x80\x02N0\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe9\x03.}." + dangerous() + ".",
      {ErrorKind::unsupported, "file-pickle"}, ScanResult::found);
  cases.back().reason = "torch.load compares the number, not the bytes";
}

// --- zip ---

void add_zip_cases_of_others(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& bytes, const Refusal& refusal,
                       const std::string& reason) {
    refused(cases, "polyglot_zip_" + name, bytes, refusal, ScanResult::found);
    cases.back().reason = reason;
  };
  const Refusal other = {ErrorKind::unsupported, ""};
  const std::string pickled = pickle(dangerous());
  const auto tensor_with = [](const std::string& data) { return safetensors_from(' ', data); };
  const std::size_t base = 8 + 256 + ' ';
  const std::string jit = "torch.jit.load looks for the end record alone";
  add("in_safetensors", tensor_with(zip_at(base, pickled, {})), other, jit);
  add("gap_before_end", tensor_with(zip_at(base, pickled, {.before_end = std::string(50, '-')})),
      other, "miniz goes by the position of the directory, not by its length");
  add("behind_the_comment",
      tensor_with(zip_at(base, pickled, {.behind = std::string(66'500, '-')})), other,
      "miniz searches further back than the longest comment");
  add("zip64", tensor_with(zip_at(base, pickled, {.zip64 = true})), other, jit);
  add("relative", tensor_with(checkpoint(pickled)), other,
      "zipfile takes an archive behind other bytes");
  add("in_pickle", pickle("B" + little(checkpoint(pickled).size(), 4) + checkpoint(pickled)), other,
      "zipfile takes an archive behind other bytes");
  add("in_onnx",
      "\x08\x07"s + onnx_graph() + "\x12" + varint(checkpoint(pickled).size()) +
          checkpoint(pickled),
      {ErrorKind::unsupported, "file-onnx"}, "zipfile takes an archive behind other bytes");
  add("behind_zeros", std::string(512, '\0') + checkpoint(pickled), other, jit);
}

// --- ONNX ---

void add_onnx_cases_of_others(Cases& cases) {
  const auto add = [&](const std::string& name, const std::string& bytes, const Refusal& refusal,
                       const std::string& reason, ScanResult scan = ScanResult::found) {
    refused(cases, "polyglot_onnx_" + name, bytes, refusal, scan);
    cases.back().reason = reason;
  };
  add("pickle", onnx_and_pickle(), {ErrorKind::unsupported, "file-pickle"},
      "a protobuf message needs no ir_version at its start");
  add("safetensors", onnx_and_safetensors(), {ErrorKind::limit, "safetensors-name"},
      "protobuf skips unknown fields, which hold the header");
  add("other_order", onnx_graph() + "\x08\x07", {ErrorKind::unsupported, ""},
      "the fields of a message may come in any order", ScanResult::unclear);
  add("ort_mark", "\x08\x07\x12\x04ORTM"s + onnx_graph(), {ErrorKind::unsupported, "file-onnx"},
      "ONNX Runtime reads its own format by the mark at byte 4");
  add("mobile_mark", "\x08\x07\x12\x04PTMF"s + onnx_graph(), {ErrorKind::unsupported, "file-onnx"},
      "torch.jit.load reads a TorchScript program by the mark at byte 4");
}

}  // namespace

void add_polyglot_cases(Cases& cases) {
  add_tar_cases(cases);
  add_pickle_cases_of_safetensors(cases);
  add_zip_cases_of_others(cases);
  add_onnx_cases_of_others(cases);
}

}  // namespace aether2onnx::corpus
