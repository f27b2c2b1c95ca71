#include "formats/pickle/machine.h"

namespace aether2onnx::pickle {

void Machine::execute(unsigned char opcode) {
  switch (opcode) {
    case kProto:
      if (take_byte("the protocol") > kHighestProtocol) {
        malformed({ErrorKind::malformed, "pickle-protocol"}, "it is of a protocol above {}",
                  kHighestProtocol);
      }
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
      push_text(Kind::string, take_text(take_signed_size("a string"), "a string"));
      break;
    case kShortBinString:
    case kShortBinUnicode:
      push_text(Kind::string, take_text(take_byte("a string"), "a string"));
      break;
    case kBinUnicode:
      push_text(Kind::string, take_text(take_unsigned(4, "a string"), "a string"));
      break;
    case kBinUnicode8:
      push_text(Kind::string, take_text(take_unsigned(8, "a string"), "a string"));
      break;
    case kShortBinBytes:
      push_text(Kind::bytes, take_text(take_byte("bytes"), "bytes"));
      break;
    case kBinBytes:
      push_text(Kind::bytes, take_text(take_unsigned(4, "bytes"), "bytes"));
      break;
    case kBinBytes8:
    case kByteArray8:
      push_text(Kind::bytes, take_text(take_unsigned(8, "bytes"), "bytes"));
      break;
    default:
      execute_structure(opcode);
  }
}

void Machine::execute_structure(unsigned char opcode) {
  switch (opcode) {
    case kMark:
      if (marks_.size() >= limits_.pickle_values) {
        beyond_limit("pickle_values", limits_.pickle_values, "open marks");
      }
      marks_.push_back(stack_.size());
      break;
    case kPop:
      // Python's POP removes the mark if nothing lies above the mark.
      if (!marks_.empty() && stack_.size() == marks_.back()) {
        marks_.pop_back();
      } else {
        pop();
      }
      break;
    case kPopMark:
      pop_mark();
      break;
    case kDup:
      push(top());
      break;
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
    case kFrozenSet:
      push_sequence(Kind::set, pop_mark());
      break;
    case kEmptyDict:
      push(add(Kind::dict));
      break;
    case kDict: {
      const auto flat = pop_mark();
      check_pairs(flat);
      const ValueId id = add(Kind::dict);
      add_pairs(container(id), flat);
      push(id);
      break;
    }
    case kAppend: {
      const std::array element = {pop()};
      append(element);
      break;
    }
    case kAppends:
    case kAddItems:
      append(pop_mark());
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

void Machine::refuse(unsigned char opcode) const {
  if (opcode == kExt1 || opcode == kExt2 || opcode == kExt4) {
    malformed({ErrorKind::malformed, "pickle-extension"},
              "it uses Python's extension registry, which no checkpoint does");
  }
  if (opcode == kNextBuffer || opcode == kReadOnlyBuffer) {
    malformed({ErrorKind::malformed, "pickle-buffer"},
              "it refers to buffers outside the pickle, which no file can hold");
  }
  malformed({ErrorKind::malformed, "pickle-opcode", {}, {}, fmt::format("{:#04x}", opcode)},
            "there is no opcode {:#04x}", opcode);
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
        malformed({ErrorKind::malformed, "pickle-global"}, "the names of a global aren't texts");
      }
      push_global(value(module).text, value(name).text);
      break;
    }
    case kReduce:
    case kNewObj: {
      const ValueId arguments = pop();
      push_object(pop(), arguments);
      break;
    }
    case kNewObjEx: {
      pop();  // the keyword arguments
      const ValueId arguments = pop();
      push_object(pop(), arguments);
      break;
    }
    case kInst: {
      const std::string_view module = take_line("a class's module");
      const std::string_view name = take_line("a class's name");
      push_sequence(Kind::tuple, pop_mark());
      const ValueId arguments = pop();
      push_global(module, name);
      push_object(pop(), arguments);
      break;
    }
    case kObj: {
      const auto above = pop_mark();
      if (above.empty()) {
        malformed({ErrorKind::malformed, "pickle-global"}, "an object has no class");
      }
      const ValueId callable = above.front();
      push_sequence(Kind::tuple, above.subspan(1));
      push_object(callable, pop());
      break;
    }
    case kBuild:
      build();
      break;
    case kBinPersId:
      push_persistent_id();
      break;
    case kPersId:
      push_text(Kind::string, take_line("a reference"));
      push_persistent_id();
      break;
    default:
      refuse(opcode);
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
