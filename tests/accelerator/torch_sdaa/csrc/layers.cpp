// Layers that need kernels of their own: torch has no kernel of convolution to fall back to, and the
// boxed fallback loses the running statistics of batch normalisation, since the operator's schema
// does not say that it writes them.
#include "device.h"

#include <ATen/core/boxing/KernelFunction.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/native_batch_norm.h>

#include <array>
#include <tuple>

namespace sdaa {
namespace {

using at::Tensor;
using Sizes = c10::SymIntArrayRef;
using Triple = std::tuple<Tensor, Tensor, Tensor>;

std::optional<Tensor> host(const std::optional<Tensor>& tensor) {
  return tensor.has_value() && tensor->defined() ? std::optional<Tensor>(sdaa::host(*tensor)) : std::nullopt;
}

const c10::OperatorName kConvolution{"aten::convolution_overrideable", ""};
const c10::OperatorName kConvolutionBackward{"aten::convolution_backward_overrideable", ""};
const c10::OperatorName kBatchNorm{"aten::native_batch_norm", ""};

Triple finish(const c10::OperatorName& name, const Triple& results, c10::Device device) {
  const auto& [first, second, third] = results;
  Triple made(on_device(first, device), on_device(second, device), on_device(third, device));
  damage(name, {std::get<0>(made), std::get<1>(made), std::get<2>(made)});
  return made;
}

Tensor convolution(
    const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias, Sizes stride, Sizes padding,
    Sizes dilation, bool transposed, Sizes output_padding, c10::SymInt groups) {
  check_together({input, weight, bias.value_or(Tensor())}, input.device());
  launch(kConvolution, input.device());
  const auto result = at::convolution_symint(
      sdaa::host(input), sdaa::host(weight), host(bias), stride, padding, dilation, transposed, output_padding, groups);
  const auto made = on_device(result, input.device());
  damage(kConvolution, {made});
  return made;
}

Triple convolution_backward(
    const Tensor& grad_output, const Tensor& input, const Tensor& weight, Sizes stride, Sizes padding, Sizes dilation,
    bool transposed, Sizes output_padding, c10::SymInt groups, std::array<bool, 3> output_mask) {
  check_together({grad_output, input, weight}, input.device());
  launch(kConvolutionBackward, input.device());
  const c10::SymInt bias_size = transposed ? weight.sym_size(1) * groups : weight.sym_size(0);
  const auto results = at::convolution_backward_symint(
      sdaa::host(grad_output), sdaa::host(input), sdaa::host(weight), Sizes(bias_size), stride, padding, dilation,
      transposed, output_padding, groups, output_mask);
  return finish(kConvolutionBackward, results, input.device());
}

Triple batch_norm(
    const Tensor& input, const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
    const std::optional<Tensor>& running_mean, const std::optional<Tensor>& running_var, bool training, double momentum,
    double eps) {
  check_together({input, weight.value_or(Tensor()), running_mean.value_or(Tensor())}, input.device());
  launch(kBatchNorm, input.device());
  const auto results = at::native_batch_norm(
      sdaa::host(input), host(weight), host(bias), host(running_mean), host(running_var), training, momentum, eps);
  return finish(kBatchNorm, results, input.device());
}

}  // namespace

const std::map<std::string, c10::KernelFunction>& layers() {
  static const std::map<std::string, c10::KernelFunction> table = {
      {kConvolution.name, c10::KernelFunction::makeFromUnboxedRuntimeFunction(&convolution)},
      {kConvolutionBackward.name, c10::KernelFunction::makeFromUnboxedRuntimeFunction(&convolution_backward)},
      {kBatchNorm.name, c10::KernelFunction::makeFromUnboxedRuntimeFunction(&batch_norm)},
  };
  return table;
}

}  // namespace sdaa
