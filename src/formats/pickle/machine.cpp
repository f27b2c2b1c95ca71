// Reads a pickle opcode by opcode. Never executes an import or a call, but stores each import and
// each call as a record in the Document. Reports irregularities: content of a pickle that no
// pickler (program that writes pickles) writes.

#include "formats/pickle/machine.h"

#include <array>

#include "base/text.h"
#include "formats/pickle/opcodes.h"

namespace aether2onnx::pickle {

Machine::Machine(Document& document, ByteReader& reader, const Context& context)
    : limits_(context.limits), document_(document), reader_(reader) {
  document_.origin_ = reader.origin();
  none_ = add(Kind::none);
  true_ = add(Kind::boolean);
  value(true_).number = 1;
  false_ = add(Kind::boolean);
  empty_tuple_ = add(Kind::tuple);
}

void Machine::run() {
  for (;;) {
    opcode_at_ = reader_.position();
    const unsigned char opcode = take_byte("an opcode");
    check_pop(opcode);
    if (opcode == kStop) break;
    execute(opcode);
    check_frame();
  }
  check_frame();
  if (frame_end_ > reader_.position()) {
    malformed({ErrorKind::malformed, "pickle-frame"},
              "a frame reaches beyond the end of the pickle");
  }
  document_.root_ = pop();
  document_.consumed_ = static_cast<std::size_t>(reader_.position());
  if (!stack_.empty() || !marks_.empty()) {
    irregular({ErrorKind::malformed, "pickle-left-over"},
              "values or MARKs remain on the stack at the end");
  }
  check_repeated_keys();
  check_depth();
}

void Machine::run_as_far_as_possible() {
  strict_ = false;
  try {
    run();
  } catch (const Error& error) {
    if (error.kind != ErrorKind::malformed && error.kind != ErrorKind::limit) throw;
    document_.problem_ = error.what();
    if (error.kind == ErrorKind::limit) document_.exceeded_limit_ = error.diagnostic.subject;
    document_.root_ = none_;
    document_.consumed_ = static_cast<std::size_t>(opcode_at_);
  }
}

// --- reading ---

std::span<const std::byte> Machine::take(std::uint64_t count, const char* what) {
  if (count > reader_.left()) {
    malformed({ErrorKind::malformed,
               "pickle-truncated",
               {},
               fmt::format("{}", count),
               fmt::format("{}", reader_.left())},
              "it ends within {} ({} wanted, {} left)", what, plural(count, "byte"),
              reader_.left());
  }
  return reader_.take(count);
}

std::uint64_t Machine::take_unsigned(std::size_t size, const char* what) {
  std::uint64_t number = 0;
  const auto bytes = take(size, what);
  for (std::size_t i = 0; i < size; ++i) {
    number |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return number;
}

std::uint64_t Machine::take_signed_size(const char* what) {
  const auto size = static_cast<std::int32_t>(take_unsigned(4, what));
  if (size < 0) {
    malformed({ErrorKind::malformed, "pickle-length"}, "{} has a negative length", what);
  }
  return static_cast<std::uint64_t>(size);
}

std::string_view Machine::take_text(std::uint64_t size, const char* what) {
  const auto bytes = take(size, what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view Machine::take_line(const char* what) {
  const auto line = reader_.take_line();
  if (!line) {
    malformed({ErrorKind::malformed, "pickle-truncated"}, "the end of {} is missing", what);
  }
  return *line;
}

// Reports an irregularity if the opcode after a POP or POP_MARK is neither a GET nor another POP.
// Picklers write POP and POP_MARK only for a value that contains itself, for example a tuple T with
// a list L that contains T. To write T, the pickler first writes L. Within L, the pickler writes
// the whole of T and stores T in the memo. When L is complete, T exists already. So the pickler
// drops L with POP and gets T from the memo with GET. Source: Lib/pickle.py, save_tuple and
// save_reduce.
void Machine::check_pop(unsigned char opcode) {
  const bool is_pop = opcode == kPop || opcode == kPopMark;
  const bool is_get = opcode == kGet || opcode == kBinGet || opcode == kLongBinGet;
  if (popped_ && !is_pop && !is_get) {
    irregular({ErrorKind::malformed, "pickle-thrown-away"},
              "a POP drops a value, but no GET follows");
  }
  popped_ = is_pop;
}

// Reads FRAME. Its argument is the length of the frame: the bytes that an unpickler reads at once.
// Every pickler ends a frame between two opcodes. Machine throws for frames that programs read as
// different pickles:
// - A frame ends within an opcode's argument (check_frame()). CPython's C unpickler drops the rest
//   of the frame and continues behind the frame. Other unpicklers read the argument.
// - A frame begins in another frame.
// - A frame reaches beyond STOP (run()). If another pickle follows, programs begin to read this
//   pickle at different offsets.
// Source: _Unpickler_ReadImpl, _Unpickler_Readline and load_frame in Modules/_pickle.c.
void Machine::begin_frame() {
  if (opcode_at_ < frame_end_) {
    malformed({ErrorKind::malformed, "pickle-frame"}, "a frame lies in another frame");
  }
  const std::uint64_t size = take_unsigned(8, "a frame");
  if (size > reader_.left()) {
    malformed({ErrorKind::malformed, "pickle-frame"}, "a frame is longer than the pickle");
  }
  frame_end_ = reader_.position() + size;
}

void Machine::check_frame() const {
  if (opcode_at_ < frame_end_ && frame_end_ < reader_.position()) {
    malformed({ErrorKind::malformed, "pickle-frame"}, "a frame ends within this opcode");
  }
}

void Machine::take_protocol() {
  document_.protocol_ = take_byte("the protocol");
  if (document_.protocol_ > kHighestProtocol) {
    malformed({ErrorKind::malformed, "pickle-protocol"}, "its protocol is above {}",
              kHighestProtocol);
  }
  if (opcode_at_ != 0) {
    irregular({ErrorKind::malformed, "pickle-protocol"},
              "the pickle sets its protocol in the middle, not at the beginning");
  }
}

void Machine::execute(unsigned char opcode) {
  switch (opcode) {
    case kProto:
      take_protocol();
      break;
    case kFrame:
      begin_frame();
      break;
    case kNone:
      push(none_);
      break;
    case kNewTrue:
      push(true_);
      break;
    case kNewFalse:
      push(false_);
      break;
    case kBinInt:
      push_integer(static_cast<std::int32_t>(take_unsigned(4, "a number")));
      break;
    case kBinInt1:
      push_integer(take_byte("a number"));
      break;
    case kBinInt2:
      push_integer(static_cast<std::int64_t>(take_unsigned(2, "a number")));
      break;
    case kLong1:
      push_long(take_byte("a number"));
      break;
    case kLong4:
      push_long(take_signed_size("a number"));
      break;
    case kBinFloat:
      push_binary_float();
      break;
    case kInt:
      push_int_line(take_line("a number"));
      break;
    case kLong:
      push_long_line(take_line("a number"));
      break;
    case kFloat:
      push_float_line(take_line("a number"));
      break;
    case kString:
      push_string_line(take_line("a string"));
      break;
    case kUnicode:
      push_unicode_line(take_line("a string"));
      break;
    case kBinString:
      push_string(take_text(take_signed_size("a string"), "a string"), true);
      break;
    case kShortBinString:
      push_string(take_text(take_byte("a string"), "a string"), true);
      break;
    case kShortBinUnicode:
      push_string(take_text(take_byte("a string"), "a string"), false);
      break;
    case kBinUnicode:
      push_string(take_text(take_unsigned(4, "a string"), "a string"), false);
      break;
    case kBinUnicode8:
      push_string(take_text(take_unsigned(8, "a string"), "a string"), false);
      break;
    case kShortBinBytes:
      push_text(Kind::bytes, take_text(take_byte("bytes"), "bytes"));
      break;
    case kBinBytes:
      push_text(Kind::bytes, take_text(take_unsigned(4, "bytes"), "bytes"));
      break;
    case kBinBytes8:
      push_text(Kind::bytes, take_text(take_unsigned(8, "bytes"), "bytes"));
      break;
    case kByteArray8:
      push_text(Kind::bytes, take_text(take_unsigned(8, "bytes"), "bytes"));
      value(top()).number = 1;
      break;
    default:
      execute_structure(opcode);
  }
}

void Machine::execute_structure(unsigned char opcode) {
  switch (opcode) {
    case kMark:
      push_mark();
      break;
    case kPop:
      drop();
      break;
    case kPopMark:
      pop_mark();
      break;
    // Reports DUP as an irregularity, because no pickler writes DUP.
    case kDup: {
      irregular({ErrorKind::malformed, "pickle-duplicate"}, "the opcode DUP copies a value");
      push(top());
      break;
    }
    case kEmptyTuple:
      push(empty_tuple_);
      break;
    case kTuple:
      push_sequence(Kind::tuple, pop_mark());
      break;
    case kTuple1:
    case kTuple2:
    case kTuple3:
      push_short_tuple(static_cast<std::size_t>(opcode - kTuple1) + 1);
      break;
    case kEmptyList:
      push(add(Kind::list));
      break;
    case kList:
      push_sequence(Kind::list, pop_mark());
      break;
    case kEmptySet:
      push(add(Kind::set));
      break;
    case kFrozenSet: {
      const auto elements = pop_mark();
      for (const ValueId element : elements) check_key(element, "an element of a set");
      push_sequence(Kind::set, elements);
      value(top()).number = 1;
      break;
    }
    case kEmptyDict:
      push(add(Kind::dict));
      break;
    case kDict: {
      const auto flat = pop_mark();
      check_pairs(flat);
      const ValueId id = add(Kind::dict);
      add_pairs(id, flat);
      push(id);
      break;
    }
    case kAppend: {
      const std::array element = {pop()};
      append(element, Kind::list);
      break;
    }
    case kAppends:
      append(pop_mark(), Kind::list);
      break;
    case kAddItems:
      append(pop_mark(), Kind::set);
      break;
    case kSetItem: {
      const ValueId item = pop();
      const std::array flat = {pop(), item};
      set_items(flat);
      break;
    }
    case kSetItems:
      set_items(pop_mark());
      break;
    case kPut:
      put(parse_slot(take_line("a memo entry")));
      break;
    case kBinPut:
      put(take_byte("a memo entry"));
      break;
    case kLongBinPut:
      put(take_unsigned(4, "a memo entry"));
      break;
    case kMemoize:
      put(memo_count_);
      break;
    case kGet:
      get(parse_slot(take_line("a memo entry")));
      break;
    case kBinGet:
      get(take_byte("a memo entry"));
      break;
    case kLongBinGet:
      get(take_unsigned(4, "a memo entry"));
      break;
    default:
      execute_call(opcode);
  }
}

void Machine::refuse_opcode(unsigned char opcode) const {
  if (opcode == kExt1 || opcode == kExt2 || opcode == kExt4) {
    malformed({ErrorKind::malformed, "pickle-extension"},
              "it uses Python's extension registry, which no checkpoint does");
  }
  if (opcode == kNextBuffer || opcode == kReadOnlyBuffer) {
    malformed({ErrorKind::malformed, "pickle-buffer"},
              "it refers to buffers outside the pickle, but no checkpoint has such buffers");
  }
  malformed({ErrorKind::malformed, "pickle-opcode", {}, {}, fmt::format("{:#04x}", opcode)},
            "the opcode {:#04x} does not exist", opcode);
}

void Machine::execute_call(unsigned char opcode) {
  switch (opcode) {
    case kGlobal: {
      const std::string_view module = take_line("a global's module");
      push_global(module, take_line("a global's name"));
      break;
    }
    case kStackGlobal: {
      const ValueId name = pop();
      const ValueId module = pop();
      if (document_.kind(name) != Kind::string || document_.kind(module) != Kind::string) {
        malformed({ErrorKind::malformed, "pickle-global"},
                  "the module or name of a global isn't a text");
      }
      push_global(value(module).text, value(name).text);
      break;
    }
    case kReduce:
    case kNewObj: {
      const ValueId arguments = pop();
      push_object(opcode == kReduce ? CallForm::reduce : CallForm::newobj, pop(), arguments);
      break;
    }
    case kNewObjEx: {
      use(pop());  // the dict of keyword arguments
      const ValueId arguments = pop();
      push_object(CallForm::newobj_ex, pop(), arguments);
      break;
    }
    case kInst: {
      const std::string_view module = take_line("a class's module");
      const std::string_view name = take_line("a class's name");
      push_sequence(Kind::tuple, pop_mark());
      const ValueId arguments = pop();
      push_global(module, name);
      push_object(CallForm::inst, pop(), arguments);
      break;
    }
    case kObj: {
      const auto above = pop_mark();
      if (above.empty()) {
        malformed({ErrorKind::malformed, "pickle-global"}, "an object has no class");
      }
      const ValueId callable = above.front();
      push_sequence(Kind::tuple, above.subspan(1));
      push_object(CallForm::obj, callable, pop());
      break;
    }
    case kBuild:
      build();
      break;
    case kBinPersId:
      push_persistent_id();
      break;
    case kPersId: {
      // The argument of PERSID is a line of text. PyTorch writes no PERSID, because in PyTorch's
      // files each reference to data outside the pickle is a tuple.
      irregular({ErrorKind::malformed, "pickle-reference"},
                "a reference to data outside the pickle is a text, not a tuple");
      push_text(Kind::string, take_line("a reference"));
      push_persistent_id();
      break;
    }
    default:
      refuse_opcode(opcode);
  }
}

Document Document::parse(std::vector<std::byte> bytes, const Context& context) {
  Document document;
  ByteReader reader(document.bytes_, std::move(bytes), context);
  Machine(document, reader, context).run();
  return document;
}

Document Document::parse(const Input& input, std::uint64_t offset, const Context& context) {
  Document document;
  ByteReader reader(document.bytes_, input, offset, context);
  Machine(document, reader, context).run();
  return document;
}

Document Document::parse_as_far_as_possible(const Input& input, std::uint64_t offset,
                                            const Context& context) {
  Document document;
  ByteReader reader(document.bytes_, input, offset, context);
  Machine(document, reader, context).run_as_far_as_possible();
  return document;
}

}  // namespace aether2onnx::pickle
