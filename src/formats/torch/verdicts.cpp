// Judges a name that a pickle imports. A name in the table of known_names.h is harmless. A name is
// dangerous if it can run code, start programs or reach files and networks. Any other name is
// suspicious.

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/known_names.h"
#include "formats/torch/torch.h"

namespace aether2onnx::torch {

namespace {

// Modules with functions that run code, start programs, or reach files, networks and the
// interpreter itself. The submodules of these modules are dangerous too. An unknown name from a
// module that is missing here is still suspicious. The packages torch and numpy also have harmless
// names, so the list has only some submodules of torch and numpy.
constexpr std::string_view kDangerousModules =
    "os posix nt sys subprocess _posixsubprocess commands popen2 pty platform shutil socket "
    "_socket ssl socketserver urllib urllib2 urllib3 requests httplib http httpx aiohttp ftplib "
    "smtplib poplib imaplib nntplib telnetlib xmlrpc webbrowser importlib imp runpy pkgutil "
    "zipimport site sysconfig code codeop compileall py_compile ctypes _ctypes cffi pickle "
    "_pickle cPickle dill cloudpickle joblib shelve marshal functools operator _operator "
    "itertools inspect gc asyncio threading _thread thread multiprocessing concurrent signal "
    "sched pip ensurepip venv setuptools distutils pkg_resources timeit profile cProfile trace "
    "pdb bdb doctest unittest test idlelib lib2to3 pydoc logging tempfile fileinput io _io "
    "linecache antigravity cgitb "
    "torch.hub torch.jit torch.ops torch.package torch.distributed torch.multiprocessing "
    "torch.utils torch.fx torch.testing torch._dynamo torch._inductor torch.onnx numpy.testing "
    "numpy.f2py numpy.distutils";

struct Names {
  std::string_view module;
  std::string_view names;
};

constexpr std::array kDangerous = {
    Names{"builtins",
          "eval exec compile __import__ getattr setattr delattr open input breakpoint globals "
          "locals vars map filter apply execfile file reload memoryview type super"},
    Names{"__builtin__",
          "eval exec compile __import__ getattr setattr delattr open input raw_input breakpoint "
          "globals locals vars map filter apply execfile file reload type super"},
    Names{"types", "FunctionType CodeType MethodType LambdaType"},
    Names{"torch", "load hub save"},
    Names{"torch.serialization", "load _load _legacy_load save"},
    Names{"torch.storage", "_load_from_bytes"},
    Names{"numpy", "load fromfile memmap loadtxt genfromtxt savetxt save"},
};

bool is_in_dangerous_module(std::string_view module) {
  static const std::vector<std::string_view> dangerous = split(kDangerousModules, ' ');
  return std::any_of(dangerous.begin(), dangerous.end(), [&](std::string_view top) {
    return module.starts_with(top) && (module.size() == top.size() || module[top.size()] == '.');
  });
}

}  // namespace

Verdict verdict_of(std::string_view module, std::string_view name) {
  if (const Row* row = find_row(module, name)) {
    const bool of_torch = row->role == Role::rebuild || row->role == Role::of_torch;
    return of_torch ? Verdict::tensors : Verdict::harmless;
  }
  // No known name is longer than this limit. A pickle could use one long text a million times, and
  // comparing the text each time would be slow.
  if (module.size() > limits::kNameBytes || name.size() > limits::kNameBytes) {
    return Verdict::suspicious;
  }
  // From protocol 4 on, a name in a pickle may end with attributes, for example
  // "Size.__class__.mro". So compare only the text before the first dot with kDangerous.
  const std::string_view first = name.substr(0, name.find('.'));
  const bool known = std::any_of(kDangerous.begin(), kDangerous.end(), [&](const Names& row) {
    return row.module == module && is_one_of(row.names, first);
  });
  const bool dangerous =
      known || is_in_dangerous_module(module) || name.find("__") != std::string_view::npos;
  return dangerous ? Verdict::dangerous : Verdict::suspicious;
}

}  // namespace aether2onnx::torch
