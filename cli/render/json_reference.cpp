// Lists all fields in the output of --json with their meanings. The command `aether2onnx manual
// json` prints the list. The file docs/json.md contains the output of this command.

#include <fmt/format.h>

#include "../option_table.h"

namespace aether2onnx::cli {

namespace {

// A field of the JSON output. `path` contains the names of the outer objects, then the name of the
// field, joined by dots. [] marks a list: "results[].file" is the field "file" of each object in
// the list "results".
struct Field {
  const char* path;
  const char* meaning;
};

struct Object {
  const char* heading;
  const char* text;
  std::vector<Field> fields;
};

std::vector<Object> objects() {
  return {
      {"Every result",
       "Every object on stdout has these fields.",
       {{"status", R"("ok" or "error")"}, {"version", "version of aether2onnx"}}},
      {"convert",
       "For one checkpoint, `convert` prints the fields of this table.",
       {{"source", "the checkpoint, see Source below"},
        {"network", "the network, see Network below"},
        {"onnx.opset_version", "opset of the ONNX file"},
        {"onnx.ir_version", "IR version of the ONNX file"},
        {"onnx.precision", "value of --fp_mode"},
        {"onnx.io_type", "value of --io_type"},
        {"onnx.graph_form", "value of --graph_form"},
        {"onnx.projections", "value of --projections"},
        {"onnx.split_kernels_over", "value of --split_kernels_over, or null"},
        {"onnx.gelu", R"("op" or "erf")"},
        {"onnx.fp32_operators", "list of the operators that stay in float32"},
        {"onnx.depthwise_fp32", "whether the depthwise convolutions stay in float32"},
        {"onnx.fp32_blocks", "list of the network's parts that stay in float32, see --fp32_blocks"},
        {"onnx.fp32_for_weights",
         "list of the convolutions that stay in float32 because of a large weight"},
        {"onnx.dynamic", "whether an axis is dynamic"},
        {"onnx.batch_size", R"(number, or an object with "min", "opt" and "max")"},
        {"onnx.height", R"(number, or an object with "min", "opt" and "max")"},
        {"onnx.width", R"(number, or an object with "min", "opt" and "max")"},
        {"onnx.inputs", R"(list of inputs with "name", "dtype" and "shape")"},
        {"onnx.outputs", R"(list of outputs with "name", "dtype" and "shape")"},
        {"onnx.nodes", "number of nodes"},
        {"onnx.operators", "object: the count of each operator"},
        {"onnx.initializers", "number of initializers"},
        {"onnx.parameters", "number of weights"},
        {"onnx.weights_subnormal", "number of weights that became subnormal in 16 bits"},
        {"onnx.weights_flushed_to_zero", "number of weights that became zero in 16 bits"},
        {"onnx.metadata", "object: the metadata in the ONNX file"},
        {"output.path", "the saved file"},
        {"output.replaced", "whether the file replaced an older one"},
        {"output.bytes", "size of the ONNX file"},
        {"output.external_data_path", "the second file of a model over 2 GiB, or null"},
        {"output.external_data_bytes", "size of the second file"},
        {"defaults",
         "list: the options among fp_mode, opset_version and shape that have their default values"},
        {"verification",
         "result of the comparison of the model with the checkpoint, see verify below; null "
         "without --verify_onnx"},
        {"stages", R"(list of steps with "name", "summary" and "seconds")"},
        {"warnings", "list of sentences"},
        {"warning_codes", "list of the codes of the warnings, see errors.md"},
        {"next.verify",
         "the command that compares the model with the checkpoint, null after a comparison"},
        {"for",
         R"(null without --for, else an object. "targets": the targets in --for. "set": the )"
         R"(options that --for has set, each with "option", "value" and "why". "notes": )"
         "list of sentences"},
        {"next.trtexec", "the command that builds a TensorRT engine"}}},
      {"convert with --dry_run",
       "With `--dry_run`, `convert` saves no file, and prints the fields of this table.",
       {{"dry_run", "true"},
        {"source", "the checkpoint; sha256 is null"},
        {"network", "the network"},
        {"options", R"(list of options with "name", "value" and "origin")"},
        {"for",
         R"(null without --for, else an object. "targets": the targets in --for. "set": the )"
         R"(options that --for has set, each with "option", "value" and "why". "notes": )"
         "list of sentences"},
        {"output.path", "the file that the command would save"},
        {"output.action", R"("write", "replace" or "skip")"},
        {"output.why", "the reason for the action"},
        {"warnings", "list of sentences"},
        {"warning_codes", "list of the codes of the warnings"}}},
      {"convert with several checkpoints",
       R"(In the list `results`, the value of `result` decides which other fields an entry has.

- "saved": the fields of the section convert
- "failed": the fields of the section Failure
- "skipped": `status`, `network`, `output.path`, `output.bytes` and `why`
- "would …": the fields of the section convert with --dry_run)",
       {{"results", "list: an entry for each checkpoint, in the order of the inputs"},
        {"results[].input", "the checkpoint"},
        {"results[].result", R"("saved", "skipped", "failed" or "would …")"},
        {"results[].seconds", "time of the conversion"},
        {"saved", "number of saved models"},
        {"skipped", "number of skipped checkpoints"},
        {"failed", "number of failures"},
        {"seconds", "time of the whole call"},
        {"exit_code", "exit code of the program"}}},
      {"fuse",
       "",
       {{"source", "the checkpoint"},
        {"network", "the network"},
        {"output.path", "the saved file"},
        {"output.replaced", "whether the file replaced an older one"},
        {"output.format", R"("pth" or "safetensors")"},
        {"output.bytes", "size of the file"},
        {"output.tensors", "number of tensors"},
        {"output.parameters", "number of weights"},
        {"output.dtype", "types of the weights"},
        {"convolutions", "number of pairs of convolutions that were fused"},
        {"weights_subnormal", "number of weights that became subnormal in 16 bits"},
        {"weights_flushed_to_zero", "number of weights that became zero in 16 bits"},
        {"stages", R"(list of steps with "name", "summary" and "seconds")"},
        {"warnings", "list of sentences"},
        {"warning_codes", "list of the codes of the warnings"},
        {"next.convert", "the command that converts the fused file"}}},
      {"inspect",
       "",
       {{"source", "the file"},
        {"network", "the network, null if the file has no network that can be converted"},
        {"not_recognised",
         R"(object with "code", "message" and "findings" if the network is unknown, else null)"},
        {"training",
         R"(object: numbers in the file that show the training's progress: "iter", "epoch", …)"},
        {"cost",
         "parameters, bytes of weights; multiply-adds and memory for each megapixel of output"},
        {"fused_cost",
         "the fields of `cost` for the network after fusion; null if the network is fused already, "
         "or if the file has no network"},
        {"onnx", "opset, inputs, outputs, operators and metadata of an ONNX file, or null"},
        {"tensors", "list of all tensors, null without --tensors"},
        {"warnings", "list of sentences"},
        {"warning_codes", "list of the codes of the warnings"}}},
      {"verify",
       "",
       {{"verification",
         R"(object: result of the comparison of the model with the checkpoint. "verdict": see )"
         R"(verification.md. "results": list of the differences for each shape and input. )"
         R"("assumptions": list of facts that the checkpoint lacks. The other fields describe )"
         "the comparison"}}},
      {"check",
       "[check.md](check.md) lists the codes of the findings of `check`.",
       {{"findings", "list of problems"},
        {"findings[].severity", R"("error", "warning" or "note")"},
        {"findings[].code", "code of the finding"},
        {"findings[].what", "the problem in a sentence"},
        {"findings[].count", "number of nodes, tensors or values with the problem"},
        {"findings[].concerns",
         R"(list of the programs with the problem: objects with "target", "severity" and )"
         R"("versions")"},
        {"findings[].remedy", "what to do"},
        {"errors", "number of errors"},
        {"warnings", "number of warnings"},
        {"notes", "number of notes"},
        {"exit_code", "exit code of the program"}}},
      {"scan",
       "[security.md](security.md) lists the verdicts and finding codes of `scan`.",
       {{"results", "list: an entry for each file, in the order of the inputs"},
        {"results[].file", "the file"},
        {"results[].result", R"("clean", "found" or "unclear")"},
        {"results[].container", "the file's format"},
        {"results[].globals",
         R"(names that pickles import: list of objects with "name", "verdict", "where" and )"
         R"("count")"},
        {"results[].calls",
         R"(calls that loading the file makes: list of objects with "text", "verdict" and )"
         R"("where")"},
        {"results[].findings",
         R"(list of findings with "weight" ("clean", "unclear" or "found"), "code" and "what")"},
        {"results[].not_listed",
         "number of globals, calls and findings that were left out, because each list has a limit"},
        {"results[].error", "the error if the file can't be read"},
        {"clean", "number of clean files"},
        {"found", "number of dangerous files (see security.md)"},
        {"unclear", "number of files that scan does not understand or cannot read"},
        {"exit_code", "exit code of the program"}}},
      {"engine",
       "",
       {{"model",
         "path, opset, types, input and output of the model; ranges of batch, height and width"},
        {"for", "value of --for"},
        {"tensorrt",
         "version of TensorRT; the origin of the version (an option, a program or \"assumed\"); "
         "paths of trtexec and Python"},
        {"arguments", "list of arguments of trtexec or tensorrt_rtx"},
        {"command", "the whole command line"},
        {"shell", "the shell that the command line is written for"},
        {"engine", "the engine's file"},
        {"built", R"(object with "bytes", "seconds" and "log", null without --run and --build)"},
        {"provider_options",
         "object: options of ONNX Runtime's TensorRT provider, only with --for onnxruntime"},
        {"python", "Python code for your script, only with --for onnxruntime and vsmlrt"},
        {"notes", "list of sentences"}}},
      {"upscale",
       "If `upscale` gets only one picture and fails, the program prints only the fields of the "
       "section Failure.",
       {{"model.path", "the checkpoint or ONNX file"},
        {"model.description", "the network in one line"},
        {"model.scale", "upscale factor"},
        {"model.channels", "channels of the model: 1 or 3"},
        {"model.onnxruntime_version", "version of ONNX Runtime"},
        {"model.device", R"("CPU" or "CUDA, device N")"},
        {"model.notes", "list of sentences"},
        {"results", "list: an entry for each picture, in the order of the inputs"},
        {"results[].input", "the picture"},
        {"results[].result", R"("saved" or "failed")"},
        {"results[].output", "the saved file"},
        {"results[].replaced", "whether the file replaced an older one"},
        {"results[].width", "width of the picture"},
        {"results[].height", "height of the picture"},
        {"results[].output_width", "width of the result"},
        {"results[].output_height", "height of the result"},
        {"results[].colours", R"("grey" or "rgb")"},
        {"results[].alpha", "whether the picture has alpha"},
        {"results[].bits", "bits of a sample: 8 or 16"},
        {"results[].tiles",
         R"(object with "count", "height", "width", "overlap", "exact" and "why_not")"},
        {"results[].seconds", "time to read the picture, run the model and save the result"},
        {"results[].notes", "list of sentences"},
        {"results[].error", "the error of a failed picture"},
        {"saved", "number of saved pictures"},
        {"failed", "number of failures"},
        {"compare", "path of the HTML page that --compare wrote, or null"},
        {"exit_code", "exit code of the program"}}},
      {"Failure",
       "A command that ends with an error prints the fields of this table.",
       {{"error.kind", "kind of the error, see errors.md"},
        {"error.code", "code of the error, see errors.md"},
        {"error.subject", "the file, tensor or option with the error"},
        {"error.expected", "what was expected, may be empty"},
        {"error.found", "what was found, may be empty"},
        {"error.message", "the message, also printed on stderr"},
        {"error.findings", "list of sentences, for example one for each missing key"},
        {"verification", "result of the comparison of the model with the checkpoint, or null"},
        {"exit_code", "exit code of the program"}}},
      {"Source",
       "The object `source` describes the file that the program read.",
       {{"name", "file name"},
        {"container", "format of the file"},
        {"wrapper",
         R"(keys that lead to the state dict, such as "model/state_dict"; empty if the state dict )"
         "is the outermost object in the file"},
        {"other_wrappers", "list of the keys that lead to other state dicts in the file"},
        {"sha256", "hash of the file"},
        {"bytes", "size of the file"},
        {"tensors", "number of tensors"},
        {"parameters", "number of weights"},
        {"dtype", "types of the weights"}}},
      {"Network",
       "The object `network` describes the network in a checkpoint.",
       {{"architecture", R"("AetherNet")"},
        {"generation", R"("G1" to "G7d", see support.md)"},
        {"model_type", R"("aether_small", …, or "custom")"},
        {"scale", "upscale factor"},
        {"input_channels", "channels of the picture"},
        {"embed_dim", "channels of the feature maps between the blocks"},
        {"depths", "list: number of blocks in each group of blocks"},
        {"hidden_dim", "channels of the feature maps inside a block"},
        {"large_kernel", "size of the larger kernel in each pair of parallel convolutions"},
        {"small_kernel",
         "size of the smaller kernel in each pair, null if a fused file does not show it"},
        {"fused",
         "whether each pair of parallel convolutions is already fused into one convolution"},
        {"norm_type", R"("layernorm" or "deployment")"},
        {"norm_eps",
         "epsilon of normalizations with stored mean and variance, null if there are none"},
        {"channel_attention", "whether the network has channel attention"},
        {"spatial_attention", "whether the network has spatial attention"},
        {"res_scale", "factor by which each block's output is multiplied"},
        {"img_range",
         "the network multiplies the picture's values by this number; networks of the generations "
         "G7a to G7d divide by this number"},
        {"quantization",
         R"("qat" (quantization-aware training), "int8", or "" without quantization)"},
        {"evidence",
         R"(list of facts about the network with "what", "value", "because" and "certain")"}}},
  };
}

}  // namespace

std::string json_page() {
  std::string page = R"(# The output of --json

The command `aether2onnx manual json` prints this page, and a test compares the page with the command's output.

With `--json`, the program prints one JSON object on stdout, and the log on stderr. Later versions with the same MAJOR
number may add fields to the JSON output, but keep the names and meanings of existing fields
([versioning.md](versioning.md)). A path such as `results[].file` means the field `file` of each entry in `results`.
)";
  for (const Object& object : objects()) {
    page += fmt::format("\n## {}\n\n", object.heading);
    if (*object.text != '\0') page += fmt::format("{}\n\n", object.text);
    page += "| field | meaning |\n| --- | --- |\n";
    for (const Field& field : object.fields) {
      page += fmt::format("| `{}` | {} |\n", field.path, field.meaning);
    }
  }
  return page;
}

}  // namespace aether2onnx::cli
