// Tensors on a device: made, copied, resized and viewed. No float64, as on most accelerators.
#include "device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_cpu_dispatch.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/set_cpu_dispatch.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

namespace sdaa {
namespace {

using Dtype = std::optional<at::ScalarType>;
using Layout = std::optional<at::Layout>;
using MemoryFormat = std::optional<at::MemoryFormat>;

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

at::ScalarType supported(Dtype dtype) {
  const auto given = c10::dtype_or_default(dtype);
  TORCH_CHECK_TYPE(
      given != at::kDouble && given != at::kComplexDouble,
      "SDAA: a tensor of ", given, " cannot be on this device, which has no float64; use float32");
  return given;
}

c10::Device place(std::optional<c10::Device> device) {
  const auto given = device.value_or(c10::Device(kDevice));
  return {kDevice, given.has_index() ? given.index() : current_device()};
}

at::Tensor empty(
    at::IntArrayRef size, Dtype dtype, Layout, std::optional<c10::Device> device, std::optional<bool> pinned,
    MemoryFormat format) {
  TORCH_CHECK(!pinned.value_or(false), "SDAA: only memory of the CPU can be pinned");
  const c10::DeviceGuard guard(place(device));
  return at::detail::empty_generic(size, allocator(), kKeys, supported(dtype), format);
}

at::Tensor empty_strided(
    at::IntArrayRef size, at::IntArrayRef stride, Dtype dtype, Layout, std::optional<c10::Device> device,
    std::optional<bool>) {
  const c10::DeviceGuard guard(place(device));
  return at::detail::empty_strided_generic(size, stride, allocator(), kKeys, supported(dtype));
}

// A copy to the host waits for the device; a copy to a device does not.
at::Tensor copy_from(const at::Tensor& source, const at::Tensor& target, bool) {
  const auto device = target.is_cpu() ? source.device() : target.device();
  launch({"aten::_copy_from", ""}, device);
  if (target.is_cpu()) synchronize(device.index());
  host(target).copy_(host(source));
  return target;
}

at::Tensor copy_from_and_resize(const at::Tensor& source, const at::Tensor& target) {
  if (source.sizes() != target.sizes()) at::native::resize_(target, source.sizes(), std::nullopt);
  return copy_from(source, target, false);
}

at::Scalar item(const at::Tensor& tensor) {
  launch({"aten::_local_scalar_dense", ""}, tensor.device());
  synchronize(tensor.device().index());
  return host(tensor).item();
}

at::Tensor as_strided(
    const at::Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<c10::SymInt> offset) {
  return at::cpu::as_strided_symint(tensor, size, stride, offset);
}

const at::Tensor& resize(const at::Tensor& tensor, c10::SymIntArrayRef size, MemoryFormat format) {
  return at::native::resize_(tensor, C10_AS_INTARRAYREF_SLOW(size), format);
}

at::Tensor reshape_alias(const at::Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  return at::native::_reshape_alias(tensor, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

at::Tensor view(const at::Tensor& tensor, c10::SymIntArrayRef size) {
  return at::native::view(tensor, C10_AS_INTARRAYREF_SLOW(size));
}

at::Tensor& set_tensor(at::Tensor& tensor, const at::Tensor& source) {
  return at::native::set_tensor_(tensor, source);
}

at::Tensor& set_storage(at::Tensor& tensor, at::Storage source) {
  return at::native::set_(tensor, std::move(source));
}

at::Tensor& set_storage_at(
    at::Tensor& tensor, at::Storage source, int64_t offset, at::IntArrayRef size, at::IntArrayRef stride) {
  return at::cpu::set_(tensor, std::move(source), offset, size, stride);
}

void record_stream(at::Tensor&, c10::Stream) {}

}  // namespace

at::Tensor host(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  const auto keep = [tensor](void*) {};
  return at::from_blob(
      tensor.data_ptr(), tensor.sizes(), tensor.strides(), keep, tensor.options().device(at::kCPU));
}

at::Tensor on_device(const at::Tensor& tensor, c10::Device device) {
  if (!tensor.defined()) return tensor;
  auto made = empty_strided(
      tensor.sizes(), tensor.strides(), tensor.scalar_type(), std::nullopt, device, std::nullopt);
  host(made).copy_(tensor);
  return made;
}

void check_together(const std::vector<at::Tensor>& tensors, c10::Device device) {
  for (const auto& tensor : tensors)
    TORCH_CHECK(
        !tensor.defined() || tensor.device() == device || (tensor.is_cpu() && tensor.dim() == 0),
        "Expected all tensors to be on the same device, but found at least two devices, ", device, " and ",
        tensor.device(), "!");
}

}  // namespace sdaa

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", sdaa::empty);
  m.impl("empty_strided", sdaa::empty_strided);
  m.impl("_copy_from", sdaa::copy_from);
  m.impl("_copy_from_and_resize", sdaa::copy_from_and_resize);
  m.impl("_local_scalar_dense", sdaa::item);
  m.impl("as_strided", sdaa::as_strided);
  m.impl("resize_", sdaa::resize);
  m.impl("_reshape_alias", sdaa::reshape_alias);
  m.impl("view", sdaa::view);
  m.impl("unfold", at::native::unfold);
  m.impl("set_.source_Tensor", sdaa::set_tensor);
  m.impl("set_.source_Storage", sdaa::set_storage);
  m.impl("set_.source_Storage_storage_offset", sdaa::set_storage_at);
  m.impl("record_stream", sdaa::record_stream);
}
