#include "network/passes/rewriter.h"

namespace aether2onnx::network {

Rewriter::Rewriter(Network network)
    : source(std::move(network)), parameters_(source.parameters.size()) {
  result.facts = source.facts;
  result.buffers = source.buffers;
  result.warnings = source.warnings;
}

ParameterId Rewriter::take(ParameterId id) {
  std::optional<ParameterId>& taken = parameters_.at(id);
  if (!taken) taken = replace(id, source.parameters[id].value);
  return *taken;
}

ParameterId Rewriter::replace(ParameterId id, Expression value) {
  const Parameter& parameter = source.parameters.at(id);
  result.parameters.push_back(
      {parameter.name, parameter.shape, std::move(value), parameter.position});
  return result.parameters.size() - 1;
}

ValueId Rewriter::copy(Module module) {
  for_each_parameter(module.operation, [this](ParameterId& id) { id = take(id); });
  return put(module, module.path, module.operation);
}

ValueId Rewriter::put(const Module& module, std::string path, Operation operation) {
  std::vector<ValueId> inputs;
  for (const ValueId input : module.inputs) inputs.push_back(value(input));
  return result.add(std::move(path), std::move(operation), std::move(inputs));
}

// Returns the weight and bias of the ChannelAffine that computes the same as `norm`. The new weight
// is weight / sqrt(running_var + epsilon). The new bias is bias - running_mean * new weight.
Affine affine_of(const Network& network, const DeploymentNorm& norm) {
  const auto value = [&](ParameterId id) { return network.parameters.at(id).value; };
  Expression deviation = Expression::of(
      Expression::Kind::square_root, Expression::of(Expression::Kind::add, value(norm.running_var),
                                                    Expression::constant(norm.epsilon)));
  Affine affine;
  affine.weight =
      Expression::of(Expression::Kind::divide, value(norm.weight), std::move(deviation));
  affine.bias = Expression::of(
      Expression::Kind::subtract, value(norm.bias),
      Expression::of(Expression::Kind::multiply, value(norm.running_mean), affine.weight));
  return affine;
}

}  // namespace aether2onnx::network
