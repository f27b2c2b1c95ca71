// Checks that the attributes that a pickle sets on tensors, dicts and layers are harmless. For
// example, an attribute must not hide a method that a loader calls.

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/call_grammar.h"
#include "formats/torch/calls.h"
#include "formats/torch/torch.h"

namespace aether2onnx::torch {

using pickle::Kind;
using pickle::ValueId;

namespace {

// Names that a file must not set as attributes of a tensor: the properties of torch.Tensor, and
// methods that loaders call. For example, an attribute `data` would give the tensor other elements,
// and an attribute `numpy` would hide the method. The list also has read-only properties, such as
// `shape`: Python cannot set a read-only property, so loading the file would fail. Sources:
// dir(torch.Tensor); torch/csrc/autograd/python_variable.cpp.
constexpr std::string_view kOfTensor =
    "H T _backward_hooks _base _cdata _grad _grad_fn _post_accumulate_grad_hooks "
    "_has_symbolic_sizes_strides _python_dispatch _version data device dtype grad grad_dtype "
    "grad_fn imag is_cpu is_cuda is_ipu is_leaf is_maia is_meta is_mkldnn is_mps is_mtia is_nested "
    "is_ort is_quantized is_sparse is_sparse_csr is_vulkan is_xla is_xpu itemsize layout mH mT "
    "name "
    "names nbytes ndim output_nr real requires_grad retain_grad retains_grad shape volatile "
    "clone contiguous copy_ cpu cuda data_ptr dequantize detach dim double float half int long "
    "is_contiguous is_floating_point numel numpy reshape resize_ set_ size storage storage_offset "
    "stride to tolist type untyped_storage view "
    "_indices _values indices values crow_indices col_indices ccol_indices row_indices";

// Names that a file must not set as attributes of a dict or layer: an attribute hides the method of
// the same name. A program that copies a state dict or runs a network would then call the
// attribute, not the method. Sources: dir(collections.OrderedDict) and dir(torch.nn.Module).
constexpr std::string_view kOfDict =
    "clear copy fromkeys get items keys move_to_end pop popitem setdefault update values";
constexpr std::string_view kOfLayer =
    "T_destination _apply _call_impl _compiled_call_impl _get_backward_hooks "
    "_get_backward_pre_hooks _get_name _load_from_state_dict _maybe_warn_non_full_backward_hook "
    "_named_members _register_load_state_dict_pre_hook _register_state_dict_hook "
    "_replicate_for_data_parallel _save_to_state_dict _slow_forward _version "
    "_wrapped_call_impl add_module append apply bfloat16 buffers call_super_init children compile "
    "cpu cuda double dump_patches eval extend extra_repr float forward get_buffer get_extra_state "
    "get_parameter get_submodule half insert ipu items keys load_state_dict modules mtia "
    "named_buffers named_children named_modules named_parameters parameters pop "
    "register_backward_hook register_buffer register_forward_hook register_forward_pre_hook "
    "register_full_backward_hook register_full_backward_pre_hook "
    "register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module "
    "register_parameter register_state_dict_post_hook register_state_dict_pre_hook "
    "requires_grad_ reset_parameters set_extra_state set_submodule share_memory state_dict to "
    "to_empty train type update values xpu zero_grad";

}  // namespace

bool Matcher::are_fields(ValueId value, std::string_view reserved) {
  if (!is(Kind::dict, value)) return false;
  const auto fields = document_.pairs(value);
  return may_visit(fields.size()) && std::all_of(fields.begin(), fields.end(), [&](const auto& f) {
           return is(Kind::string, f.first) && !document_.text(f.first).starts_with("__") &&
                  !is_one_of(reserved, document_.text(f.first));
         });
}

bool Matcher::are_fields_of_dict(ValueId value) { return are_fields(value, kOfDict); }

// Returns whether the value is None or a dict of attributes for a tensor. Each attribute must be a
// scalar (number, text, bytes, global, True, False, None), or a list or tuple of scalars.
bool Matcher::are_attributes(ValueId value) {
  if (is(Kind::none, value)) return true;
  if (!are_fields(value, kOfTensor)) return false;
  const auto fields = document_.pairs(value);
  return std::all_of(fields.begin(), fields.end(), [&](const auto& field) {
    const auto elements = document_.elements(field.second);
    const bool is_list = is(Kind::tuple, field.second) || is(Kind::list, field.second);
    return is_plain(field.second) ||
           (is_list && may_visit(elements.size()) &&
            std::all_of(elements.begin(), elements.end(),
                        [&](ValueId element) { return is_plain(element); }));
  });
}

template <typename Fits>
bool Matcher::is_table(ValueId value, Fits fits) {
  const bool is_dict = is(Kind::dict, value) || is_call_of(value, "collections", "OrderedDict");
  if (!is_dict || (is(Kind::object, value) && !document_.arguments(value).empty())) return false;
  const auto items = document_.pairs(value);
  return may_visit(items.size()) && std::all_of(items.begin(), items.end(), [&](const auto& item) {
           return is(Kind::string, item.first) &&
                  (is(Kind::none, item.second) || fits(item.second));
         });
}

// Returns whether the value has the form of the __dict__ of a torch.nn.Module. Source:
// torch/nn/modules/module.py, Module.__init__.
bool Matcher::are_fields_of_layer(ValueId value) {
  const auto fields = document_.pairs(value);
  if (fields.size() > limits::kModuleAttributes || !are_fields(value, kOfLayer)) return false;
  int tables = 0;
  const bool fit = std::all_of(fields.begin(), fields.end(), [&](const auto& field) {
    const std::string_view name = document_.text(field.first);
    tables += name == "_parameters" || name == "_buffers" || name == "_modules" ? 1 : 0;
    if (name == "_parameters" || name == "_buffers") {
      return is_table(field.second, [&](ValueId item) { return is_rebuild(item); });
    }
    if (name == "_modules") {
      return is_table(field.second, [&](ValueId item) { return may_be_layer(document_, item); });
    }
    if (name == "_non_persistent_buffers_set") return is_set_of_texts(field.second);
    return name.find("_hooks") == std::string_view::npos || are_hooks(field.second);
  });
  return fit && tables == 3;
}

// Returns whether the value is a set of texts. From pickle protocol 4 on, opcodes make a set. Below
// protocol 4, a call of the class `set` makes a set.
bool Matcher::is_set_of_texts(ValueId value) {
  if (is_call_of(value, "builtins", "set") || is_call_of(value, "__builtin__", "set")) {
    const auto arguments = document_.arguments(value);
    if (arguments.size() != 1) return false;
    value = arguments[0];
  } else if (!is(Kind::set, value)) {
    return false;
  }
  const auto texts = document_.elements(value);
  return may_visit(texts.size()) && std::all_of(texts.begin(), texts.end(), [&](ValueId text) {
           return is(Kind::string, text) && document_.text(text).size() <= limits::kNameBytes;
         });
}

// Returns whether the value is a dict of a layer's hooks. The network's author writes the hooks:
// functions, or objects of the author's classes. Returns false if a hook is in the table of known
// names (known_names.h), because the table has only names of PyTorch, numpy and Python.
bool Matcher::are_hooks(ValueId value) {
  if (!is(Kind::dict, value) && !is_call_of(value, "collections", "OrderedDict")) return false;
  const auto hooks = document_.pairs(value);
  return may_visit(hooks.size()) && std::all_of(hooks.begin(), hooks.end(), [&](const auto& hook) {
           const auto name = is(Kind::object, hook.second) ? callable_name(document_, hook.second)
                                                           : class_name(document_, hook.second);
           return name && find_row(document_.module(*name), document_.name(*name)) == nullptr;
         });
}

}  // namespace aether2onnx::torch
